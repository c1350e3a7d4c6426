;@ finding dead-halt
;@ status 1
;@ says the 8259s let only IRQ 4 (COM1) through, and COM1 raises none: IER is 00h
%include "guest.inc"
        GUEST "uart_not_enabled"
        INIT_PIC 0ffefh
        mov dx, 3fch
        mov al, 8
        out dx, al
        sti
.l:     hlt
        jmp .l
