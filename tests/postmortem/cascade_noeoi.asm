;@ finding dead-halt
;@ status 1
;@ says IRQ 2 (cascade) is in service without EOI for the second 8259
;@ says do they write 20h to port 20h, beside port a0h
%include "guest.inc"
        GUEST "cascade_noeoi"
        INIT_PIC 0fefah
        SET_VECTOR 48h, r
        SET_VECTOR 40h, t
        mov al, 0bh
        out 70h, al
        mov al, 42h
        out 71h, al
        sti
.l:     hlt
        jmp .l
r:      mov al, 0ch
        out 70h, al
        in al, 71h
        mov al, 20h
        out 0a0h, al
        iret
t:      iret
