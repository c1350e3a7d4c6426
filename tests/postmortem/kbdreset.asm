;@ finding guest-wish
;@ status 1
;@ says asked for a reset (OUT 64h, feh)
;@ says nothing was printed before
%include "guest.inc"
        GUEST "kbdreset"
        mov al, 0feh
        out 64h, al
.l:     jmp .l
