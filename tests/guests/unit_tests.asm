; What kvm-unit-tests' images ask of one processor in ring 0, beyond what the other guests have: rdpru, memory, pcid, xsave, msr,
; tsc, smap, la57, lam, vmexit, emulator. Instructions of features that CPUID lacks are #UD, their bits and MSRs #GP.
;@ kvm a processor executes instructions that CPUID lacks where nothing stops it: CLFLUSHOPT
%include "guest.inc"
%include "raises.inc"
        GUEST "unit_tests"

; CR4_REFUSES bit, text: #GP for a bit of a feature that CPUID lacks
%macro CR4_REFUSES 2
        mov rbx, cr4
        bts rbx, %1
        RAISES 13, %2, mov cr4, rbx
%endmacro
%macro MSR_REFUSES 2
        mov ecx, %1
        RAISES 13, %2, rdmsr
        mov ecx, %1
        mov eax, 1
        xor edx, edx
        RAISES 13, %2, wrmsr
%endmacro
; MSR_KEEPS number, value, text
%macro MSR_KEEPS 3
        mov ecx, %1
        rdmsr
        push rax
        push rdx
        mov rax, %2
        mov rdx, rax
        shr rdx, 32
        mov ecx, %1
        RUNS %3, wrmsr
        xor eax, eax
        xor edx, edx
        mov ecx, %1
        RUNS %3, rdmsr
        shl rdx, 32
        or rax, rdx
        mov rbx, %2
        EXPECT rax, rbx, %3
        pop rdx
        pop rax
        mov ecx, %1
        wrmsr
%endmacro

        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        GATE64 6, fault_6_64
        GATE64 12, fault_12_64
        GATE64 13, fault_13_64
        mov esi, SCRATCH
        ; rdpru, memory, pcid, xsave, smap, cet and vmexit
        RAISES 6, "RDPRU", db 0fh, 01h, 0fdh
        RAISES 6, "CLZERO", db 0fh, 01h, 0fch
        RAISES 6, "CLFLUSHOPT", db 66h, 0fh, 0aeh, 3eh
        RAISES 6, "CLWB", db 66h, 0fh, 0aeh, 36h
        RAISES 6, "PCOMMIT", db 66h, 0fh, 0aeh, 0f8h
        RAISES 6, "INVPCID", db 66h, 0fh, 38h, 82h, 06h
        RAISES 6, "XSETBV", db 0fh, 01h, 0d1h
        RAISES 6, "XSAVES", db 0fh, 0c7h, 2eh
        RAISES 6, "WRPKRU", db 0fh, 01h, 0efh
        RAISES 6, "RDPKRU", db 0fh, 01h, 0eeh
        RAISES 6, "SERIALIZE", db 0fh, 01h, 0e8h
        RAISES 6, "STAC", db 0fh, 01h, 0cbh
        RAISES 6, "VMMCALL", db 0fh, 01h, 0d9h
        RAISES 6, "VMRUN", db 0fh, 01h, 0d8h
        RAISES 6, "RDFSBASE", db 0f3h, 48h, 0fh, 0aeh, 0c0h
        RAISES 6, "RDRAND", db 0fh, 0c7h, 0f0h
        RAISES 6, "RDSEED", db 0fh, 0c7h, 0f8h
        RAISES 6, "MOVBE", db 0fh, 38h, 0f0h, 06h
        RAISES 6, "ADCX", db 66h, 0fh, 38h, 0f6h, 06h
        RAISES 6, "an AVX move", db 0c5h, 0f8h, 28h, 06h
        RAISES 6, "AESENC", db 66h, 0fh, 38h, 0dch, 0c1h
        RUNS "CLFLUSH", clflush [rsi]
        RUNS "MFENCE", mfence
        RUNS "RDTSCP", rdtscp
        RUNS "PAUSE", pause
        ; control registers
        CR4_REFUSES 11, "CR4.UMIP"
        CR4_REFUSES 12, "CR4.LA57"
        CR4_REFUSES 14, "CR4.SMXE"
        CR4_REFUSES 16, "CR4.FSGSBASE"
        CR4_REFUSES 17, "CR4.PCIDE"
        CR4_REFUSES 18, "CR4.OSXSAVE"
        CR4_REFUSES 20, "CR4.SMEP"
        CR4_REFUSES 21, "CR4.SMAP"
        CR4_REFUSES 22, "CR4.PKE"
        CR4_REFUSES 23, "CR4.CET"
        CR4_REFUSES 24, "CR4.PKS"
        CR4_REFUSES 28, "CR4.LAM_SUP"
        CR4_REFUSES 32, "CR4, upper half"
        mov rbx, cr0
        bts rbx, 32
        RAISES 13, "CR0, upper half", mov cr0, rbx
        mov rbx, 1
        RAISES 13, "CR0 of PE alone in long mode", mov cr0, rbx
        mov rbx, 16
        RAISES 13, "CR8", mov cr8, rbx
        RAISES 6, "CR1", db 0fh, 20h, 0c8h
        RAISES 6, "CR5", db 0fh, 22h, 0e8h
        mov rbx, 100000000h
        RAISES 13, "DR7, upper half", mov dr7, rbx
        RAISES 13, "DR6, upper half", mov dr6, rbx
        ; msr and tsc
        MSR_KEEPS 174h, 1234h, "IA32_SYSENTER_CS"
        MSR_KEEPS 175h, 7ffffffff000h, "IA32_SYSENTER_ESP"
        MSR_KEEPS 176h, 0ffff800000000000h, "IA32_SYSENTER_EIP"
        MSR_KEEPS 277h, 0007040600070406h, "IA32_PAT"
        MSR_KEEPS 0c0000081h, 0001000200030004h, "IA32_STAR"
        MSR_KEEPS 0c0000082h, 7ffffffff000h, "IA32_LSTAR"
        MSR_KEEPS 0c0000083h, 0ffff800000000000h, "IA32_CSTAR"
        MSR_KEEPS 0c0000084h, 0ffffffffh, "IA32_FMASK"
        MSR_KEEPS 0c0000100h, 7ffffffff000h, "IA32_FS_BASE"
        MSR_KEEPS 0c0000101h, 0ffff800000000000h, "IA32_GS_BASE"
        MSR_KEEPS 0c0000102h, 7ffffffff000h, "IA32_KERNEL_GS_BASE"
        MSR_KEEPS 0c0000103h, 0abcdefh, "IA32_TSC_AUX"
        mov ecx, 0c0000103h
        mov eax, 77h
        xor edx, edx
        wrmsr
        rdtscp
        EXPECT ecx, 77h, "IA32_TSC_AUX of RDTSCP"
        mov ecx, 10h
        xor eax, eax
        mov edx, 1000h
        wrmsr
        rdtsc
        EXPECT edx, 1000h, "IA32_TIME_STAMP_COUNTER"
        mov ecx, 277h
        mov eax, 2
        xor edx, edx
        RAISES 13, "IA32_PAT of a reserved type", wrmsr
        mov ecx, 0c0000080h
        xor eax, eax
        xor edx, edx
        RAISES 13, "EFER without LME in long mode", wrmsr
        MSR_REFUSES 3bh, "IA32_TSC_ADJUST"
        MSR_REFUSES 48h, "IA32_SPEC_CTRL"
        MSR_REFUSES 49h, "IA32_PRED_CMD"
        MSR_REFUSES 10bh, "IA32_FLUSH_CMD"
        MSR_REFUSES 400h, "IA32_MC0_CTL"
        MSR_REFUSES 6a0h, "IA32_U_CET"
        MSR_REFUSES 808h, "an MSR of the x2APIC outside of its mode"
        MSR_REFUSES 0da0h, "IA32_XSS"
        MSR_REFUSES 4b564d00h, "MSR_KVM_WALL_CLOCK_NEW"
        MSR_REFUSES 40000000h, "HV_X64_MSR_GUEST_OS_ID"
        ; emulator, vmexit and port80: what they do with ports and memory
        mov al, 55h
        out 80h, al
        mov edx, 4d0h
        in al, dx
        in eax, dx
        xor eax, eax
        mov [SCRATCH], rax
        mov [SCRATCH + 8], rax
        xor edx, edx
        mov ebx, 5
        mov ecx, 6
        lock cmpxchg16b [rsi]
        CHECK z, "CMPXCHG16B"
        EXPECT dword [SCRATCH + 8], 6, "CMPXCHG16B's upper half"
        RAISES 13, "CMPXCHG16B that is not aligned", cmpxchg16b [rsi + 8]
        str ax
        sldt ax
        sgdt [SCRATCH + 20h]
        sidt [SCRATCH + 30h]
        smsw rax
        mov rbx, cr0
        EXPECT eax, ebx, "SMSW"
        PASS

FAULT_HANDLERS 64
TABLES
