;@ finding dead-halt
;@ status 1
;@ says I/O APIC: pin 2 (IRQ 0 (timer)) is up and masked
;@ says the timer is on pin 2, not 0
%include "guest.inc"
        GUEST "io_apic_timer_pin"
        INIT_PIC 0ffffh
        ENTER_PROTECTED32
        mov dword [0fee000f0h], 1ffh
        mov dword [0fec00000h], 10h
        mov dword [0fec00010h], 51h
        mov dword [0fec00000h], 11h
        mov dword [0fec00010h], 0
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        jmp .l
TABLES
