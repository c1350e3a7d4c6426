;@ finding triple-fault
;@ status 1
;@ says mov qword ptr [rbx + rax*8 + 0x10], 1: the address of its operand, 8000000000000010h, is not canonical
%include "guest.inc"
        GUEST "operand_not_canonical"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        mov rax, 1000000000000000h
        xor ebx, ebx
        mov qword [rbx + rax * 8 + 10h], 1
        hlt
TABLES
