;@ finding dead-halt
;@ status 1
;@ says is sent to APIC ID 3, and the processor's is 0
%include "guest.inc"
        GUEST "io_apic_destination"
        INIT_PIC 0ffffh
        ENTER_PROTECTED32
        mov dword [0fee000f0h], 1ffh
        mov dword [0fec00000h], 14h
        mov dword [0fec00010h], 51h
        mov dword [0fec00000h], 15h
        mov dword [0fec00010h], 03000000h
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        jmp .l
TABLES
