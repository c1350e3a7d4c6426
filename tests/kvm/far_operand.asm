; An instruction that KVM cannot emulate, with an operand above 4 GiB, where there is neither RAM nor a page that stands for none:
; KVM gives up, and hwaccl says with what.
;@ error it cannot emulate the instruction (internal error 1, data:
;@ error fld dword ptr [0x40000000]
%include "guest.inc"
        GUEST "far_operand"
        ENTER_PROTECTED32
        IDENTITY_LONG
%include "far.inc"
        ENTER_LONG
        PRINT "reached ", GUEST_NAME, 10
        fninit
        fld dword [40000000h]
        FAIL "the instruction came to an end"
bits 16
        TABLES
