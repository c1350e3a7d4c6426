; Two interrupts pending at once: they come one after the other, the controller's higher priority first; the second
; waits for the end of the first.
;@ handoff taken 40h
;@ handoff taken 44h
;@ may differ rcx: how often it looked for the request
;@ software interrupts are taken between batches of instructions only
%include "guest.inc"
        GUEST "irq_two_pending"
        SET_VECTOR PIC_VECTOR, timer
        SET_VECTOR PIC_VECTOR + 4, serial
        INIT_PIC 0ffffh
        mov dword [500h], 0
        mov dword [504h], 0
        ; the serial port asks because its transmitter is empty
        mov dx, 3fch
        mov al, 0bh                     ; OUT2 connects its line
        out dx, al
        mov dx, 3f9h
        mov al, 2
        out dx, al
        WAIT_REQUESTED 4
        TIMER_ONCE 100
        WAIT_REQUESTED 0
        PIC_MASK 0ffeeh
        sti
        nop
        nop
        nop
        cli
        EXPECT dword [500h], 02010201h, "not timer first, then serial port, each once"
        PASS

; each notes the order in which it starts and ends
timer:  push ax
        mov al, [504h]
        inc al
        mov [504h], al
        mov [500h], al
        mov [502h], al
        END_OF_INTERRUPT
        pop ax
        iret

serial: push ax
        push dx
        mov dx, 3fah                    ; reading the identification takes the request back
        in al, dx
        mov al, [504h]
        inc al
        mov [504h], al
        mov [501h], al
        mov [503h], al
        END_OF_INTERRUPT
        pop dx
        pop ax
        iret
