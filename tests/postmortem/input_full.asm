;@ finding wait-loop
;@ says bit 1 (input buffer full) to become 1
;@ status 2
;@ record --max-exits 500
%include "guest.inc"
        GUEST "input_full"
.l:     in al, 64h
        test al, 2
        jz .l
