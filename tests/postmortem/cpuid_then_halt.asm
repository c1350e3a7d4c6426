;@ finding dead-halt
;@ status 1
;@ also CPUID leaf 7h, subleaf 0h: EAX 00000000h
%include "guest.inc"
        GUEST "cpuid_then_halt"
        ENTER_PROTECTED32
        mov eax, 7
        xor ecx, ecx
        cpuid
        test ecx, 1 << 16
        jnz .ok
        cli
        hlt
.ok:    PASS
TABLES
