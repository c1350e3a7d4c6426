; Instructions beyond moves and arithmetic with an operand, or the stack, where no device is: reads give ones, writes vanish.
;@ software no BOUND, no ENTER with nested frames, and SGDT there never ends
;@ reason 48 32
%include "guest.inc"
        GUEST "device_memory"
        SET_VECTOR 0, divided
        mov ax, 0b800h
        mov es, ax
        xor bx, bx
        ; real mode
        mov cx, 7
        bsr cx, [es:bx]
        EXPECT cx, 15, "BSR"
        mov ax, 2
        imul ax, [es:bx]
        EXPECT ax, -2, "IMUL"
        mov dx, 4
        shld [es:bx], dx, 3
        CHECK c, "SHLD"
        xor dx, dx
        mov ax, 1234h
        div word [es:bx]
        EXPECT dx, 1234h, "DIV"
        mov dx, -1
        div word [es:bx]                ; the quotient has 17 bits
after_division:
        EXPECT cx, 0d1h, "the divide error"
        push ds
        lds si, [es:bx]
        mov ax, ds
        pop ds
        EXPECT ax, -1, "DS after LDS"
        EXPECT si, -1, "SI after LDS"
        mov ax, es
        mov ss, ax
        mov sp, 100h
        push cs
        pusha
        pushf
        enter 4, 1
        call .called
.called:
        lss sp, [cs:stack]
        EXPECT bp, 100h - 2 - 16 - 2 - 2, "BP after ENTER"
        ENTER_PROTECTED32
        GATE32 13, refused
        mov ebx, 0fea00000h
        ; shifts, rotates, multiplication, bits
        shl dword [ebx], 1
        CHECK c, "SHL"
        sar byte [ebx], 7
        CHECK c, "SAR"
        clc
        rcr word [ebx], 1
        CHECK c, "RCR"
        mov cl, 40                      ; 8 bits
        rol dword [ebx], cl
        CHECK c, "ROL"
        mov eax, 3
        mul dword [ebx]
        EXPECT edx, 2, "EDX after MUL"
        EXPECT eax, -3, "EAX after MUL"
        mov ax, 7
        idiv byte [ebx]
        EXPECT ax, 0f9h, "IDIV"
        bsf ecx, [ebx]
        EXPECT ecx, 0, "BSF"
        ; conditions
        cmp eax, eax
        mov ecx, 5
        cmovne ecx, [ebx]
        EXPECT ecx, 5, "CMOVNE"
        cmp eax, eax
        cmove ecx, [ebx]
        EXPECT ecx, -1, "CMOVE"
        setc [ebx]
        mov al, 3
        xlatb
        EXPECT al, 0ffh, "XLAT"
        mov eax, -1
        bound eax, [ebx]
        ; segments and tables
        mov [ebx], ds
        sgdt [ebx]
        smsw [ebx]
        xor ecx, ecx
        mov ds, [ebx]                   ; beyond the GDT
        EXPECT ecx, 0fffch, "the error code of MOV DS"
        ; the stack
        lea esp, [ebx + 100h]
        push cs
        pushad
        pushfd
        call .pushed
.pushed:
        mov edx, esp
        popad
        mov ecx, esp
        mov esp, 7c00h
        EXPECT ecx, 0fea000f4h, "ESP after POPAD"
        EXPECT edx, -1, "EDX after POPAD"
        PASS

stack:  dw 7c00h, 0
bits 16
divided:
        mov cx, 0d1h
        push bp
        mov bp, sp
        mov word [bp + 2], after_division
        pop bp
        iret
bits 32
refused:
        pop ecx
        add dword [esp], 2
        iretd
TABLES
