;@ finding vector-without-handler
;@ status 1
;@ says vector 40h, taken before exit
;@ slow
%include "guest.inc"
        GUEST "irq_without_handler"
        INIT_PIC 0fffeh
        TIMER_PERIODIC 11932
        xor ax, ax                      ; 00 00, ADD [BX+SI], AL, changes nothing
        sti
.l:     hlt
        jmp .l
