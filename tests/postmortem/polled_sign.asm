;@ finding wait-loop
;@ status 1
;@ says for bit 7 (UIP) to become 1; the clock is stopped: SET
;@ record --max-exits 300 --keep-memory final
%include "guest.inc"
        GUEST "polled_sign"
        mov al, 0bh
        out 70h, al
        mov al, 82h
        out 71h, al
.l:     mov al, 0ah
        out 70h, al
        in al, 71h
        test al, al
        jns .l
        PASS
