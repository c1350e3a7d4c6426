;@ finding wait-loop
;@ status 1
;@ says (reads 60h) for one of bits 5 (THRE, transmitter ready), 6 (TEMT, transmitter empty) to become 0
;@ record --max-exits 500
%include "guest.inc"
        GUEST "ready_to_fall"
        mov dx, 3fdh
.l:     in al, dx
        test al, 20h
        jnz .l
