;@ finding wait-loop
;@ status 1
;@ says until its bits c8h are 48h; the drive was given no command
;@ record --max-exits 300 --keep-memory final --disk {disk}
%include "guest.inc"
        GUEST "polled_compare"
        mov dx, 1f6h
        mov al, 0e0h
        out dx, al
.l:     mov dx, 1f7h
        in al, dx
        and al, 0c8h
        cmp al, 48h
        jne .l
        PASS
