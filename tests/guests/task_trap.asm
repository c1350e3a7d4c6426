; The debug trap of a TSS with its T bit, before the first instruction of that task, to a handler and to a task; CR0.TS after a switch.
;@ reason 9 4
;@ kvm KVM raises no debug trap for a task, and the box's processor switches tasks itself, where KVM does not see CR0.TS
%include "guest.inc"
%include "task.inc"
        GUEST "task_trap"
%define COUNT 500h
        ENTER_TASKS
        mov dword [COUNT], 0
        mov dword [504h], 0
        GATE32 1, debug
        GATE32 7, not_available
        fninit
        clts
        mov dword [other_tss + 20h], called
        mov byte [other_tss + 64h], 1
        xor eax, eax
        mov dr6, eax
        call TSS_OTHER:0
        EXPECT dword [COUNT], 2, "the trap, and the task"
        EXPECT dword [508h], called, "EIP of the trap"
        mov eax, dr6
        and eax, 0e00fh
        EXPECT eax, 8000h, "DR6"
        ; CR0.TS
        mov eax, cr0
        test al, 8
        CHECK nz, "CR0.TS is clear"
        fld1
        EXPECT dword [504h], 1, "#NM"
        ; to a task
        TASK_GATE idt + 8, TSS_THIRD, 85h
        mov dword [third_tss + 20h], debug_task
        mov dword [other_tss + 20h], called
        mov dword [COUNT], 0
        call TSS_OTHER:0
        EXPECT dword [COUNT], 2, "the trap to a task, and the task"
        EXPECT word [third_tss], TSS_OTHER, "back link of the trap"
        PASS

called: inc dword [COUNT]
        EXPECT dword [COUNT], 2, "the task before the trap"
        iret
debug:  inc dword [COUNT]
        EXPECT dword [COUNT], 1, "order of the trap"
        push eax
        mov eax, [esp + 4]
        mov [508h], eax
        pop eax
        iret
debug_task:
        inc dword [COUNT]
        mov byte [other_tss + 64h], 0   ; or the return would trap again
        iret
not_available:
        inc dword [504h]
        clts
        iret
TASK_TABLES
