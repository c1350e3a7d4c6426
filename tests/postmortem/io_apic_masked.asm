;@ finding dead-halt
;@ status 1
;@ says I/O APIC: pin 2
;@ says masked
%include "guest.inc"
        GUEST "io_apic_masked"
        INIT_PIC 0ffffh
        TIMER_PERIODIC 11932
        ENTER_PROTECTED32
        mov dword [0fee000f0h], 1ffh
        mov dword [0fec00000h], 12h     ; the keyboard's entry alone is open
        mov dword [0fec00010h], 31h
        sti
.l:     hlt
        jmp .l
TABLES
