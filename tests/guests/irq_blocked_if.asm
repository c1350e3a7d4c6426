; An interrupt that comes while IF is 0 waits, through any number of exits, until STI and the instruction after it:
; the interrupt window.
;@ handoff taken 40h
;@ reason 7 1
;@ software interrupts are taken between batches of instructions only
%include "guest.inc"
        GUEST "irq_blocked_if"
        SET_VECTOR PIC_VECTOR, tick
        INIT_PIC 0fffeh
        mov word [500h], 0
        cli
        TIMER_ONCE 100
        WAIT_REQUESTED 0
        mov esi, 10
.exits: xor eax, eax
        cpuid
        dec esi
        jnz .exits
        EXPECT word [500h], 0, "taken with IF = 0"
        sti
        nop
taken:  nop
        cli
        EXPECT word [500h], 1, "not taken once"
        EXPECT word [502h], taken, "not taken behind the instruction after STI"
        PASS

tick:   pop word [502h]
        push word [502h]
        inc word [500h]
        push ax
        END_OF_INTERRUPT
        pop ax
        iret
