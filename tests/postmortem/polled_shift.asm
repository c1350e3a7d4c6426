;@ finding wait-loop
;@ status 2
;@ says for bit 0 (output buffer full) to become 1
;@ record --max-exits 300 --keep-memory final
%include "guest.inc"
        GUEST "polled_shift"
.l:     in al, 64h
        shr al, 1
        jnc .l
        PASS
