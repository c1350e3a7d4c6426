; The x2APIC in long mode: its MSRs, the SELF IPI, CR8 as the task priority, what raises #GP.
;@ software interrupts are taken between batches of instructions only
;@ options --machine apic
;@ handoff taken 51h
;@ handoff taken 92h
;@ reason 28 4
%include "guest.inc"
%include "apic.inc"
        GUEST "apic_x2"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        GATE64 13, general_protection
        GATE64 51h, handler_51
        GATE64 92h, handler_92
        mov qword [500h], 0
        mov qword [508h], 0

        mov eax, 1
        cpuid
        test ecx, 1 << 21
        CHECK nz, "CPUID: no x2APIC"
        test edx, 1 << 9
        CHECK nz, "CPUID: no APIC"
        mov eax, 0bh
        xor ecx, ecx
        cpuid
        EXPECT ecx, 100h, "CPUID leaf Bh: thread"
        EXPECT edx, 0, "CPUID leaf Bh: x2APIC ID"

        mov ecx, 803h                   ; not yet
        call read_faults
        mov ecx, 1bh
        rdmsr
        EXPECT eax, 0fee00900h, "IA32_APIC_BASE"
        or eax, 400h
        wrmsr
        mov ecx, 803h
        rdmsr
        EXPECT eax, 50014h, "version"
        mov ecx, 80dh
        rdmsr
        EXPECT eax, 1, "logical ID"
        mov ecx, 80eh                   ; no DFR
        call read_faults
        mov ecx, 802h
        xor eax, eax
        call write_faults
        mov ecx, 80bh
        mov eax, 1
        call write_faults
        mov ecx, 1bh                    ; back to the xAPIC
        mov eax, 0fee00900h
        call write_faults

        mov eax, 5
        mov cr8, rax
        mov ecx, 808h
        rdmsr
        EXPECT eax, 50h, "TPR is not CR8"
        sti
        mov ecx, 83fh
        mov eax, 51h
        xor edx, edx
        wrmsr
        mov eax, 92h
        wrmsr
        nop
        EXPECT dword [500h], 0, "CR8 let 51h pass"
        EXPECT dword [504h], 1, "92h"
        xor eax, eax
        mov cr8, rax
        nop
        EXPECT dword [500h], 1, "51h"
        mov ecx, 830h                   ; ICR: to processor 0
        mov eax, 4051h
        xor edx, edx
        wrmsr
        nop
        EXPECT dword [500h], 2, "51h by ICR"
        mov edx, 1                      ; to processor 1
        wrmsr
        nop
        EXPECT dword [500h], 2, "51h for another processor"
        cli
        mov ecx, 808h
        mov eax, 27h
        xor edx, edx
        wrmsr
        mov rax, cr8
        EXPECT eax, 2, "CR8 is not TPR"
        inc eax
        mov cr8, rax
        rdmsr
        EXPECT eax, 30h, "writing CR8 kept the sub-class"
        EXPECT dword [508h], 5, "faults"
        PASS

read_faults:
        mov ebx, [508h]
        mov qword [510h], .behind
        rdmsr
.behind:
        inc ebx
        EXPECT [508h], ebx, "RDMSR without #GP"
        ret
write_faults:
        mov ebx, [508h]
        xor edx, edx
        mov qword [510h], .behind
        wrmsr
.behind:
        inc ebx
        EXPECT [508h], ebx, "WRMSR without #GP"
        ret
general_protection:
        inc dword [508h]
        push rax
        mov rax, [510h]
        mov [rsp + 16], rax
        pop rax
        add rsp, 8
        iretq

handler_51:
        inc dword [500h]
        jmp done
handler_92:
        inc dword [504h]
done:   push rax
        push rcx
        push rdx
        mov ecx, 80bh
        xor eax, eax
        xor edx, edx
        wrmsr
        pop rdx
        pop rcx
        pop rax
        iretq
        TABLES
