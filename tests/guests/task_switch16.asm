; Tasks with a TSS of 16 bits: to one, from one and between two of them; a fault with an error code of 16 bits on its stack.
;@ reason 9 8
%include "guest.inc"
%include "task.inc"
        GUEST "task_switch16"
%define COUNT 500h
        ENTER_TASKS
        mov dword [COUNT], 0
        FILL_TSS16 small_tss, called, 7a00h
        FILL_TSS16 second_tss, second, 7900h
        TASK_DESCRIPTOR SPARE, small_tss, 2bh, 81h
        TASK_DESCRIPTOR SPARE + 8, second_tss, 2bh, 81h
        ; ---- called, twice
        mov word [small_tss + 12h], 1234h
        mov word [small_tss + 20h], 5678h
        mov ebx, 0abcd1234h
        call SPARE:0
        EXPECT dword [COUNT], 1, "CALL"
        EXPECT ebx, 0abcd1234h, "EBX of the main task"
        EXPECT word [small_tss], TSS_MAIN, "back link"
        EXPECT word [small_tss + 24h], CODE16, "CS saved"
        EXPECT_BUSY SPARE, 0, "called task still busy"
        mov word [small_tss + 0eh], called
        mov word [small_tss + 12h], 1234h
        call SPARE:0
        EXPECT dword [COUNT], 2, "second CALL"
        ; ---- the main task has one of 16 bits too: what does not fit is lost
        TASK_DESCRIPTOR SPARE + 10h, main_small_tss, 2bh, 81h
        mov ax, SPARE + 10h
        ltr ax
        mov word [main_small_tss + 2ah], 0
        mov word [small_tss + 0eh], called
        mov word [small_tss + 12h], 1234h
        mov word [SCRATCH + 0], 0
        mov ebp, 0abcd7777h
        call SPARE:0
        EXPECT dword [COUNT], 3, "CALL from a TSS of 16 bits"
        EXPECT bp, 7777h, "BP"
        EXPECT word [main_small_tss + 24h], CODE32, "CS of the main task saved"
        mov esp, 7c00h
        mov ax, DATA32                  ; FS and GS have no place in it
        mov fs, ax
        mov gs, ax
        ; ---- one calls another
        mov word [small_tss + 0eh], calls_second
        call SPARE:0
        EXPECT dword [COUNT], 6, "nested tasks"
        mov esp, 7c00h
        EXPECT word [second_tss], SPARE, "back link of the nested task"
        ; ---- a fault with an error code
        TASK_GATE idt + 13 * 8, SPARE, 85h
        mov word [small_tss + 0eh], skip_error
        mov word [small_tss + 1ah], 7a00h
        mov eax, 1234h
        mov es, eax
        EXPECT dword [COUNT], 7, "#GP"
        EXPECT word [514h], 1234h, "error code"
        mov ax, ds
        EXPECT ax, DATA32, "DS"
        mov esp, 7c00h
        mov ax, DATA32
        mov fs, ax
        mov gs, ax
        xor eax, eax
        xor ecx, ecx
        xor edx, edx
        xor ebx, ebx
        xor ebp, ebp
        xor esi, esi
        xor edi, edi
        mov ax, TSS_THIRD               ; the rest of the registers is the end's
        ltr ax
        clts                            ; KVM in the box does not see that the switch sets it
        PASS

bits 16
called: inc dword [COUNT]
        EXPECT ax, 1234h, "AX of the called task"
        EXPECT di, 5678h, "DI"
        EXPECT sp, 7a00h, "SP"
        mov ax, fs
        EXPECT ax, 0, "FS"
        pushf
        pop ax
        test ah, 40h
        CHECK nz, "NT after CALL"
        EXPECT di, 5678h, "DI before it returns"
        iret
        FAIL "it goes on"
calls_second:
        inc dword [COUNT]
        call SPARE + 8:0
        inc dword [COUNT]
        iret
second: inc dword [COUNT]
        iret
skip_error:
        inc dword [COUNT]
        EXPECT sp, 7a00h - 2, "SP with an error code"
        pop word [514h]
        add word [main_small_tss + 0eh], 2
        iret
bits 32
align 16, db 0
small_tss: times 44 db 0
align 16, db 0
second_tss: times 44 db 0
align 16, db 0
main_small_tss: times 44 db 0
TASK_TABLES
