;@ finding dead-halt
;@ status 1
;@ says counter 0 of the 8253 has run out (mode 0, one-shot, OUT is high) and was not loaded again
%include "guest.inc"
        GUEST "one_shot_over"
        INIT_PIC 0fffeh
        SET_VECTOR 40h, tick
        mov al, 30h
        out 43h, al
        mov al, 0
        out 40h, al
        mov al, 4
        out 40h, al
        sti
.l:     hlt
        jmp .l
tick:   push ax
        mov al, 20h
        out 20h, al
        pop ax
        iret
