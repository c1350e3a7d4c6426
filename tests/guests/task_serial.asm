; Page faults of a stack in the delivery of #DE, #NP and INT n, which a task handles: then the first event is delivered, once. INTO with
; a prefix and #DE go to a task too.
;@ reason 9 10
%include "guest.inc"
%include "task.inc"
        GUEST "task_serial"
%define COUNT 500h
%define FIRST PAGE_TABLES
%define TABLE PAGE_TABLES + 2000h        ; the first 4 MiB
%define HIGH PAGE_TABLES + 3000h         ; 0c0000000h
        ENTER_TASKS
        CLEAR_PAGE_TABLES
        mov dword [COUNT], 0
        mov dword [FIRST], TABLE + 3
        mov dword [FIRST + 0c00h], HIGH + 3
        xor ecx, ecx
        mov eax, 3
.fill:  mov [TABLE + ecx * 4], eax
        add eax, 1000h
        inc ecx
        cmp ecx, 400h
        jb .fill
        mov eax, FIRST
        mov cr3, eax
        mov eax, cr0
        or eax, 80010000h
        mov cr0, eax
        jmp .paged
.paged: mov dword [main_tss + 1ch], FIRST
        mov dword [other_tss + 1ch], FIRST
        mov dword [third_tss + 1ch], FIRST
        TASK_GATE idt + 14 * 8, TSS_THIRD, 85h
        ; ---- #PF while #DE, #NP, INT 30h and an interrupt are delivered, on a stack that is read only
        GATE32 0, divide
        GATE32 11, not_present
        mov dword [third_tss + 20h], stack_fault
        mov [510h], esp
        mov dword [514h], 0
        mov dword [HIGH + 80h], SCRATCH + 8001h
        mov eax, cr3
        mov cr3, eax
        mov esp, 0c0020ff0h
        xor edx, edx
        mov eax, 1500
        div dword [514h]
        EXPECT eax, 150, "the division"
        EXPECT dword [COUNT], 1, "#PF in the delivery of #DE"
        mov dword [HIGH + 80h], SCRATCH + 8001h
        mov eax, cr3
        mov cr3, eax
        GATE_AT idt + 30h * 8, soft_int, CODE32, 0eh
        mov dword [518h], 0
        int 30h
        EXPECT dword [518h], 2, "#NP and INT"
        EXPECT dword [COUNT], 2, "#PF in the delivery of #NP"
        mov dword [HIGH + 80h], SCRATCH + 8001h
        mov eax, cr3
        mov cr3, eax
        int 30h
        EXPECT dword [518h], 3, "INT"
        EXPECT dword [COUNT], 3, "#PF in the delivery of INT"
        ; two bytes of INTO to a task
        TASK_GATE idt + 4 * 8, TSS_OTHER, 85h
        mov esp, [510h]
        mov dword [other_tss + 20h], called
        mov al, 127
        add al, 127
        a16 into
        EXPECT dword [COUNT], 4, "INTO of two bytes"
        ; DIV to a task
        mov dword [514h], 0
        TASK_GATE idt, TSS_OTHER, 85h
        mov dword [other_tss + 20h], divide_task
        xor edx, edx
        mov eax, 1500
        div dword [514h]
        EXPECT eax, 150, "the division with a task"
        mov dword [main_tss + 24h], 2   ; where QEMU before release 8 saves no RF for a fault
        clts                            ; KVM in the box does not see that the switch sets it
        PASS

called: inc dword [COUNT]
        iret
divide_task:
        mov dword [514h], 10
        iret
divide: mov dword [514h], 10
        iret
soft_int:
        inc dword [518h]
        iret
not_present:
        inc dword [518h]
        add esp, 4
        mov byte [idt + 30h * 8 + 5], 8eh
        iret
stack_fault:
        inc dword [COUNT]
        pop eax
        EXPECT eax, 3, "error code of the stack's fault"
        or byte [HIGH + 80h], 2
        mov eax, 0c0020000h
        invlpg [eax]
        iret
        jmp stack_fault

TASK_TABLES
