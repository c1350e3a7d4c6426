;@ finding storm
;@ status 1
;@ says vector 52h is pin 4 of the I/O APIC, IRQ 4 (COM1), level-triggered; the pin is up
;@ record --max-exits 1000
%include "guest.inc"
        GUEST "io_apic_storm"
        INIT_PIC 0ffffh
        ENTER_PROTECTED32
        mov dword [0fee000f0h], 1ffh
        mov dword [0fec00000h], 10h + 2*4
        mov dword [0fec00010h], 8052h          ; pin 4, level
        mov dword [0fec00000h], 11h + 2*4
        mov dword [0fec00010h], 0
        lidt [own_idt]
        mov word [IDT + 8 * 52h], t
        mov word [IDT + 8 * 52h + 2], CODE32
        mov dword [IDT + 8 * 52h + 4], 8e00h
        mov dx, 3fch
        mov al, 8
        out dx, al
        mov dx, 3f9h
        mov al, 2
        out dx, al
        sti
.l:     jmp .l
t:      mov dword [0fee000b0h], 0
        iretd
IDT equ 20000h
own_idt: dw 7ffh
        dd IDT
TABLES
