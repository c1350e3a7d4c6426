;@ finding wait-loop
;@ status 1
;@ says port 1f7h
;@ says DRQ
;@ says data is not fetched
;@ says 1f0h
;@ record --max-exits 500 --disk {disk}
%include "guest.inc"
        GUEST "drq"
        mov dx, 1f6h
        mov al, 0a0h
        out dx, al
        mov dx, 1f7h
        mov al, 0ech                    ; IDENTIFY DEVICE
        out dx, al
.l:     in al, dx
        test al, 8
        jnz .l
