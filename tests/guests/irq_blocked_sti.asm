; Blocking by STI: with an interrupt pending, the instruction after STI runs first, although it causes an exit; nothing
; is offered at the entry that follows an exit in the shadow.
;@ reason 10 20
;@ handoff taken 40h
;@ sql select count(*) >= 1 from exits join registers using (id) where reason_number = 10 and moment = 'exit' and interruptibility = '0x1'
;@ software interrupts are taken between batches of instructions only
%include "guest.inc"
        GUEST "irq_blocked_sti"
        SET_VECTOR PIC_VECTOR, tick
        INIT_PIC 0fffeh
        mov esi, 20
again: mov dword [500h], 0
        TIMER_ONCE 100
        WAIT_REQUESTED 0
        xor eax, eax
        sti
        cpuid
taken:  nop
        cli
        EXPECT word [500h], 1, "not taken once"
        EXPECT word [502h], taken, "not taken behind the CPUID after STI"
        dec esi
        jnz again
        ; STI, then CLI: the window never opens
        TIMER_ONCE 100
        WAIT_REQUESTED 0
        mov word [500h], 0
        sti
        cli
        nop
        xor eax, eax
        cpuid
        EXPECT word [500h], 0, "taken between STI and CLI"
        PASS

tick:   pop word [502h]
        push word [502h]
        inc word [500h]
        push ax
        END_OF_INTERRUPT
        pop ax
        iret
