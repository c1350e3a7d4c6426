;@ finding wait-loop
;@ status 2
;@ says port 64h
;@ says bit 0 (output buffer full) to become 1
;@ record --max-exits 500
%include "guest.inc"
        GUEST "keyboard_wait"
.l:     in al, 64h
        test al, 1
        jz .l
        PASS
