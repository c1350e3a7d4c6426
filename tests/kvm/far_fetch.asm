; A jump to above 4 GiB, where there is no RAM: KVM cannot even read the instruction, and gives up.
;@ error it cannot emulate the instruction (internal error 1, data:
;@ error at 40000000 (no memory there)
%include "guest.inc"
        GUEST "far_fetch"
        ENTER_PROTECTED32
        IDENTITY_LONG
%include "far.inc"
        ENTER_LONG
        PRINT "reached ", GUEST_NAME, 10
        mov eax, 40000000h
        jmp rax
bits 16
        TABLES
