;@ finding dead-halt
;@ status 1
;@ says keyboard controller: 2 bytes are in the output buffer, and IRQ 1 is off
%include "guest.inc"
        GUEST "keyboard_irq_off"
        INIT_PIC 0fffdh
        SET_VECTOR 41h, k
        mov al, 0ffh
        out 60h, al     ; reset keyboard: FA, AA arrive
        sti
.l:     hlt
        jmp .l
k:      mov al, 20h
        out 20h, al
        iret
