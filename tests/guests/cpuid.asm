; CPUID: every exit gives four 32-bit registers and leaves the others alone.
;@ reason 10 3
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
        PASS
