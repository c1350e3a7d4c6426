; Page faults that the guest handles in long mode, with no-execute: the processor's and the emulator's.
;@ reason 30 4
;@ differs kvm-box memory 7bda-7bda: QEMU before release 8, the KVM box's processor, pushes flags without RF for a fault (SDM 3B, 17.3.1.1)
%include "guest.inc"
%define WINDOW 4000000000h              ; 256 GiB: nothing is there at first
        GUEST "page_fault_long"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ; WINDOW: PML4 entry 0, PDPT entry 256, one page table without entries
        mov dword [PAGE_TABLES + 1000h + 256 * 8], PAGE_TABLES + 3000h + 3
        mov dword [PAGE_TABLES + 3000h], PAGE_TABLES + 4000h + 3
        ENTER_LONG
        GATE64 14, page_fault
        mov ecx, 0c0000080h
        rdmsr
        or eax, 800h                    ; NXE
        wrmsr
        mov qword [500h], 0
%macro FAULTED 4
        EXPECT qword [500h], 1, %4
        mov rax, %1
        EXPECT [508h], rax, %4
        mov rax, %2
        EXPECT [510h], rax, %4
        EXPECT qword [518h], %3, %4
        mov qword [500h], 0
%endmacro
        mov rbx, WINDOW
        mov r9d, 0a5a5a5a5h
        mov [SCRATCH + 10h], r9
read:   mov r8, [rbx + 10h]
        EXPECT r8, r9, "read after the fault"
        FAULTED WINDOW + 10h, read, 0, "fault of a read"
write:  mov [rbx + 1020h], r9
        EXPECT [SCRATCH + 1020h], r9, "write after the fault"
        FAULTED WINDOW + 1020h, write, 2, "fault of a write"
        lea rdi, [rbx + 2000h]
        mov edx, 2f0h
input:  insb
        EXPECT byte [SCRATCH + 2000h], 0ffh, "INSB after the fault"
        FAULTED WINDOW + 2000h, input, 2, "fault of INSB"
        lea rsi, [rbx + 3000h]
        mov edx, 80h
output: outsd
        FAULTED WINDOW + 3000h, output, 0, "fault of OUTSD"
        lea rax, [rbx + 3004h]
        EXPECT rsi, rax, "RSI after OUTSD"
        mov byte [SCRATCH + 4000h], 0c3h
        lea rax, [rbx + 4000h]
        call rax
        FAULTED WINDOW + 4000h, WINDOW + 4000h, 10h, "fault of an instruction fetch"
        PASS

page_fault:
        push rax
        push rbx
        inc qword [500h]
        mov rbx, cr2
        mov [508h], rbx
        mov rax, [rsp + 24]
        mov [510h], rax
        mov rax, [rsp + 16]
        mov [518h], rax
        mov rax, WINDOW
        sub rbx, rax
        CHECK nc, "a fault below the window"
        cmp rbx, 10000h
        CHECK b, "a fault above the window"
        and ebx, 0f000h
        lea eax, [ebx + SCRATCH + 3]
        shr ebx, 9
        mov [PAGE_TABLES + 4000h + ebx], rax
        mov rax, cr2
        invlpg [rax]
        pop rbx
        pop rax
        add rsp, 8
        iretq
bits 16
TABLES
