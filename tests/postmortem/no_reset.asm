;@ finding dead-halt
;@ status 1
;@ nearly guest-wish
; bits and commands beside those that reset
%include "guest.inc"
        GUEST "no_reset"
        mov al, 2                       ; A20
        out 92h, al
        mov al, 0ffh                    ; pulses no line
        out 64h, al
        mov dx, 0cf9h
        mov al, 2                       ; hard reset, without the bit that starts it
        out dx, al
        cli
        hlt
