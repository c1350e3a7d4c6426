; INT through a task gate to a task without a stack segment: #TS of the new task, and no gate for that or for a double fault.
;@ finding triple-fault
;@ status 1
;@ says INT 40h could not be delivered: the task of its task gate could not be entered
;@ says #TS (vector 10, error code 0h)
%include "guest.inc"
%include "task.inc"
        GUEST "task_gate"
        ENTER_TASKS
        FILL_TSS32 other_tss, entered, 7a00h
        mov word [other_tss + 50h], 0   ; SS
        TASK_GATE idt + 40h * 8, TSS_OTHER, 85h
        int 40h
entered:
        hlt
TASK_TABLES
