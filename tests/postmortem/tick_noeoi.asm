;@ finding interrupts
;@ status 1
;@ says 8259 #1: IRQ 0 (timer) is in service without EOI
;@ says without exits of its own
;@ slow
%include "guest.inc"
        GUEST "tick_noeoi"
        INIT_PIC 0fffeh
        SET_VECTOR 40h, tick
        mov word [500h], 0
        TIMER_PERIODIC 11932
        sti
.l:     cmp word [500h], 3              ; no exit of its own
        jb .l
        PASS
tick:   inc word [500h]
        iret
