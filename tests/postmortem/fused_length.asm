;@ finding handler-fault
;@ status 0
;@ says instruction length of 7
;@ says the instruction has 6 bytes
;@ says undefined on EPT violations
;@ edit UPDATE exit SET instruction_length=7 WHERE id=0
%include "guest.inc"
        GUEST "mmioins"
        ENTER_PROTECTED32
        mov edi, 0e0000000h
        test dword [edi], 1
        CHECK nz, "TEST"
        test byte [edi], 80h
        CHECK nz, "TEST8"
        bt dword [edi], 3
        CHECK c, "BT"
        mov ecx, 4
        mov eax, 5
        mov edi, 0e0000100h
        cld
        db 0f2h
        stosw                            ; REPNE STOSW, which repeats as REP does
        EXPECT ecx, 0, "REPNE STOSW"
        EXPECT edi, 0e0000108h, "REPNE STOSW edi"
        mov eax, [0e0000000h]            ; moffs
        mov [0e0000000h], al
        mov edi, 0e0000000h
        xchg [edi], eax
        lock add dword [edi], 1
        cmpxchg [edi], ecx
        push dword [edi]
        pop eax
        movzx eax, byte [edi]
        movsx eax, word [edi+1]
        not dword [edi]
        shl dword [edi], 1
        or dword [edi], 5
        sete [edi]
        PASS
TABLES
