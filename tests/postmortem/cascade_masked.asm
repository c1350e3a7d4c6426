;@ finding dead-halt
;@ status 1
;@ says IRQ 8 (RTC) is enabled at its device
;@ says the cascade (IRQ 2) is masked at 8259 #1 (IMR ffh)
%include "guest.inc"
        GUEST "cascade_masked"
        INIT_PIC 0feffh
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
