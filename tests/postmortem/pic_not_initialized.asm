;@ finding dead-halt
;@ status 1
;@ says 8259 #1: IRQ 0 (timer) is requested, and the controller is not initialized
%include "guest.inc"
        GUEST "pic_not_initialized"
        mov al, 0feh
        out 21h, al
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        jmp .l
