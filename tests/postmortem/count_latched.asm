;@ finding wait-loop
;@ status 1
;@ says counter 0 has no count since its mode was set (port 43h) at exit 0
;@ record --max-exits 300
%include "guest.inc"
        GUEST "count_latched"
        mov al, 30h
        out 43h, al
.l:     mov al, 0
        out 43h, al
        in al, 40h
        mov ah, al
        in al, 40h
        test ah, 80h
        jz .l
        PASS
