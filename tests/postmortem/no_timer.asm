;@ finding dead-halt
;@ status 1
;@ says no timer is armed
;@ says counter 0 of the 8253 has no count
%include "guest.inc"
        GUEST "no_timer"
        INIT_PIC 0fffeh
        mov al, 34h                     ; the mode, but no count
        out 43h, al
        sti
.l:     hlt
        jmp .l
