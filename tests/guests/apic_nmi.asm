; NMIs: taken with interrupts off, one at a time until IRET, not behind MOV SS; they wake a processor that ignores interrupts.
;@ software no IRETD in protected mode
;@ options --machine apic
;@ may differ memory 50c-50f, below-rsp: how many NMIs the timer sends, and the frame of the last
;@ handoff taken 2h
;@ sql SELECT count(*) >= 1 FROM registers WHERE moment = 'exit' AND interruptibility = '0x8'
%include "guest.inc"
%include "apic.inc"
        GUEST "apic_nmi"
        ENTER_PROTECTED32
        GATE32 2, nmi
        GATE32 51h, handler_51
        FORGET
        mov dword [508h], 0             ; depth
        mov dword [50ch], 0             ; count
        APIC_WRITE APIC_ICR_HIGH, 0
        APIC_WRITE APIC_ICR, 4400h
        nop
        EXPECT dword [50ch], 1, "no NMI with interrupts off"

        mov byte [504h], 2              ; the handler sends two more: they become one, after its IRET
        APIC_WRITE APIC_ICR, 4400h
        nop
        EXPECT dword [50ch], 3, "not one more NMI after IRET"

        ; an interrupt waits for the NMI's handler
        FORGET
        mov dword [508h], 0
        mov dword [50ch], 0
        sti
        mov byte [504h], 80h            ; the handler sends interrupt 51h
        APIC_WRITE APIC_ICR, 4400h
        nop
        cli
        EXPECT dword [50ch], 1, "no NMI with interrupts on"
        EXPECT byte [551h], 1, "the interrupt did not come after the NMI"

        mov ebp, APIC
        mov ebx, ss                     ; MOV SS blocks for one instruction: the NMI comes behind the next
        mov esi, 0
        mov ss, ebx
        mov dword [ebp + APIC_ICR], 4400h
        inc esi
        EXPECT dword [50ch], 2, "no NMI behind MOV SS"

        APIC_WRITE APIC_DIVIDE, 0bh
        IO_APIC_WRITE 14h, 400h         ; pin 2, the timer's: NMI
        IO_APIC_WRITE 15h, 0
        TIMER_PERIODIC 60000            ; 50 milliseconds: one that comes before HLT is not the last
.halted:
        hlt                             ; interrupts are off
        cmp dword [50ch], 3
        jb .halted
        IO_APIC_WRITE 14h, 10400h
        PASS

nmi:    push eax
        push ebp
        inc dword [508h]
        EXPECT dword [508h], 1, "an NMI within an NMI's handler"
        inc dword [50ch]
        cmp byte [504h], 2
        jne .no_more
        mov byte [504h], 0
        APIC_WRITE APIC_ICR, 4400h
        APIC_WRITE APIC_ICR, 4400h
.no_more:
        cmp byte [504h], 80h
        jne .no_interrupt
        mov byte [504h], 0
        APIC_WRITE APIC_ICR, 40051h
.no_interrupt:
        out 80h, al                     ; an exit within the handler
        dec dword [508h]
        pop ebp
        pop eax
        iret

handler_51:
        cmp dword [508h], 0
        je .alone
        FAIL "an interrupt within the NMI's handler"
.alone: COUNTER 51h
        TABLES
