; Interrupts that go to a task: back where they came, with the flags of the old task; the task goes on behind its IRET.
;@ reason 9 4
;@ handoff taken 40h
%include "guest.inc"
%include "task.inc"
        GUEST "task_interrupt"
%define COUNT 500h
        ENTER_TASKS
        INIT_PIC 0fffeh
        mov dword [COUNT], 0
        TASK_GATE idt + PIC_VECTOR * 8, TSS_OTHER, 85h
        mov dword [other_tss + 20h], interrupt
        TIMER_ONCE 100
        sti
waits:  cmp dword [COUNT], 1
        jb waits
        cli
        test byte [main_tss + 25h], 2
        CHECK nz, "IF of the old task"
        EXPECT_BUSY TSS_OTHER, 0, "the interrupt's task is busy"
        ; again: the task goes on behind its IRET
        TIMER_ONCE 100
        sti
        hlt
        cli
        EXPECT dword [COUNT], 2, "the second interrupt"
        EXPECT word [other_tss], TSS_MAIN, "back link"
        clts                            ; KVM in the box does not see that the switch sets it
        PASS

interrupt:
        inc dword [COUNT]
        END_OF_INTERRUPT
        iret
        jmp interrupt
TASK_TABLES
