; Task switches with paging: a task has its own CR3; #PF goes to a task, with CR2 and the error code on that task's stack. A TSS that
; is not mapped is a page fault of the old task, which nothing has left.
;@ reason 9 6
;@ differs kvm-box memory 7bfe-7bfe: QEMU before release 8, the KVM box's processor, pushes flags without RF for a fault (SDM 3B, 17.3.1.1)
%include "guest.inc"
%include "task.inc"
        GUEST "task_paging"
%define COUNT 500h
%define FIRST PAGE_TABLES                ; two directories, which share the first table, but for one page
%define SECOND PAGE_TABLES + 1000h
%define TABLE PAGE_TABLES + 2000h        ; the first 4 MiB
%define HIGH_1 PAGE_TABLES + 3000h       ; 0c0000000h of the first and second one
%define HIGH_2 PAGE_TABLES + 4000h
        ENTER_TASKS
        CLEAR_PAGE_TABLES
        mov dword [COUNT], 0
        mov dword [FIRST], TABLE + 3
        mov dword [SECOND], TABLE + 3
        mov dword [FIRST + 0c00h], HIGH_1 + 3
        mov dword [SECOND + 0c00h], HIGH_2 + 3
        mov dword [HIGH_1], SCRATCH + 3
        mov dword [HIGH_2], SCRATCH + 1000h + 3
        mov dword [SCRATCH], 11111111h
        mov dword [SCRATCH + 1000h], 22222222h
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
        mov dword [other_tss + 1ch], SECOND
        mov dword [third_tss + 1ch], FIRST
        ; ---- its own CR3
        EXPECT dword [0c0000000h], 11111111h, "the main task's page"
        mov dword [other_tss + 20h], called
        call TSS_OTHER:0
        EXPECT dword [COUNT], 1, "CALL"
        mov eax, cr3
        EXPECT eax, FIRST, "CR3 of the main task"
        EXPECT dword [0c0000000h], 11111111h, "the main task's page again"
        EXPECT dword [SCRATCH + 1000h], 33333333h, "the other task's page"
        EXPECT dword [main_tss + 1ch], FIRST, "CR3 in the TSS"
        ; ---- #PF
        TASK_GATE idt + 14 * 8, TSS_THIRD, 85h
        mov dword [third_tss + 20h], page_fault
write:  mov dword [0c0002000h], 5
        EXPECT dword [COUNT], 2, "#PF"
        EXPECT dword [504h], 0c0002000h, "CR2"
        EXPECT dword [508h], write, "EIP of the fault"
        EXPECT dword [50ch], 2, "error code"
        EXPECT dword [SCRATCH + 2000h], 5, "the write"
        ; in the emulator: the operand of an instruction that exits
        mov esi, 0c0003000h
        mov edx, 80h
output: outsb
        EXPECT dword [COUNT], 3, "#PF of OUTSB"
        EXPECT dword [508h], output, "EIP of OUTSB"
        EXPECT esi, 0c0003001h, "ESI after OUTSB"
        ; ---- a TSS that is not mapped
        GATE32 14, plain_fault
        TASK_DESCRIPTOR TSS_BAD, 0c0010000h, 67h, 89h
        mov [510h], esp
        mov dword [514h], not_mapped
jump:   jmp TSS_BAD:0
not_mapped:
        EXPECT dword [508h], jump, "EIP of the jump"
        EXPECT dword [50ch] , 0, "error code of the jump"
        str ax
        EXPECT ax, TSS_MAIN, "TR after the fault"
        EXPECT_BUSY TSS_MAIN, 1, "main task not busy"
        EXPECT_BUSY TSS_BAD, 0, "the task that was not entered is busy"
        ; its first part is, its second is not
        mov dword [HIGH_1 + 44h], SCRATCH + 4003h
        TASK_DESCRIPTOR TSS_BAD, 0c0011fe0h, 67h, 89h
        mov dword [514h], half_mapped
jump_2: jmp TSS_BAD:0
half_mapped:
        EXPECT dword [508h], jump_2, "EIP of the second jump"
        EXPECT word [504h + 2], 0c001h, "CR2 of the second jump"
        mov al, [504h + 1]
        and al, 0f0h
        EXPECT al, 20h, "page in CR2 of the second jump"
        str ax
        EXPECT ax, TSS_MAIN, "TR after the second fault"
        clts                            ; KVM in the box does not see that the switch sets it
        PASS

called: inc dword [COUNT]
        mov eax, cr3
        EXPECT eax, SECOND, "CR3 of the other task"
        EXPECT dword [0c0000000h], 22222222h, "the other task's page before"
        mov dword [0c0000000h], 33333333h
        iret

page_fault:
        inc dword [COUNT]
        pop dword [50ch]
        mov eax, [main_tss + 20h]
        mov [508h], eax
        mov eax, cr2
        mov [504h], eax
        and eax, 0f000h
        mov edx, eax
        shr edx, 10
        lea eax, [eax + SCRATCH + 3]
        mov [HIGH_1 + edx], eax
        mov eax, cr2
        invlpg [eax]
        iret
        jmp page_fault

plain_fault:
        pop dword [50ch]
        pop dword [508h]
        mov eax, cr2
        mov [504h], eax
        mov esp, [510h]
        jmp [514h]
TASK_TABLES
