; An NMI that goes to a task: a second one waits for the IRET, which switches back.
;@ reason 9 4
;@ handoff taken 2h
;@ kvm the processor of the KVM box cannot inject an NMI that goes to a task
%include "guest.inc"
%include "task.inc"
        GUEST "task_nmi"
        ENTER_TASKS
        TASK_GATE idt + 2 * 8, TSS_THIRD, 85h
        mov dword [third_tss + 20h], nmi
        mov dword [504h], 0
        mov eax, 0fee00000h
        mov dword [eax + 0f0h], 1ffh
        mov dword [eax + 310h], 0
        mov dword [eax + 300h], 4400h
        mov ecx, 1000
.nmi:   dec ecx
        jnz .nmi
        EXPECT dword [504h], 2, "NMIs"
        PASS

nmi:    inc dword [504h]
        cmp dword [504h], 1
        ja .second
        mov eax, 0fee00000h
        mov dword [eax + 310h], 0
        mov dword [eax + 300h], 4400h
        mov ecx, 1000
.still: dec ecx
        jnz .still
        EXPECT dword [504h], 1, "an NMI in the task of an NMI"
.second:
        iret
        jmp nmi
TASK_TABLES
