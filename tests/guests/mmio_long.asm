; EPT violations in long mode: the same forms with 64-bit addresses, then 64-bit operands and the upper registers.
;@ reason 48 50
%include "guest.inc"
        GUEST "mmio_long"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ; the gigabyte at 3 GiB too
        mov dword [PAGE_TABLES + 1018h], PAGE_TABLES + 3000h + 3
        mov edi, PAGE_TABLES + 3000h
        mov eax, 0c0000083h
.next:  mov [edi], eax
        add eax, 200000h
        add edi, 8
        cmp edi, PAGE_TABLES + 4000h
        jb .next
        ENTER_LONG
        mov ebx, 0fea00000h
%include "mmio.inc"
        ; 64-bit operands
        xor eax, eax
        mov rax, [rbx]
        EXPECT rax, -1, "MOV RAX"
        mov r15, rbx
        xor r9, r9
        mov r9, [r15 + 8]
        EXPECT r9, -1, "MOV R9 from [R15 + 8]"
        mov r10, -1
        mov r10d, [r15]
        mov ecx, -1
        EXPECT r10, rcx, "MOV R10D did not clear the upper half"
        movsxd r11, dword [rbx]
        EXPECT r11, -1, "MOVSXD"
        movzx r12, word [rbx]
        EXPECT r12, 0ffffh, "MOVZX R12"
        add qword [rbx], 1
        CHECK z, "ADD of 64 bits"
        mov r13, 3
        lock xadd [rbx], r13
        EXPECT r13, -1, "XADD R13"
        mov sil, [rbx]
        EXPECT sil, 0ffh, "MOV SIL"
        mov rsi, rbx
        mov edi, 600h
        mov ecx, 2
        rep movsq
        EXPECT qword [608h], -1, "REP MOVSQ"
        mov rdi, rbx
        xor eax, eax
        mov ecx, 2
        rep stosq
        lea rdx, [rbx + 16]
        EXPECT rdi, rdx, "RDI after REP STOSQ"
        bt qword [rbx], 63
        CHECK c, "BT of bit 63"
        PASS
bits 16
TABLES
