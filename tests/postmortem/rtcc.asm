;@ finding dead-halt
;@ status 1
;@ says IRQ 8 (RTC)
;@ says register C was not read
%include "guest.inc"
        GUEST "rtcc"
        INIT_PIC 0fefbh                  ; IRQ 2 and 8 on
        SET_VECTOR 48h, tick
        mov word [500h], 0
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
        cmp word [500h], 3
        jb .l
        PASS
tick:   inc word [500h]                  ; does not read register C
        mov al, 20h
        out 0a0h, al
        out 20h, al
        iret
