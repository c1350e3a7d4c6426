; POPF opens the window at once: it has no shadow as STI has.
;@ handoff taken 40h
;@ reason 7 1
;@ may differ rcx: how often it looked for the request
;@ software interrupts are taken between batches of instructions only
%include "guest.inc"
        GUEST "irq_blocked_popf"
        SET_VECTOR PIC_VECTOR, tick
        INIT_PIC 0fffeh
        mov word [500h], 0
        TIMER_ONCE 100
        WAIT_REQUESTED 0
        pushf
        pop ax
        or ax, 200h
        push ax
        popf
taken:  nop
        cli
        EXPECT word [500h], 1, "not taken once"
        EXPECT word [502h], taken, "not taken right behind POPF"
        PASS

tick:   pop word [502h]
        push word [502h]
        inc word [500h]
        push ax
        END_OF_INTERRUPT
        pop ax
        iret
