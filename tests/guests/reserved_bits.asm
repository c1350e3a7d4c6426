; Bits of CR4 and of MSRs whose feature CPUID lacks are reserved: setting one is #GP(0) at the instruction, and changes nothing.
;@ reason 32 8
;@ software the kernel takes CR4 bits of the host's processor
%include "guest.inc"
        GUEST "reserved_bits"
%define FAULTS 500h                     ; how many came
%define RESUME 504h

; RESERVED_CR4 bit, leaf of CPUID, register, its bit: #GP unless CPUID has the feature
%macro RESERVED_CR4 4
        mov eax, %2
        xor ecx, ecx
        cpuid
        bt %3, %4
        jc %%there
        mov dword [RESUME], %%next
        mov eax, cr4
        mov edi, eax
        bts eax, %1
        mov ebx, [FAULTS]
%%here: mov cr4, eax
        FAIL "a reserved bit of CR4 is taken"
%%next: inc ebx
        EXPECT [FAULTS], ebx, "no #GP"
        EXPECT edx, %%here, "#GP at another instruction"
        mov eax, cr4
        EXPECT eax, edi, "CR4 has changed"
%%there:
%endmacro

; REFUSED_MSR index, high, low
%macro REFUSED_MSR 3
        mov ecx, %1
        rdmsr
        mov edi, eax
        mov ebp, edx
        mov dword [RESUME], %%next
        mov ebx, [FAULTS]
        mov edx, %2
        mov eax, %3
%%here: wrmsr
        FAIL "a reserved bit of an MSR is taken"
%%next: inc ebx
        EXPECT [FAULTS], ebx, "no #GP"
        EXPECT edx, %%here, "#GP at another instruction"
        mov ecx, %1
        rdmsr
        EXPECT eax, edi, "the MSR's low half has changed"
        EXPECT edx, ebp, "the MSR's high half has changed"
%endmacro

        ENTER_PROTECTED32
        GATE32 13, general_protection
        mov dword [FAULTS], 0
        RESERVED_CR4 11, 7, ecx, 2      ; UMIP
        RESERVED_CR4 12, 7, ecx, 16     ; LA57
        RESERVED_CR4 13, 1, ecx, 5      ; VMXE
        RESERVED_CR4 16, 7, ebx, 0      ; FSGSBASE
        RESERVED_CR4 17, 1, ecx, 17     ; PCIDE
        RESERVED_CR4 18, 1, ecx, 26     ; OSXSAVE
        RESERVED_CR4 20, 7, ebx, 7      ; SMEP
        RESERVED_CR4 21, 7, ebx, 20     ; SMAP
        RESERVED_CR4 22, 7, ecx, 3      ; PKE
        REFUSED_MSR 0c0000080h, 0, 200h ; IA32_EFER, reserved
        REFUSED_MSR 0c0000080h, 1, 0
        REFUSED_MSR 277h, 0, 2          ; IA32_PAT, a reserved type
        REFUSED_MSR 2ffh, 0, 100h       ; IA32_MTRR_DEF_TYPE
        REFUSED_MSR 200h, 100h, 0       ; IA32_MTRR_PHYSBASE0 beyond the physical address
        REFUSED_MSR 0c0000082h, 8000h, 0        ; IA32_LSTAR, not canonical
        REFUSED_MSR 175h, 8000h, 0      ; IA32_SYSENTER_ESP
        REFUSED_MSR 1a0h, 0, 100001h    ; IA32_MISC_ENABLE: the lock of SpeedStep, which CPUID lacks
        ; XD bit disable exists, and IA32_EFER follows it
        mov ecx, 1a0h
        rdmsr
        or edx, 4
        wrmsr
        xor edx, edx
        rdmsr
        test edx, 4
        CHECK nz, "IA32_MISC_ENABLE bit 34 is not kept"
        REFUSED_MSR 0c0000080h, 0, 800h ; NXE
        mov ecx, 1a0h
        rdmsr
        and edx, ~4
        wrmsr
        mov ecx, 0c0000080h
        rdmsr
        or eax, 800h
        wrmsr
        rdmsr
        test eax, 800h
        CHECK nz, "NXE cannot be set again"
        PASS

general_protection:
        pop edx
        test edx, edx
        jnz not_zero
        pop edx
        inc dword [FAULTS]
        add esp, 8
        jmp [RESUME]
not_zero:
        FAIL "an error code that is not 0"
TABLES
