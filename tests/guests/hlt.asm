; HLT with interrupts on: the timer wakes the guest after the HLT.
;@ reason 12 1
;@ handoff taken 40h
;@ sql SELECT (SELECT count(*) FROM thread_times WHERE moment = 'wait') = (SELECT count(*) FROM thread_times WHERE moment = 'resumed')
%include "guest.inc"
        GUEST "hlt"
        SET_VECTOR PIC_VECTOR, tick
        INIT_PIC 0fffeh
        mov word [500h], 0
        TIMER_ONCE 2000
        sti
wait_tick:
        hlt
after:  cmp word [500h], 0
        je wait_tick
        cli
        EXPECT word [502h], after, "the interrupt did not return behind the HLT"
        PASS

tick:   push ax
        push bp
        mov bp, sp
        mov ax, [bp + 4]
        mov [502h], ax
        inc word [500h]
        END_OF_INTERRUPT
        pop bp
        pop ax
        iret
