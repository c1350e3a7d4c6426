;@ finding interrupts
;@ status 1
;@ says (cmp byte ptr [0x500], 0) without exits of its own, and an interrupt does not reach it: 8259 #1
;@ slow
%include "guest.inc"
        GUEST "spin_masked"
        INIT_PIC 0ffffh
        TIMER_PERIODIC 11932
        SET_VECTOR 40h, t
        sti
.l:     cmp byte [500h], 0
        je .l
        PASS
t:      inc byte [500h]
        mov al, 20h
        out 20h, al
        iret
