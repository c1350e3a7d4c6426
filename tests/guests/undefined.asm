; Instructions of features that CPUID lacks raise #UD at the instruction, whether they exit or not:
; real, 32-bit and 64-bit mode. (QEMU's processor executes CLAC, RDRAND, TPAUSE and much that LOCK precedes, KVM RDPMC:
; test_exiting_instructions has those.)
;@ software no VMLAUNCH, not even as undefined
%include "guest.inc"
        GUEST "undefined"
%define EXPECTED 500h                   ; stack pointer to go on with, where, the address that must arrive
%define ARRIVED  508h                   ; what arrived

%macro RAISES 1+                        ; instruction
        mov [EXPECTED], sp
        mov word [EXPECTED + 2], %%next
        mov word [EXPECTED + 4], %%here
        xor eax, eax
        xor ecx, ecx
        xor edx, edx
%%here: %1
%%next: inc word [ARRIVED + 2]
        mov dx, [ARRIVED + 2]
        EXPECT word [ARRIVED], dx, "no fault, or another"
%endmacro

%macro EACH 0
        RAISES db 0fh, 01h, 0c1h                ; VMCALL
        RAISES db 0fh, 01h, 0c2h                ; VMLAUNCH
        RAISES db 0fh, 01h, 0c3h                ; VMRESUME
        RAISES db 0fh, 01h, 0c4h                ; VMXOFF
        RAISES db 0fh, 01h, 0c8h                ; MONITOR
        RAISES db 0fh, 01h, 0c9h                ; MWAIT
        RAISES db 0fh, 01h, 0d0h                ; XGETBV
        RAISES db 0fh, 01h, 0d1h                ; XSETBV
        RAISES db 0fh, 01h, 0d4h                ; VMFUNC
        RAISES db 0fh, 01h, 0cfh                ; ENCLS
        RAISES db 0fh, 37h                      ; GETSEC
        RAISES db 0fh, 0aah                     ; RSM
        RAISES db 0fh, 78h, 0c0h                ; VMREAD
        RAISES db 0fh, 79h, 0c0h                ; VMWRITE
        RAISES db 0fh, 0c7h, 37h                ; VMPTRLD [edi] or [bx]
        RAISES db 0fh, 0c7h, 3fh                ; VMPTRST
        RAISES db 66h, 0fh, 0c7h, 37h           ; VMCLEAR
        RAISES db 0f3h, 0fh, 0c7h, 37h          ; VMXON
        RAISES db 66h, 0fh, 38h, 80h, 07h       ; INVEPT
        RAISES db 66h, 0fh, 38h, 81h, 07h       ; INVVPID
        RAISES db 66h, 0fh, 38h, 82h, 07h       ; INVPCID
        RAISES db 0f3h, 0fh, 0c7h, 0f8h         ; RDPID
        RAISES db 0fh, 0aeh, 27h                ; XSAVE
        RAISES db 0fh, 0aeh, 2fh                ; XRSTOR
        RAISES db 0fh, 0c7h, 2fh                ; XSAVES
        RAISES db 0fh, 0c7h, 1fh                ; XRSTORS
        RAISES db 0f3h, 0fh, 38h, 0dch, 0c0h    ; LOADIWKEY
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
        mov edi, SCRATCH / 16
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
