;@ finding panic-text
;@ status 1
;@ says Kernel panic - not syncing: no root
;@ says Linux: panic()
%include "guest.inc"
        GUEST "panic_then_reset"
        PRINT `Kernel panic - not syncing: no root\n`
        mov al, 0feh
        out 64h, al
        hlt
