;@ finding wait-loop
;@ status 1
;@ says for bit 3 (DRQ) to become 1; no drive: device 1
;@ never DRDY
;@ record --max-exits 300 --keep-memory final --disk {disk}
%include "guest.inc"
        GUEST "absent_drive"
        mov dx, 1f6h
        mov al, 0f0h
        out dx, al
        mov dx, 1f2h
        mov al, 1
        out dx, al
        mov dx, 1f7h
        mov al, 20h
        out dx, al
.l:     in al, dx
        test al, 8
        jz .l
        PASS
