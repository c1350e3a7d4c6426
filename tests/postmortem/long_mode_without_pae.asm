;@ finding triple-fault
;@ status 1
;@ says PG is set with EFER.LME, and CR4.PAE is 0
%include "guest.inc"
        GUEST "long_mode_without_pae"
        ENTER_PROTECTED32
        mov ecx, 0c0000080h
        rdmsr
        or eax, 100h
        wrmsr
        mov eax, cr0
        or eax, 80000000h
        mov cr0, eax
        hlt
TABLES
