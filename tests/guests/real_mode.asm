; Real mode: software interrupts, exceptions, segments, far calls, 32-bit operands and addresses, far return.
;@ reason 10 1
%include "guest.inc"
        GUEST "real_mode"
        ; a software interrupt pushes flags, CS, IP and clears IF
        SET_VECTOR 60h, software
        mov word [500h], 0
        stc
        int 60h
after_int:
        CHECK nc, "IRET did not take the flags that the handler left"
        EXPECT word [500h], after_int, "return address of INT 60h"
        ; a division error is a fault: the handler sees the instruction itself
        SET_VECTOR 0, divide
        xor dx, dx
        mov ax, 1
        xor bx, bx
division:
        div bx
        EXPECT word [502h], division, "#DE not at the division"
        ; an invalid opcode, and a breakpoint, which is a trap
        SET_VECTOR 6, invalid
undefined:
        ud2
        EXPECT word [504h], undefined, "#UD not at UD2"
        SET_VECTOR 3, breakpoint
        int3
after_int3:
        EXPECT word [506h], after_int3, "#BP not behind INT3"
        SET_VECTOR 4, overflow
        mov al, 7fh
        inc al
        into
after_into:
        EXPECT word [508h], after_into, "#OF not behind INTO"
        ; segments: 16 bytes apart, the same memory through two of them
        mov ax, SCRATCH >> 4
        mov es, ax
        inc ax
        mov fs, ax
        mov dword [es:20h], 89abcdefh
        EXPECT dword [fs:10h], 89abcdefh, "overlapping segments"
        mov eax, 20h
        EXPECT dword [es:eax], 89abcdefh, "32-bit address"
        ; far call and far return through another segment value
        push word [500h]
        call 100h:subroutine - 1000h
        pop ax
        EXPECT bx, 0beefh, "far call"
        EXPECT ax, [500h], "stack after far call"
        ; far return that takes arguments off the stack
        push word 1111h
        call 0:with_argument
        EXPECT sp, 7c00h, "RETF 2 left the stack wrong"
        ; an exit in a segment that does not start at 0
        jmp 100h:elsewhere - 1000h
elsewhere:
        xor eax, eax
        cpuid
        jmp 0:back
back:   cmp eax, 1
        CHECK ae, "CPUID at a segment base"
        PASS

software:
        pushf
        pop ax
        test ax, 200h
        CHECK z, "INT left IF set"
        mov bp, sp
        mov ax, [bp]
        mov [500h], ax
        and word [bp + 4], 0fffeh
        iret
divide: pop word [502h]
        push word [502h]
        add word [esp], 2
        iret
invalid:
        pop word [504h]
        push word [504h]
        add word [esp], 2
        iret
breakpoint:
        pop word [506h]
        push word [506h]
        iret
overflow:
        pop word [508h]
        push word [508h]
        iret
subroutine:
        mov bx, 0beefh
        retf
with_argument:
        retf 2
