;@ finding dead-halt
;@ status 1
;@ says local APIC: vector 51h is in service without EOI since it was taken
;@ says went to port 20h, the 8259
;@ never port 21h
;@ nearly wait-loop
%include "guest.inc"
        GUEST "eoi_to_8259"
        INIT_PIC 0ffffh
        ENTER_PROTECTED32
        mov dword [0fee000f0h], 1ffh
        mov dword [0fec00000h], 10h + 2*2
        mov dword [0fec00010h], 51h          ; pin 2 edge: timer
        mov dword [0fec00000h], 11h + 2*2
        mov dword [0fec00010h], 0
        lidt [own_idt]
        mov word [IDT + 8 * 51h], tick
        mov word [IDT + 8 * 51h + 2], CODE32
        mov dword [IDT + 8 * 51h + 4], 8e00h
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        jmp .l
tick:   mov al, 20h
        out 20h, al     ; EOI at the wrong controller
        iretd
IDT equ 20000h
own_idt: dw 7ffh
        dd IDT
TABLES
