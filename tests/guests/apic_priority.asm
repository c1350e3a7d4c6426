; The local APIC's priorities: interrupts to oneself in the order of their classes, held back by TPR and by RFLAGS.IF; errors; the
; spurious vector's register. The page is at fee00000h.
;@ software interrupts are taken between batches of instructions only
;@ options --machine apic
;@ handoff taken 51h
;@ handoff taken 72h
;@ reason 48 20
;@ reason 7 1
%include "guest.inc"
%include "apic.inc"
        GUEST "apic_priority"
        ENTER_PROTECTED32
        GATE32 51h, handler_51
        GATE32 52h, handler_52
        GATE32 72h, handler_72
        GATE32 60h, handler_60
        APIC_READ 30h
        EXPECT eax, 50014h, "version"
        APIC_READ APIC_SVR
        EXPECT eax, 1ffh, "not a virtual wire: spurious vector"
        APIC_READ APIC_LINT0
        EXPECT eax, 8700h, "not a virtual wire: LINT0"
        FORGET

        ; interrupts off: they wait in the IRR
        APIC_WRITE APIC_ICR, 40051h
        APIC_WRITE APIC_ICR, 40072h
        APIC_WRITE APIC_ICR, 40052h
        APIC_READ APIC_IRR + 20h
        EXPECT eax, 60000h, "51h and 52h are not requested"
        APIC_READ APIC_IRR + 30h
        EXPECT eax, 40000h, "72h is not requested"
        sti
        nop
        cli
        EXPECT dword [600h], 703h, "not three interrupts"
        EXPECT dword [700h], 515272h, "not in the order of their priorities"
        APIC_READ APIC_ISR + 30h
        EXPECT eax, 0, "in service after EOI"

        ; TPR holds its class back, and no other
        FORGET
        sti
        APIC_WRITE APIC_TPR, 50h
        APIC_WRITE APIC_ICR, 40051h
        APIC_WRITE APIC_ICR, 40072h
        nop
        EXPECT dword [700h], 72h, "TPR let 51h pass, or held 72h back"
        APIC_WRITE APIC_TPR, 4fh
        nop
        EXPECT dword [700h], 5172h, "51h does not come when TPR allows it"
        cli
        APIC_WRITE APIC_TPR, 0

        ; to oneself by physical and logical destination, and to everybody
        FORGET
        APIC_WRITE APIC_LDR, 4000000h
        sti
        APIC_WRITE APIC_ICR_HIGH, 0
        APIC_WRITE APIC_ICR, 4051h
        nop
        APIC_WRITE APIC_ICR_HIGH, 4000000h
        APIC_WRITE APIC_ICR, 4951h
        nop
        APIC_WRITE APIC_ICR, 84051h
        nop
        APIC_WRITE APIC_ICR, 0c4051h    ; all but oneself: nobody
        APIC_WRITE APIC_ICR_HIGH, 7000000h
        APIC_WRITE APIC_ICR, 4051h      ; another one
        nop
        cli
        EXPECT byte [551h], 3, "destinations"

        ; an illegal vector is an error, which interrupts
        FORGET
        APIC_WRITE APIC_ERROR, 60h
        sti
        APIC_WRITE APIC_ICR, 4000fh
        nop
        cli
        EXPECT byte [560h], 1, "no error interrupt"
        APIC_WRITE APIC_ESR, 0
        APIC_READ APIC_ESR
        EXPECT eax, 20h, "error status"

        ; an APIC that is off takes none
        APIC_WRITE APIC_SVR, 0ffh
        APIC_WRITE APIC_ICR, 40051h
        APIC_READ APIC_IRR + 20h
        EXPECT eax, 0, "accepted by an APIC that is off"
        PASS

handler_51: COUNTER 51h
handler_52: COUNTER 52h
handler_60: COUNTER 60h
handler_72: COUNTER 72h
        TABLES
