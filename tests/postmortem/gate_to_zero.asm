;@ finding vector-without-handler
;@ status 1
;@ says vector 40h, IRQ 0 (timer), has no handler: it was delivered to address 0
;@ says has offset 0
%include "guest.inc"
        GUEST "gate_to_zero"
        INIT_PIC 0fffeh
        TIMER_PERIODIC 11932
        ENTER_PROTECTED32
        mov word [idt + 40h*8 + 2], CODE32
        mov word [idt + 40h*8 + 4], 8e00h
        xor eax, eax
        sti
.l:     jmp .l
TABLES
