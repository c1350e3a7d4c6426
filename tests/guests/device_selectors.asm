; Selectors from the test device's memory, by LAR, LSL, VERR and VERW: as the processor has them in a register. IRET from a stack there.
;@ options --device testdev
;@ software no LAR
;@ reason 48 60
%define PRINT_ON_SERIAL
%include "guest.inc"
%define MEMORY 0ff000000h
%define COUNT 12
        GUEST "device_selectors"
        ENTER_PROTECTED32
        lgdt [pointer]
        mov ebp, MEMORY
        xor esi, esi
.next:  movzx ecx, word [selectors + esi * 2]
        mov [ebp + 16], ecx
%macro BOTH 3                           ; instruction, register form's source, name
        mov eax, 11112222h
        cmp eax, ebp                    ; flags
        %1 eax, %2
        pushfd
        mov ebx, eax
        mov eax, 11112222h
        cmp eax, ebp
        %1 eax, [ebp + 16]
        pushfd
        pop edx
        pop edi
        EXPECT eax, ebx, %3
        EXPECT edx, edi, %3
%endmacro
        BOTH lar, ecx, "LAR"
        BOTH lsl, ecx, "LSL"
%macro VERIFY 2
        cmp eax, ebp
        %1 cx
        pushfd
        cmp eax, ebp
        %1 word [ebp + 16]
        pushfd
        pop edx
        pop edi
        EXPECT edx, edi, %2
%endmacro
        VERIFY verr, "VERR"
        VERIFY verw, "VERW"
        inc esi
        cmp esi, COUNT
        jb .next
        lar ax, [ebp + 16]
        ; return from an interrupt, with the frame in the device's memory
        lea esp, [ebp + 100h]
        pushfd
        or dword [esp], 1               ; CF
        push cs
        push dword .returned
        clc
        iretd
.returned:
        mov ecx, esp
        mov esp, 7c00h
        CHECK c, "CF after IRET"
        EXPECT ecx, 0ff000100h, "ESP after IRET"
        PASS
align 8
; what LAR and LSL accept and what they do not; levels
selectors:
        dw 0, 3, 8, 10h, 13h, 18h, 20h, 28h, 30h, 38h, 40h, 0fff8h
table:  dq 0
        dq 00cf9b000000ffffh            ; code
        dq 00cf93000000ffffh            ; data
        dq 0040f20000001234h            ; data of level 3, not accessed
        dq 00009c0000081234h            ; 16-bit conforming code that cannot be read
        dq 0000820000000fffh            ; LDT
        dq 00008c0000082000h            ; call gate
        dq 00008e0000082000h            ; interrupt gate
        dq 00c0110000000001h            ; data that is not present, and cannot be written
pointer:
        dw $ - table - 1
        dd table
TABLES
