; Addresses that are not canonical, in 64-bit mode: accesses, branches, the bases of tables; and null selectors for SS.
;@ kvm the box's own processor is QEMU's, which raises #GP for the stack too
%include "guest.inc"
%include "raises.inc"
        GUEST "canonical"
%define BAD 800000000000h
%define DESCRIPTOR (SCRATCH + 100h)

; TABLE_OF type, low half, high half of the base: a system descriptor in the place of TASK
%macro TABLE_OF 3
        mov dword [gdt_task], 67h
        mov dword [gdt_task + 4], (%1) << 8
        mov dword [gdt_task + 8], %3
        mov dword [gdt_task + 12], 0
%endmacro

        ; 32-bit code takes no null selector for SS
        ENTER_PROTECTED32
        GATE32 12, fault_12_32
        GATE32 13, fault_13_32
%assign selector 0
%rep 4
        mov eax, selector
        RAISES 13, "MOV SS of a null selector in 32-bit code", mov ss, ax
        %assign selector selector + 1
%endrep
        IDENTITY_LONG
        ENTER_LONG
        LOAD_TASK
        mov qword [task + 24h], 7a00h   ; IST1
        GATE64 12, fault_12_64, 1
        GATE64 13, fault_13_64, 1

        ; accesses
        mov rbx, BAD
        mov rbp, rbx
        mov r13, rbx
        lea r12, [rbx - 4]
        mov rsi, 0ffff7fffffffffffh
        RAISES 13, "a read", mov eax, [rbx]
        RAISES 13, "a write", mov [rbx], eax
        RAISES 13, "an access that ends there", mov rax, [rsi - 3]
        RAISES 12, "RBP", mov eax, [rbp]
        RAISES 13, "R13", mov eax, [r13]
        RAISES 12, "RSP and an index", mov eax, [rsp + rbx]
        RAISES 12, "DS before RBP", db 3eh, 8bh, 45h, 0
        RAISES 12, "FXSAVE", fxsave [rbp]
        RAISES 13, "PUSH of memory", push qword [rbx]
        RAISES 13, "CALL through memory", call [rbx]
        RAISES 12, "JMP through memory", jmp [rbp]
        RAISES 12, "LEAVE", leave
        RAISES 13, "LODSB", lodsb
        RUNS "INVLPG", invlpg [rbx]
        RUNS "LEA", lea rax, [rbx + 8]
        RUNS "PREFETCHNTA", prefetchnta [rbx]

        ; branches: nothing of them happens
        mov [SCRATCH], rbx
        mov qword [SCRATCH + 8], CODE64
        mov qword [SCRATCH + 10h], 2
        mov esi, SCRATCH
        RAISES 13, "JMP", jmp rbx
        RAISES 13, "JMP to what memory says", jmp [rsi]
        RAISES 13, "CALL", call rbx
        RAISES 13, "JMP far", jmp far qword [rsi]
        RAISES 13, "CALL far", call far qword [rsi]
        mov r15d, esp
        mov esp, SCRATCH
        RAISES 13, "RET", ret
        EXPECT esp, SCRATCH, "the stack pointer behind RET"
        RAISES 13, "RET with a number", ret 16
        EXPECT esp, SCRATCH, "the stack pointer behind RET with a number"
        RAISES 13, "RETF", o64 retf
        EXPECT esp, SCRATCH, "the stack pointer behind RETF"
        mov qword [SCRATCH + 18h], SCRATCH
        mov qword [SCRATCH + 20h], DATA32
        RAISES 13, "IRETQ", iretq
        mov esp, r15d

        ; the stack itself
        mov r14, rsp
%macro STACK 2+                         ; text, instruction
        mov rsp, BAD + 1000h
        mov dword [EXPECTED], 7c00h
        mov dword [EXPECTED + 4], %%next
        mov dword [EXPECTED + 8], %%here
        mov dword [EXPECTED + 12], 0
        mov dword [ARRIVED], 0
%%here: %2
%%next: EXPECT dword [ARRIVED], 12, %1
%endmacro
        STACK "PUSH", push rax
        STACK "POP", pop rax
        STACK "PUSH of a number", push 1
        STACK "PUSHF", pushfq
        STACK "CALL", call $ + 5
        STACK "ENTER", enter 0, 0
        mov rsp, r14

        ; bases
        mov word [DESCRIPTOR], 0fffh
        mov [DESCRIPTOR + 2], rbx
        sgdt [DESCRIPTOR + 10h]
        sidt [DESCRIPTOR + 20h]
        RAISES 13, "LGDT", lgdt [DESCRIPTOR]
        RAISES 13, "LIDT", lidt [DESCRIPTOR]
        sgdt [DESCRIPTOR + 30h]
        mov rax, [DESCRIPTOR + 12h]
        EXPECT rax, [DESCRIPTOR + 32h], "the GDT"
        sidt [DESCRIPTOR + 30h]
        mov rax, [DESCRIPTOR + 22h]
        EXPECT rax, [DESCRIPTOR + 32h], "the IDT"
        TABLE_OF 82h, 0, 8000h
        mov eax, TASK
        RAISES_CODE 13, TASK, "LLDT", lldt ax
        TABLE_OF 89h, 0, 0ffff7fffh
        mov eax, TASK
        RAISES_CODE 13, TASK, "LTR", ltr ax
        EXPECT byte [gdt_task + 5], 89h, "the TSS is not busy"
        TABLE_OF 82h, 0, 0ffff8000h
        mov eax, TASK
        RUNS "LLDT of the upper half", lldt ax
        xor eax, eax
        lldt ax
%macro MSR 2                            ; number, text
        mov ecx, %1
        mov edx, 8000h
        xor eax, eax
        RAISES 13, %2, wrmsr
%endmacro
        MSR 0c0000100h, "IA32_FS_BASE"
        MSR 0c0000101h, "IA32_GS_BASE"
        MSR 0c0000102h, "IA32_KERNEL_GS_BASE"
        MSR 0c0000082h, "IA32_LSTAR"
        MSR 175h, "IA32_SYSENTER_ESP"

        ; null selectors for SS
        mov dword [SCRATCH + 200h], 7c00h
        mov rbx, SCRATCH + 200h
%assign selector 1
%rep 3
        mov eax, selector
        mov [SCRATCH + 204h], ax
        RAISES 13, "MOV SS of a null selector", mov ss, ax
        RAISES 13, "MOV SS of a null selector in memory", mov ss, [SCRATCH + 204h]
        RAISES 13, "LSS of a null selector", lss edx, [rbx]
        %assign selector selector + 1
%endrep
        xor eax, eax
        mov [SCRATCH + 204h], ax
        RUNS "MOV SS of 0", mov ss, ax
        push rax
        pop rax
        RUNS "LSS of 0", lss edx, [rbx]
        EXPECT edx, 7c00h, "the offset of LSS"
        mov eax, ss
        EXPECT ax, 0, "SS"
        mov eax, DATA32
        mov ss, ax
        PASS

FAULT_HANDLERS 32
FAULT_HANDLERS 64
TABLES
