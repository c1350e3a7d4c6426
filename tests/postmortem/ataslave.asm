;@ finding wait-loop
;@ status 1
;@ says port 177h
;@ says second ATA channel
;@ says reads ffh
;@ says floating bus
;@ record --max-exits 2000
%include "guest.inc"
        GUEST "ataslave"
        mov dx, 177h                     ; secondary channel, nothing there
.l:     in al, dx
        test al, 80h
        jnz .l
        PASS
