;@ finding guest-wish
;@ status 0
;@ nearly handler-fault
;@ nearly entry-failure
; RIP stays at REP OUTS as long as it repeats, and an exception goes elsewhere
%include "guest.inc"
        GUEST "repeated_output"
        SET_VECTOR 13, fault
        mov si, 7c00h
        mov cx, 1000
        mov dx, 80h
        rep outsb
        mov ecx, 0c0011029h
        rdmsr
        FAIL "no exception"
fault:  PASS
