;@ finding not-the-guest
;@ status 2
;@ nearly storm
;@ nearly interrupts
;@ record --max-exits 600
; many interrupts of one vector, between which the guest gets on
%include "guest.inc"
        GUEST "busy_timer"
        INIT_PIC 0fffeh
        SET_VECTOR 40h, tick
        TIMER_PERIODIC 1193
        sti
.l:     inc ax
        inc bx
        inc cx
        dec dx
        xchg ax, bx
        xchg cx, dx
        jmp .l
tick:   push ax
        mov al, 20h
        out 20h, al
        pop ax
        iret
