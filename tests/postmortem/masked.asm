;@ finding dead-halt
;@ status 1
;@ says IRQ 0 (timer) is requested since exit 10 and masked (IMR ffh, written at exit 8)
%include "guest.inc"
        GUEST "masked"
        INIT_PIC 0ffffh
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        jmp .l
