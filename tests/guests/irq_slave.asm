; Interrupts of the second controller: the clock's periodic interrupt arrives as IRQ 8 through the cascade.
;@ handoff taken 48h
;@ may differ memory 500-501, below-rsp: a tick may come before interrupts are off, and the frame of the last
%include "guest.inc"
        GUEST "irq_slave"
        SET_VECTOR PIC_VECTOR + 8, clock
        INIT_PIC 0fefbh
        mov word [500h], 0
        mov al, 0ah
        out 70h, al
        mov al, 26h                     ; 1024 a second
        out 71h, al
        mov al, 0bh
        out 70h, al
        mov al, 42h                     ; periodic interrupt on, 24 hours
        out 71h, al
        sti
.wait:  hlt
        cmp word [500h], 3
        jb .wait
        cli
        PASS

clock:  push ax
        mov al, 0ch
        out 70h, al
        in al, 71h
        and al, 0c0h
        EXPECT al, 0c0h, "register C does not say periodic interrupt"
        inc word [500h]
        mov al, 20h
        out 0a0h, al
        END_OF_INTERRUPT
        pop ax
        iret
