; What is typed comes back on the serial port, until q: the guest sleeps in between, and the serial port's interrupt wakes it.
;@ typed Hi!q
;@ console Hi!q
;@ reason 12 1
;@ handoff taken 44h
;@ may differ below-rsp: the frame of an interrupt, which comes at any instruction
%include "guest.inc"
        GUEST "console_echo"
        SET_VECTOR PIC_VECTOR + 4, serial
        INIT_PIC 0ffefh
        mov byte [500h], 0
        mov dx, 3fch
        mov al, 0bh                     ; OUT2 connects its line
        out dx, al
        mov dx, 3f9h
        mov al, 1                       ; received data interrupts
        out dx, al
.sleep: sti
        hlt
        cli
        cmp byte [500h], "q"
        jne .sleep
        mov dx, 3f8h
        mov al, 13
        out dx, al
        mov al, 10
        out dx, al
        PASS

serial: push ax
        push dx
.next:  mov dx, 3fdh
        in al, dx
        test al, 1
        jz .empty
        mov dx, 3f8h
        in al, dx
        out dx, al
        mov [500h], al
        cmp al, "q"
        jne .next
.empty: END_OF_INTERRUPT
        pop dx
        pop ax
        iret
