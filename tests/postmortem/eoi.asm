;@ status 0
;@ says exit code 0
%include "guest.inc"
        GUEST "eoi"
        INIT_PIC 0fffeh
        SET_VECTOR 40h, tick
        mov word [500h], 0
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        cmp word [500h], 3
        jb .l
        cli
        PASS
tick:   inc word [500h]
        push ax
        mov al, 20h
        out 20h, al
        pop ax
        iret
