; Interrupts are enabled in protected mode while IDTR still names the real-mode table: the tick of the timer finds no gate, the
; faults that follow find none either, and the processor shuts down. The soft accelerator records the tick as the first link.
;@ reason 2 1
;@ end triple fault
;@ may differ registers: after a shutdown SVM leaves nothing behind, and the state is that of the last entry
;@ sql SELECT (SELECT value FROM recording WHERE name = 'accel') <> 'soft' OR group_concat(source || ' ' || vector || ': ' || failed, ', ') = 'external interrupt 64: gate type, exception 13: gate type, exception 8: gate type' FROM fault_chain
%include "guest.inc"
        GUEST "interrupt_without_gate"
        PRINT "PASS ", GUEST_NAME, 10
        INIT_PIC 0fffeh
        TIMER_PERIODIC 11932
        ENTER_PROTECTED32
        sti
.wait:  jmp .wait
TABLES
