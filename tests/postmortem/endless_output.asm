;@ status 2
;@ finding not-the-guest
;@ says no rule about the guest matches
;@ says 1 exit repeats, 500 times
;@ says limit on exits
;@ record --max-exits 500
%include "guest.inc"
        GUEST "endless_output"
.l:     out 80h, al
        jmp .l
