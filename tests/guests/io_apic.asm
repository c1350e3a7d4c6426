; The I/O APIC: an edge (the timer on pin 2), a level that stays up (COM1 on pin 4) with its remote IRR, masks, the EOI's broadcast;
; and the 8259s through LINT0 beside it.
;@ software no IRETD in protected mode
;@ options --machine apic
;@ handoff taken 51h
;@ handoff taken 54h
;@ handoff taken 44h
%include "guest.inc"
%include "apic.inc"
        GUEST "io_apic"
        ENTER_PROTECTED32
        GATE32 51h, handler_51
        GATE32 54h, handler_54
        GATE32 PIC_VECTOR + 4, handler_pic
        INIT_PIC 0ffffh
        FORGET
        IO_APIC_READ 1
        EXPECT eax, 170011h, "version"
        IO_APIC_WRITE 15h, 0
        IO_APIC_WRITE 14h, 51h          ; edge, fixed
        TIMER_ONCE 60000
        sti
        hlt
        cli
        EXPECT byte [551h], 1, "the timer's edge"
        IO_APIC_WRITE 14h, 10051h

        ; COM1's transmitter interrupts as long as IIR is not read
        mov dx, 3fch
        mov al, 8                       ; OUT2
        out dx, al
        IO_APIC_WRITE 19h, 0
        IO_APIC_WRITE 18h, 18054h       ; level, masked
        mov dx, 3f9h
        mov al, 2
        out dx, al
        sti
        nop
        cli
        EXPECT byte [554h], 0, "a masked pin interrupts"
        IO_APIC_WRITE 18h, 8054h
        IO_APIC_READ 18h
        EXPECT eax, 0c054h, "no remote IRR"
        sti
        nop
        nop
        nop
        cli
        EXPECT byte [554h], 3, "the level that stays up does not interrupt again"
        IO_APIC_READ 18h
        EXPECT eax, 8054h, "remote IRR after the last EOI"
        APIC_READ APIC_TMR + 20h
        EXPECT eax, 1 << 14h, "TMR"

        ; the same line through the 8259
        IO_APIC_WRITE 18h, 18054h
        mov dx, 3f9h
        mov al, 0
        out dx, al
        PIC_MASK 0ffefh
        mov al, 2
        mov dx, 3f9h
        out dx, al
        sti
        nop
        cli
        EXPECT byte [505h], 1, "no interrupt through LINT0"
        APIC_WRITE APIC_LINT0, 10700h
        mov al, 0
        out dx, al
        mov al, 2
        out dx, al
        sti
        nop
        cli
        EXPECT byte [505h], 1, "an interrupt through a masked LINT0"
        PASS

handler_51: COUNTER 51h
handler_54:
        cmp byte [554h], 2
        jb .stays
        push eax
        push edx
        mov dx, 3fah
        in al, dx
        pop edx
        pop eax
.stays: COUNTER 54h
handler_pic:
        push eax
        push edx
        inc byte [505h]
        mov dx, 3fah
        in al, dx
        END_OF_INTERRUPT
        pop edx
        pop eax
        iret
        TABLES
