;@ finding runs-off
;@ status 1
;@ says runs off
;@ slow
%include "guest.inc"
        GUEST "romjump"
        jmp 0f000h:0fff0h
