;@ finding guest-wish
;@ status 0
;@ says on purpose by a triple fault
;@ says rebooting
%include "guest.inc"
        GUEST "reset_by_triple_fault"
        PRINT "rebooting"
        lidt [.none]
        int3
.none:  dw 0
        dd 0
