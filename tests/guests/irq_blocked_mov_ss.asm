; Blocking by MOV SS and POP SS: with the timer ticking and IF = 1, no interrupt ever comes between either and the
; instruction after it, which causes an exit.
;@ reason 10 2000
;@ handoff taken 40h
;@ sql select count(*) >= 1000 from exits join registers using (id) where reason_number = 10 and moment = 'exit' and interruptibility = '0x2'
;@ may differ memory 500-501, memory 508-50b, rbp, below-rsp: how many ticks came, at which round and period, and the frame of the last
%include "guest.inc"
        GUEST "irq_blocked_mov_ss"
        SET_VECTOR PIC_VECTOR, tick
        INIT_PIC 0fffeh
        mov dword [500h], 0
        xor ebp, ebp
        TICKER_START 60                 ; 50 microseconds
        sti
again: xor eax, eax
        mov ss, ax
shadow_1:
        cpuid
        xor eax, eax
        push ax
        pop ss
shadow_2:
        cpuid
        inc ebp
        cmp ebp, 1000
        jb again
        cmp word [500h], 3              ; and as long as it takes for some ticks
        jb again
        cli
        EXPECT word [502h], 0, "taken in the shadow of MOV SS or POP SS"
        PASS

tick:   push bp
        mov bp, sp
        push ax
        mov ax, [bp + 2]
        cmp ax, shadow_1
        je .wrong
        cmp ax, shadow_2
        jne .right
.wrong: inc word [502h]
.right: inc word [500h]
        TICKER_EASE [bp]                ; the interrupted EBP's low half, the rounds
        END_OF_INTERRUPT
        pop ax
        pop bp
        iret
