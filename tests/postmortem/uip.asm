;@ finding wait-loop
;@ status 1
;@ says RTC's register 0a
;@ says UIP
;@ says SET (bit 7 of register B) is 1
;@ record --max-exits 500
%include "guest.inc"
        GUEST "uip"
        mov al, 0bh
        out 70h, al
        in al, 71h
        or al, 80h                      ; SET: the clock stands
        out 71h, al
        mov al, 0ah
        out 70h, al
.l:     in al, 71h
        test al, 80h
        jz .l
        PASS
