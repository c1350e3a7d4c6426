;@ finding dead-halt
;@ status 0
;@ says as it said: reboot: System halted
%include "guest.inc"
        GUEST "orderly_halt"
        PRINT `reboot: System halted\n`
        cli
        hlt
