;@ finding dead-halt
;@ status 1
;@ says the last line printed: panic: double fault
;@ also IRQ 0 (timer) came as vector 8, which is the processor's exception #DF in protected mode
%include "guest.inc"
        GUEST "pic_not_remapped"
        INIT_PIC 0fffeh
        mov al, 11h
        out 20h, al
        mov al, 8
        out 21h, al
        mov al, 4
        out 21h, al
        mov al, 1
        out 21h, al
        mov al, 0feh
        out 21h, al
        ENTER_PROTECTED32
        GATE32 8, df
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        jmp .l
df:     PRINT "panic: double fault", 10
        cli
        hlt
TABLES
