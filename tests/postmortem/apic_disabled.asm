;@ finding dead-halt
;@ status 1
;@ says it is disabled by software (SVR ffh, bit 8 is 0)
%include "guest.inc"
        GUEST "apic_disabled"
        INIT_PIC 0ffffh
        ENTER_PROTECTED32
        mov dword [0fec00000h], 14h
        mov dword [0fec00010h], 51h
        mov dword [0fec00000h], 15h
        mov dword [0fec00010h], 0
        mov dword [0fee000f0h], 0ffh
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        jmp .l
TABLES
