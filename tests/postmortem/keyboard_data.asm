;@ finding wait-loop
;@ status 2
;@ says port 60h, the keyboard controller's data (reads 0h) until it is aah; its output buffer is empty
;@ record --max-exits 300 --keep-memory final
%include "guest.inc"
        GUEST "keyboard_data"
        mov al, 0aah
        out 64h, al
.l:     in al, 64h
        test al, 2
        jz .ok
        jmp .l
.ok:    in al, 60h
        cmp al, 55h
        jne .ok
.m:     in al, 60h      ; second 55h never comes: fetched already, stays
        cmp al, 0aah
        jne .m
        PASS
