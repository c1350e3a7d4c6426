; LOCK before comparisons is #UD in every mode, and what stands before it in the same block is done once; a REX prefix
; before another prefix is ignored; SWAPGS and the MSR that it exchanges.
;@ kvm the box's own processor is QEMU's, which takes these prefixes as Unicorn does
%include "guest.inc"
        GUEST "prefixes"
%define EXPECTED 500h                   ; stack pointer to go on with, where, the address that must arrive
%define ARRIVED  508h                   ; what arrived
%define BEFORE   50ch                   ; how many times the instruction before was done

%macro RAISES 1+                        ; instruction
        mov [EXPECTED], sp
        mov word [EXPECTED + 2], %%next
        mov word [EXPECTED + 4], %%here
        mov word [BEFORE], 0
        inc word [BEFORE]
        jmp short %%here                ; Unicorn aborts where nothing comes before
%%here: %1
%%next: inc word [ARRIVED + 2]
        mov dx, [ARRIVED + 2]
        EXPECT word [ARRIVED], dx, "no fault, or another"
        EXPECT word [BEFORE], 1, "the instruction before"
%endmacro

%macro EACH 0
        RAISES db 0f0h, 38h, 07h                ; CMP [edi] or [bx], AL
        RAISES db 0f0h, 39h, 07h
        RAISES db 0f0h, 3ah, 07h
        RAISES db 0f0h, 3bh, 07h
        RAISES db 0f0h, 3ch, 07h                ; CMP AL, 7
        RAISES db 0f0h, 80h, 3fh, 05h           ; CMP byte [edi], 5
        RAISES db 0f0h, 83h, 3fh, 05h
        RAISES db 0f0h, 66h, 83h, 3fh, 05h
        RAISES db 0f0h, 0a6h                    ; CMPSB
        RAISES db 0f3h, 0f0h, 0a7h
        RAISES db 0f0h, 84h, 07h                ; TEST
        RAISES db 0f0h, 0aeh                    ; SCASB
        RAISES db 0f0h, 0fh, 0a3h, 07h          ; BT
        RAISES db 0f0h, 8bh, 07h                ; MOV
        RAISES db 0f0h, 01h, 0c0h               ; ADD of registers
%endmacro

%macro HANDLER 3                        ; stack pointer, register, the same in 16 bits
        mov %2, [%1]
        cmp %3, [EXPECTED + 4]
        jne %%out
        inc word [ARRIVED]
%%out:  movzx %1, word [EXPECTED]
        movzx %2, word [EXPECTED + 2]
        jmp %2
%endmacro

        SET_VECTOR 6, real_6
        mov dword [ARRIVED], 0
        mov bx, 600h
        EACH
        ENTER_PROTECTED32
        GATE32 6, wide_6
        mov edi, SCRATCH
        EACH
        IDENTITY_LONG
        ENTER_LONG
        GATE64 6, long_6
        mov edi, SCRATCH
        EACH

        ; REX before another prefix
        mov rax, 1111111122222222h
        mov ecx, 3
        mov r9d, 5
        db 48h, 66h                     ; not RAX
        add ax, cx
        mov rdx, 1111111122222225h
        EXPECT rax, rdx, "REX.W before 66h"
        mov dword [edi], 10
        db 44h                          ; not R9
        lock add [rdi], ecx
        EXPECT dword [edi], 13, "REX.R before LOCK"
        mov esi, SCRATCH
        mov edi, SCRATCH + 100h
        db 48h                          ; not MOVSQ
        rep movsd
        EXPECT edi, SCRATCH + 10ch, "REX.W before REP"

        ; SWAPGS
        mov ecx, 0c0000101h             ; IA32_GS_BASE
        xor edx, edx
        mov eax, SCRATCH + 1000h
        wrmsr
        inc ecx                         ; IA32_KERNEL_GS_BASE
        mov edx, -1
        mov eax, -4096
        wrmsr
        xor eax, eax
        xor edx, edx
        rdmsr
        EXPECT eax, -4096, "IA32_KERNEL_GS_BASE"
        EXPECT edx, -1, "IA32_KERNEL_GS_BASE, upper half"
        swapgs
        rdmsr
        EXPECT eax, SCRATCH + 1000h, "IA32_KERNEL_GS_BASE after SWAPGS"
        dec ecx
        rdmsr
        EXPECT edx, -1, "IA32_GS_BASE after SWAPGS"
        mov dword [SCRATCH + 1000h], 12345678h
        swapgs
        EXPECT dword [gs:0], 12345678h, "an access through GS"
        PASS

bits 16
real_6: pop dx
        cmp dx, [EXPECTED + 4]
        jne real_out
        inc word [ARRIVED]
real_out:
        mov sp, [EXPECTED]
        jmp word [EXPECTED + 2]
bits 32
wide_6: HANDLER esp, edx, dx
bits 64
long_6: HANDLER rsp, rdx, dx
TABLES
