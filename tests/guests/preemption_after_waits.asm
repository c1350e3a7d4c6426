; A guest that has waited keeps its deadlines: the time that HLT skipped counts for the preemption timer too.
;@ reason 12 20
;@ reason 52 1
;@ sql SELECT (SELECT max(clock_ns) FROM exits) - (SELECT max(clock_ns) FROM exits WHERE reason_number = 12) < 700000000
;@ may differ below-rsp: the frame of an interrupt, which comes at any instruction
%include "guest.inc"
        GUEST "preemption_after_waits"
        INIT_PIC 0fffeh
        SET_VECTOR PIC_VECTOR, tick
        mov cx, 20
.wait:  mov word [500h], 0
        TIMER_ONCE 59659                ; 50 ms
        sti
        hlt
        loop .wait
        mov word [500h], 0
        TIMER_ONCE 59659
        sti
.spin:  cmp word [500h], 0
        je .spin
        PASS

tick:   mov word [500h], 1
        push ax
        END_OF_INTERRUPT
        pop ax
        iret
