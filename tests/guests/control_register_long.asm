; Control registers in long mode: all sixteen general registers, 64 bits, CR8.
;@ reason 28 3
%include "guest.inc"
        GUEST "control_register_long"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        mov rax, cr0                    ; NW, set at reset, is not allowed without CD
        and eax, ~20000000h
        mov cr0, rax
%macro THROUGH 1
        mov %1, PAGE_TABLES
        mov cr3, %1
        xor %1, %1
        mov %1, cr3
        cmp %1, PAGE_TABLES
        CHECK e, "CR3 through a register"
        mov %1, 123456789abcdef0h
        mov cr2, %1
        xor %1, %1
        mov %1, cr2
        push %1
        pop qword [500h]
        EXPECT dword [500h], 9abcdef0h, "CR2, low half"
        EXPECT dword [504h], 12345678h, "CR2, high half"
        mov %1, cr0
        push %1
        pop qword [500h]
        mov %1, [500h]
        btc %1, 5                       ; NE: CD alone is refused while NW is set, as after reset
        mov cr0, %1
        mov %1, cr0
        push %1
        pop qword [508h]
        mov %1, [500h]
        mov cr0, %1
        mov eax, [500h]
        xor eax, [508h]
        EXPECT eax, 20h, "CR0.NE through a register"
%endmacro
        THROUGH rax
        THROUGH rbx
        THROUGH rcx
        THROUGH rdx
        THROUGH rsi
        THROUGH rdi
        THROUGH rbp
        THROUGH r8
        THROUGH r9
        THROUGH r10
        THROUGH r11
        THROUGH r12
        THROUGH r13
        THROUGH r14
        THROUGH r15
        ; RSP, without a stack meanwhile
        mov rbx, rsp
        mov rsp, PAGE_TABLES
        mov cr3, rsp
        mov rsp, 0
        mov rsp, cr3
        mov rcx, rsp
        mov rsp, rbx
        EXPECT rcx, PAGE_TABLES, "CR3 through RSP"
        ; the task priority
        mov rax, 0ah
        mov cr8, rax
        mov r11, cr8
        EXPECT r11, 0ah, "CR8"
        xor r12, r12
        mov cr8, r12
        mov rax, cr8
        EXPECT rax, 0, "CR8 cleared"
        PASS
bits 16
TABLES
