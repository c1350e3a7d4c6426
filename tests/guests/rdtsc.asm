; RDTSC and RDTSCP: time moves forward, 64 bits of it, and RDTSCP gives IA32_TSC_AUX.
;@ reason 16 3
;@ reason 51 1
;@ differs rax, rbx: time-stamp counters
;@ may differ rdx, rdi: the upper halves
;@ software no RDTSCP
%include "guest.inc"
        GUEST "rdtsc"
        mov ecx, 0c0000103h             ; IA32_TSC_AUX
        mov eax, 5a5a1234h
        xor edx, edx
        wrmsr
        mov esi, 2
        rdtsc
.again: mov ebx, eax
        mov edi, edx
        rdtsc
        cmp edx, edi
        jne .high_differs
        cmp eax, ebx
        CHECK a, "the counter did not move forward"
        jmp .next
.high_differs:
        CHECK a, "the counter went back"
.next:  dec esi
        jnz .again
        mov ebx, eax
        mov edi, edx
        xor ecx, ecx
        rdtscp
        EXPECT ecx, 5a5a1234h, "RDTSCP gave another IA32_TSC_AUX"
        sub eax, ebx
        sbb edx, edi
        CHECK nc, "RDTSCP is behind RDTSC"
        or eax, edx
        CHECK nz, "RDTSCP gave the same time"
        PASS
