;@ finding guest-wish
;@ status 1
;@ says exit code 3
%include "guest.inc"
        GUEST "exit_code"
        mov al, 3
        out 0f4h, al
