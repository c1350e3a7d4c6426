;@ finding dead-halt
;@ status 1
;@ says local APIC: vector 50h is in service without EOI
%include "guest.inc"
        GUEST "apic_noeoi"
        INIT_PIC 0ffffh
        ENTER_PROTECTED32
        mov dword [0fee000f0h], 1ffh
        mov dword [0fee003e0h], 0bh
        mov dword [0fee00320h], 20050h  ; periodic
        mov dword [0fee00380h], 100000
        lidt [own_idt]
        mov word [IDT + 8 * 50h], tick
        mov word [IDT + 8 * 50h + 2], CODE32
        mov dword [IDT + 8 * 50h + 4], 8e00h
        sti
.l:     hlt
        jmp .l
tick:   iretd
IDT equ 20000h
own_idt: dw 7ffh
        dd IDT
TABLES
