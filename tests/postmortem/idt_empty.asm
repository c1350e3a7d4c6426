;@ finding triple-fault
;@ status 1
;@ says vector 40h, IRQ 0 (timer) could not be delivered: its entry of the IDT is empty
;@ says who should have set the IDT's entry of vector 40h
;@ also vector 40h, IRQ 0 (timer), has no handler
%include "guest.inc"
        GUEST "idt_empty"
        INIT_PIC 0fffeh
        TIMER_PERIODIC 11932
        ENTER_PROTECTED32
        sti
.l:     jmp .l
TABLES
