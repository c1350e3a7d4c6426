;@ finding storm
;@ status 1
;@ says interrupt storm: vector 44h
;@ says IRQ 4 (COM1), level-triggered
;@ says the cause is not acknowledged
;@ record --max-exits 3000
%include "guest.inc"
        GUEST "storm"
        INIT_PIC 0ffefh
        SET_VECTOR 44h, uart
        mov dx, 4d0h
        mov al, 10h                     ; level-triggered
        out dx, al
        mov dx, 3fch
        mov al, 8                       ; OUT2
        out dx, al
        mov dx, 3f9h
        mov al, 2                       ; the transmitter is ready
        out dx, al
        sti
.l:     nop
        jmp .l
uart:   push ax                         ; does not read IIR
        mov al, 20h
        out 20h, al
        pop ax
        iret
