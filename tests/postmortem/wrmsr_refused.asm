;@ finding triple-fault
;@ status 1
;@ says WRMSR of MSR c0011029h, which the VMM refused
;@ also WRMSR of MSR c0011029h was refused with an exception
%include "guest.inc"
        GUEST "wrmsr_refused"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        mov ecx, 0c0011029h
        wrmsr
        hlt
TABLES
