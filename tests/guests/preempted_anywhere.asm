; Preempted anywhere: the timer's deadlines stop a guest that spins, at arbitrary points of calls, pushes, software
; interrupts, string instructions and mode-independent jumps; it runs on as if nothing had been.
;@ reason 52 20
;@ may differ memory 500-503, memory 508-50b, below-rsp: how many ticks came, at which round and period, and the frame of the last
;@ may differ rsi, rdi, rbp: how many rounds it took until there were enough ticks
%include "guest.inc"
        GUEST "preempted_anywhere"
        SET_VECTOR PIC_VECTOR, tick
        SET_VECTOR 60h, software
        INIT_PIC 0fffeh
        mov dword [500h], 0
        TICKER_START 24                 ; 20 microseconds, where there is time for a round between two
        xor esi, esi                    ; rounds
        xor edi, edi                    ; calls
        xor ebp, ebp                    ; software interrupts
        sti
round:  inc esi
        jmp .a
.a:     push dword 11111111h
        push dword 22222222h
        call subroutine
        pop eax
        pop ebx
        EXPECT eax, 22222222h, "the second word on the stack"
        EXPECT ebx, 11111111h, "the first word on the stack"
        jmp .b
.b:     int 60h
        pusha
        mov cx, 20
        mov di, 600h
        mov al, 5ah
        rep stosb
        EXPECT di, 614h, "DI after REP STOSB"
        popa
        EXPECT esi, edi, "calls"
        EXPECT esi, ebp, "software interrupts"
        EXPECT sp, 7c00h, "SP"
        cmp esi, 3000
        jb round
        cmp dword [500h], 40
        jb round
        cli
        PASS

subroutine:
        push eax
        push ebx
        push ecx
        inc edi
        mov ecx, 3
.turn:  dec ecx
        jnz .turn
        pop ecx
        pop ebx
        pop eax
        ret
software:
        push edi
        push esi
        push ebx
        push edx
        inc ebp
        jmp .x
.x:     pop edx
        pop ebx
        pop esi
        pop edi
        iret
tick:   push ax
        inc dword [500h]
        TICKER_EASE si
        END_OF_INTERRUPT
        pop ax
        iret
