;@ finding guest-wish
;@ status 0
;@ says asked for a reset (OUT 92h, 1h)
;@ says the last line printed: going down
%include "guest.inc"
        GUEST "reset_after_output"
        PRINT `going down\n`
        in al, 92h
        or al, 1
        and al, 1
        out 92h, al
        hlt
