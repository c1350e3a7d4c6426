; An interrupt offered while the guest can take it is taken: a guest that spins without exits sees the timer tick.
;@ handoff taken 40h
;@ reason 52 1
;@ differs rbx: how often it went round the loop before the last tick
;@ may differ memory 500-501, below-rsp: a tick may come before interrupts are off, and the frame of the last
%include "guest.inc"
        GUEST "irq_taken"
        SET_VECTOR PIC_VECTOR, tick
        INIT_PIC 0fffeh
        mov word [500h], 0
        TIMER_PERIODIC 11932            ; 10 ms
        sti
.spin:  inc ebx
        cmp word [500h], 3
        jb .spin
        cli
        cmp ebx, 3
        CHECK a, "the guest did not run between the ticks"
        PASS

tick:   push ax
        inc word [500h]
        END_OF_INTERRUPT
        pop ax
        iret
