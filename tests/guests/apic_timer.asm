; The local APIC's timer: once, periodically, at a time stamp, masked, stopped; each wakes a processor that waits.
;@ software no IRETD in protected mode
;@ options --machine apic
;@ may differ memory 552-552, memory 600-603, memory 700-7ff, below-rsp: how often the periodic timer interrupts
;@ handoff taken 51h
;@ handoff taken 52h
%include "guest.inc"
%include "apic.inc"
        GUEST "apic_timer"
        ENTER_PROTECTED32
        GATE32 51h, handler_51
        GATE32 52h, handler_52
        FORGET
        APIC_WRITE APIC_DIVIDE, 3       ; by 16
        APIC_WRITE APIC_TIMER, 51h
        APIC_WRITE APIC_INITIAL, 3000000
        sti
        hlt
        cli
        EXPECT byte [551h], 1, "the one-shot timer did not interrupt"
        APIC_READ APIC_CURRENT
        EXPECT eax, 0, "the one-shot timer counts on"
        APIC_READ APIC_INITIAL
        EXPECT eax, 3000000, "initial count"

        APIC_WRITE APIC_DIVIDE, 0bh     ; by 1
        APIC_WRITE APIC_TIMER, 20052h
        APIC_WRITE APIC_INITIAL, 20000000
.again: sti
        hlt
        cli
        cmp byte [552h], 3
        jb .again
        APIC_WRITE APIC_TIMER, 30052h   ; masked: it counts on
        APIC_READ APIC_CURRENT
        cmp eax, 20000000
        CHECK be, "current count above the initial one"
        APIC_WRITE APIC_INITIAL, 0
        APIC_READ APIC_CURRENT
        EXPECT eax, 0, "a stopped timer counts"

        mov byte [551h], 0
        APIC_WRITE APIC_TIMER, 40051h   ; TSC deadline
        APIC_WRITE APIC_INITIAL, 5
        APIC_READ APIC_INITIAL
        EXPECT eax, 0, "the initial count was taken in TSC-deadline mode"
        rdtsc
        add eax, 200000000
        adc edx, 0
        mov ecx, 6e0h
        wrmsr
        mov esi, eax
        rdmsr
        EXPECT eax, esi, "the deadline cannot be read"
.wait:  sti                             ; the periodic timer may have left a last interrupt
        hlt
        cli
        cmp byte [551h], 0
        je .wait
        EXPECT byte [551h], 1, "not one interrupt at the deadline"
        rdtsc
        cmp eax, esi
        CHECK ae, "the interrupt came before its time"
        mov ecx, 6e0h
        rdmsr
        or eax, edx
        EXPECT eax, 0, "the deadline stays armed"
        mov eax, 1                      ; it has passed
        xor edx, edx
        wrmsr
        sti
        nop
        cli
        EXPECT byte [551h], 2, "no interrupt for a deadline that has passed"
        PASS

handler_51: COUNTER 51h
handler_52: COUNTER 52h
        TABLES
