; RDMSR and WRMSR: what is written reads back, 64 bits wide; an MSR that is not there raises #GP.
;@ reason 31 6
;@ reason 32 4
;@ differs rax, rbx: time-stamp counters
;@ may differ rdx: the upper half of one
%include "guest.inc"
        GUEST "msr"
%macro WRITE_AND_READ 3                 ; number, high, low
        mov ecx, %1
        mov edx, %2
        mov eax, %3
        wrmsr
        xor eax, eax
        xor edx, edx
        rdmsr
        EXPECT eax, %3, "low half differs"
        EXPECT edx, %2, "high half differs"
%endmacro
        WRITE_AND_READ 174h, 0, 8                        ; IA32_SYSENTER_CS
        WRITE_AND_READ 175h, 0, 7c00h                    ; IA32_SYSENTER_ESP
        WRITE_AND_READ 176h, 0, 12345678h                ; IA32_SYSENTER_EIP
        WRITE_AND_READ 0c0000080h, 0, 1                  ; IA32_EFER.SCE
        mov ecx, 0c0000080h
        xor eax, eax
        xor edx, edx
        wrmsr
        mov ecx, 1bh                                     ; IA32_APIC_BASE
        rdmsr
        and eax, 0fffff000h
        EXPECT eax, 0fee00000h, "IA32_APIC_BASE"
        mov ecx, 10h                                     ; IA32_TIME_STAMP_COUNTER
        rdmsr
        mov ebx, eax
        rdmsr
        cmp eax, ebx
        CHECK ne, "the time-stamp counter stands still"

        SET_VECTOR 13, general_protection
        mov ecx, 0deadh
        mov word [500h], after_read
read:   rdmsr
        FAIL "RDMSR of an MSR that is not there"
after_read:
        EXPECT word [502h], read, "#GP not at the RDMSR"
        mov word [500h], after_write
write:  wrmsr
        FAIL "WRMSR of an MSR that is not there"
after_write:
        EXPECT word [502h], write, "#GP not at the WRMSR"
        PASS

general_protection:
        pop word [502h]
        push word [500h]
        iret
