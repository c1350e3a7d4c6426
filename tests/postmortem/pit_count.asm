;@ finding wait-loop
;@ status 1
;@ says the count of counter 0
;@ says has no count since its mode was set
;@ record --max-exits 500
%include "guest.inc"
        GUEST "pit_count"
        mov al, 30h
        out 43h, al
.l:     in al, 40h
        cmp al, 5
        jne .l
