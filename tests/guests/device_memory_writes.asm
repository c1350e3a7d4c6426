; Instructions that write where no device is, and read nothing there: a kernel that executes the guest in software has executed them
; when it exits.
;@ reason 48 29
%include "guest.inc"
        GUEST "device_memory_writes"
        mov ax, 0b800h
        mov es, ax
        mov ss, ax
        xor bx, bx
        xor dx, dx
        mov sp, 100h
        mov cx, 0c0ch
        mov di, 0d1d1h
        ; real mode: what is pushed is lost, where it goes on is not
        call near_real
back_real:
        EXPECT dx, 1, "near CALL"
        EXPECT sp, 0feh, "SP after near CALL"
        mov si, near_real
        call si
back_register:
        EXPECT dx, 2, "CALL through a register"
        call [cs:near_pointer]
back_memory:
        EXPECT dx, 3, "CALL through memory"
        call 0:far_real
back_far:
        EXPECT dx, 4, "far CALL"
        call far [cs:far_pointer]
back_far_memory:
        EXPECT dx, 5, "far CALL through memory"
        EXPECT sp, 0f2h, "SP after the calls"
        pusha
        EXPECT sp, 0e2h, "SP after PUSHA"
        pushad
        EXPECT sp, 0c2h, "SP after PUSHAD"
        pushf
        pushfd
        EXPECT sp, 0bch, "SP after PUSHF and PUSHFD"
        mov bp, 5
        enter 6, 0
        EXPECT bp, 0bah, "BP after ENTER"
        EXPECT sp, 0b4h, "SP after ENTER"
        push ds
        push byte 3
        push dword 12345678h
        push word [cs:near_pointer]
        EXPECT sp, 0aah, "SP after PUSH"
        pop word [cs:stack + 2]
        stc
        setc [es:bx]
        setnc [es:bx + 1]
        smsw [es:bx + 2]
        mov [es:bx], ds
        mov [es:bx], cx
        lss sp, [cs:stack_real]
        EXPECT cx, 0c0ch, "CX"
        EXPECT di, 0d1d1h, "DI"
        ENTER_PROTECTED32
        mov ebx, 0fea00000h
        lea esp, [ebx + 100h]
        call .near
.near:
        call [.pointer]
.memory:
        mov eax, .through
        call eax
.through:
        pushad
        pushfd
        mov ebp, 77h
        enter 8, 0
        EXPECT ebp, 0fea000cch, "EBP after ENTER"
        EXPECT esp, 0fea000c4h, "ESP after ENTER"
        push cs
        push dword [.pointer]
        EXPECT esp, 0fea000bch, "ESP after PUSH"
        stc
        setna [ebx]
        smsw [ebx]
        call CODE32:.far
.far:
        mov ecx, esp
        mov esp, 7c00h
        EXPECT ecx, 0fea000b4h, "ESP after the far CALL"
        PASS
align 4
.pointer: dd .memory
bits 16
near_real:
        inc dx
        cmp dx, 1
        je back_real
        cmp dx, 2
        je back_register
        jmp back_memory
far_real:
        inc dx
        cmp dx, 4
        je back_far
        jmp back_far_memory
near_pointer: dw near_real
far_pointer:  dw far_real, 0
stack:        dw 0, 0
stack_real:   dw 7c00h, 0
TABLES
