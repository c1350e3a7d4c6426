; The preemption timer: a guest that spins without exits is stopped at its devices' deadlines.
;@ reason 52 1
;@ may differ below-rsp: the frame of an interrupt, which comes at any instruction
%include "guest.inc"
        GUEST "preemption_timer"
        SET_VECTOR PIC_VECTOR, tick
        mov word [500h], 0
        INIT_PIC 0fffeh
        TIMER_ONCE 5966                 ; 5 ms
        sti
.spin:  cmp word [500h], 0
        je .spin
        PASS

tick:   mov word [500h], 1
        push ax
        END_OF_INTERRUPT
        pop ax
        iret
