; Long mode, ring 0, identity mapping: exits, 64-bit registers, exceptions, interrupts with and without an interrupt
; stack, compatibility of the registers' upper halves.
;@ reason 10 1
;@ reason 31 1
;@ handoff taken 40h
;@ may differ memory 530-537, below-rsp: a tick may come before interrupts are off, and the frame of the last
;@ software no INT3 in protected mode
%include "guest.inc"
        GUEST "long_mode"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        LOAD_TASK
        GATE64 6, invalid
        GATE64 13, protection
        GATE64 3, breakpoint, 1
        GATE64 PIC_VECTOR, tick
        mov qword [task + 36], SCRATCH + 8000h          ; IST1
        ; exits clear or keep the upper halves as the SDM says
        mov rax, 0ffffffff00000000h
        mov rbx, -1
        mov rcx, 0ffffffff00000000h
        mov rdx, -1
        cpuid
        mov [500h], rax
        or [500h], rbx
        or [500h], rcx
        or [500h], rdx
        EXPECT dword [504h], 0, "CPUID left upper halves"
        mov rdx, -1
        mov ecx, 0c0000080h
        mov rax, -1
        rdmsr
        and eax, 500h
        EXPECT eax, 500h, "EFER lacks LME or LMA"
        shr rdx, 32
        EXPECT rdx, 0, "RDMSR left the upper half of RDX"
        mov rax, 1122334455667788h
        mov edx, 2f0h
        in al, dx
        mov rbx, 11223344556677ffh
        EXPECT rax, rbx, "IN AL touched more than AL"
        in ax, dx
        mov rbx, 112233445566ffffh
        EXPECT rax, rbx, "IN AX touched more than AX"
        in eax, dx
        mov ebx, -1
        EXPECT rax, rbx, "IN EAX left the upper half"
        rdtsc
        mov r8, rdx
        shl r8, 32
        or r8, rax
        rdtsc
        shl rdx, 32
        or rdx, rax
        cmp rdx, r8
        CHECK a, "RDTSC did not move forward"
        ; registers that only long mode has come through exits
        mov r8, 8888888888888888h
        mov r15, 0f0f0f0f0f0f0f0fh
        mov r12, r8
        xor eax, eax
        cpuid
        EXPECT r8, r12, "R8 changed"
        mov rax, 0f0f0f0f0f0f0f0fh
        EXPECT r15, rax, "R15 changed"
        ; exceptions
undefined:
        ud2
        mov rax, undefined
        EXPECT [508h], rax, "#UD not at UD2"
        mov ax, 1000h
bad_load:
        mov gs, ax
        mov rax, bad_load
        EXPECT [510h], rax, "#GP not at the load of GS"
        EXPECT dword [518h], 1000h, "error code of #GP"
        ; a non-canonical address
        mov rbx, 8000000000000000h
bad_address:
        mov al, [rbx]
        mov rax, bad_address
        EXPECT [510h], rax, "#GP not at the non-canonical access"
        EXPECT dword [518h], 0, "error code of #GP for a non-canonical address"
        mov rdx, rsp
        int3
        EXPECT [528h], rdx, "RSP saved by the interrupt stack switch"
        mov rax, SCRATCH + 8000h - 40
        EXPECT [520h], rax, "RSP on the interrupt stack"
        EXPECT rsp, rdx, "RSP after IRETQ"
        ; without one, the frame is aligned to 16 bytes
        sub rsp, 8
        mov rdx, rsp
        ud2
        EXPECT rsp, rdx, "RSP after an aligned frame"
        add rsp, 8
        ; interrupts
        INIT_PIC 0fffeh
        mov qword [530h], 0
        TIMER_PERIODIC 1193
        sti
.wait:  cmp qword [530h], 3
        jb .wait
        mov qword [530h], 0
.halt:  hlt
        cmp qword [530h], 3
        jb .halt
        cli
        PASS

invalid:
        mov rax, [rsp]
        mov [508h], rax
        add qword [rsp], 2
        iretq
protection:
        pop rax
        mov [518h], rax
        mov rax, [rsp]
        mov [510h], rax
        add qword [rsp], 2
        iretq
breakpoint:
        mov [520h], rsp
        mov rax, [rsp + 24]
        mov [528h], rax
        iretq
tick:   push rax
        inc qword [530h]
        END_OF_INTERRUPT
        pop rax
        iretq
bits 16
TABLES
