;@ finding dead-halt
;@ status 1
;@ says 8259 #2: IRQ 8 (RTC) is in service without EOI
;@ says port a0h
%include "guest.inc"
        GUEST "slave_noeoi"
        INIT_PIC 0fefbh
        SET_VECTOR 48h, tick
        mov al, 0bh
        out 70h, al
        in al, 71h
        or al, 40h
        mov ah, al
        mov al, 0bh
        out 70h, al
        mov al, ah
        out 71h, al
        sti
.l:     hlt
        jmp .l
tick:   mov al, 0ch
        out 70h, al
        in al, 71h
        mov al, 20h                     ; only to the first 8259
        out 20h, al
        iret
