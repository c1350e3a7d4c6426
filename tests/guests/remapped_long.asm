; Long mode with a kernel's layout: the code's memory again at -2 GiB, 4 KiB and 2 MiB pages, run from there with
; exits and interrupts.
;@ reason 10 1
;@ handoff taken 40h
;@ console [high half]
;@ may differ memory 500-507, memory 7bc0-7bff: a tick may come before interrupts are off, and the frame of the last
%include "guest.inc"
%define HIGH_HALF 0ffffffff80000000h
        GUEST "remapped_long"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ; -2 GiB: 2 MiB page of 0; -2 GiB + 2 MiB: 4 KiB pages from the scratch memory on
        mov dword [PAGE_TABLES + 0ff8h], PAGE_TABLES + 3000h + 3
        mov dword [PAGE_TABLES + 3ff0h], PAGE_TABLES + 4000h + 3
        mov dword [PAGE_TABLES + 4000h], 83h
        mov dword [PAGE_TABLES + 4008h], PAGE_TABLES + 5000h + 3
        mov eax, SCRATCH + 3
        xor ecx, ecx
.fill:  mov [PAGE_TABLES + 5000h + ecx * 8], eax
        add eax, 1000h
        inc ecx
        cmp ecx, 16
        jb .fill
        ENTER_LONG
        mov rax, HIGH_HALF + high
        jmp rax
high:   lea rbx, [rel high]
        mov rcx, HIGH_HALF + high
        EXPECT rbx, rcx, "RIP is not in the high half"
        mov rbp, HIGH_HALF
        lea rsp, [rbp + 7c00h]
        mov rax, "[high ha"
        mov [SCRATCH + 10h], rax
        mov rax, "lf]"
        mov [SCRATCH + 18h], rax
        lea rsi, [rbp + 200010h]
        mov ecx, 11
        mov edx, PORT_PRINT
        rep outsb
        mov al, 10
        out PORT_PRINT, al
        mov rax, "lf]"
        EXPECT [rbp + 200018h], rax, "4 KiB page of the high half"
        mov dword [rbp + 20fff8h], 12ab34cdh
        EXPECT dword [SCRATCH + 0fff8h], 12ab34cdh, "a write through the last page"
        xor eax, eax
        cpuid
        cmp eax, 1
        CHECK ae, "CPUID in the high half"
        ; an interrupt gate with a high address
        GATE64 PIC_VECTOR, tick
        mov dword [idt + PIC_VECTOR * 16 + 8], 0ffffffffh
        mov word [idt + PIC_VECTOR * 16 + 6], 8000h
        mov qword [500h], 0
        INIT_PIC 0fffeh
        TIMER_PERIODIC 1193
        sti
.wait:  cmp qword [500h], 3
        jb .wait
        cli
        mov rbx, HIGH_HALF
        cmp [508h], rbx
        CHECK ae, "the handler did not run in the high half"
        PASS
tick:   push rax
        lea rax, [rel tick]
        mov [508h], rax
        inc qword [500h]
        END_OF_INTERRUPT
        pop rax
        iretq
bits 16
TABLES
