;@ finding dead-halt
;@ status 1
;@ says COM1: its interrupt is due (transmitter empty; IER 02h)
;@ says OUT2 in MCR (00h) is 0
%include "guest.inc"
        GUEST "uart_out2"
        INIT_PIC 0ffefh
        mov dx, 3f9h
        mov al, 2
        out dx, al
        sti
.l:     hlt
        jmp .l
