;@ finding dead-halt
;@ status 1
;@ says 8259 #1: IRQ 0 (timer) is in service without EOI since vector 40h was taken (exit 14)
;@ says OUT 20h, 20h
%include "guest.inc"
        GUEST "noeoi"
        INIT_PIC 0fffeh
        SET_VECTOR 40h, tick
        mov word [500h], 0
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        cmp word [500h], 3
        jb .l
        PASS
tick:   inc word [500h]
        iret
