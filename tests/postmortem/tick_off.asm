;@ finding interrupts
;@ status 1
;@ says interrupts off
;@ says IRQ 0 (timer) is requested
;@ slow
%include "guest.inc"
        GUEST "tick_off"
        INIT_PIC 0fffeh
        SET_VECTOR 40h, tick
        mov word [500h], 0
        TIMER_PERIODIC 11932
.l:     cmp word [500h], 3
        jb .l
        PASS
tick:   inc word [500h]
        mov al, 20h
        out 20h, al
        iret
