; CPUID: every exit gives four 32-bit registers and leaves the others alone.
;@ reason 10 5
%include "guest.inc"
        GUEST "cpuid"
        mov ebp, 12345678h
        mov esi, 87654321h
        xor eax, eax
        cpuid
        cmp eax, 1
        CHECK ae, "highest basic leaf is below 1"
        ; the vendor is twelve printable characters
        mov [500h], ebx
        mov [504h], edx
        mov [508h], ecx
        mov bx, 500h
.letter:
        cmp byte [bx], 20h
        CHECK a, "vendor string has a control character"
        cmp byte [bx], 7fh
        CHECK b, "vendor string has a character above 7eh"
        inc bx
        cmp bx, 50ch
        jb .letter

        mov eax, 1
        cpuid
        mov eax, edx
        and eax, 71h                    ; FPU, TSC, MSR, PAE
        EXPECT eax, 71h, "leaf 1 lacks FPU, TSC, MSR or PAE"
        EXPECT ebp, 12345678h, "EBP changed"

        mov eax, 80000000h
        cpuid
        cmp eax, 80000001h
        CHECK ae, "no extended leaves"
        mov eax, 80000001h
        cpuid
        test edx, 20000000h
        CHECK nz, "no long mode"
        ; there is no leaf of a hypervisor: as any leaf beyond the last basic one
        xor eax, eax
        cpuid
        xor ecx, ecx
        cpuid
        mov [500h], eax
        mov [504h], ebx
        mov [508h], ecx
        mov [50ch], edx
        mov eax, 40000000h
        xor ecx, ecx
        cpuid
        EXPECT [500h], eax, "EAX of leaf 40000000h"
        EXPECT [504h], ebx, "EBX of leaf 40000000h"
        EXPECT [508h], ecx, "ECX of leaf 40000000h"
        EXPECT [50ch], edx, "EDX of leaf 40000000h"
        ; that leaf has frequencies, which are those of the machine
        xor eax, eax
        xor ebx, ebx
        xor ecx, ecx
        xor edx, edx
        mov [500h], eax
        mov [504h], eax
        mov [508h], eax
        mov [50ch], eax
        PASS
