;@ finding vector-without-handler
;@ status 1
;@ says vector 40h, taken before exit
;@ slow
%include "guest.inc"
        GUEST "irq_without_handler"
        INIT_PIC 0fffeh
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        jmp .l
