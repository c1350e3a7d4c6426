; An interrupt that was offered and not taken goes back to the trap manager. A character that is typed while the guest
; halts wakes it and pokes the accelerator, so that the entry that offers the serial port's interrupt ends at once by
; an external interrupt; the offer comes again at the next entry, and is taken.
;@ typed abcdefgh
;@ reason 1 1
;@ reason 12 1
;@ handoff returned 44h
;@ handoff taken 44h
;@ may differ below-rsp: the frame of an interrupt, which comes at any instruction
%include "guest.inc"
        GUEST "irq_returned"
        SET_VECTOR PIC_VECTOR + 4, serial
        INIT_PIC 0ffefh
        mov word [500h], 0
        mov dx, 3fch
        mov al, 0bh                     ; OUT2 connects its line
        out dx, al
        mov dx, 3f9h
        mov al, 1                       ; received data interrupts
        out dx, al
        sti
wait_typed:
        hlt
        cmp word [500h], 8
        jb wait_typed
        cli
        PASS

serial: push ax
        push dx
.next:  mov dx, 3fdh
        in al, dx
        test al, 1
        jz .empty
        mov dx, 3f8h
        in al, dx
        mov ah, "a"
        add ah, [500h]
        EXPECT al, ah, "another character was typed"
        inc word [500h]
        jmp .next
.empty: END_OF_INTERRUPT
        pop dx
        pop ax
        iret
