;@ finding dead-halt
;@ status 1
;@ says RFLAGS.IF is 0
%include "guest.inc"
        GUEST "panic_then_halt"
        PRINT `Kernel panic - not syncing: no root\n`
        cli
        hlt
