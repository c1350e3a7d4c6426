;@ finding wait-loop
;@ status 2
;@ says loop at 0000:
;@ says 500 times it reads port 80h
;@ says no state of a device that could end the loop is known there
;@ never wait loop
;@ record --max-exits 500
%include "guest.inc"
        GUEST "loop_without_test"
.l:     in al, 80h
        jmp .l
