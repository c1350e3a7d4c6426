; What a task switch checks: of the TSS before the processor leaves the old task (#GP, #NP, #TS there), and of the new task's
; registers (#TS, #NP, #GP there, each handled by a task of its own, which sends the main task on).
;@ reason 9 20
;@ differs kvm-box memory 7bfe-7bfe: QEMU before release 8, the KVM box's processor, pushes flags without RF for a fault (SDM 3B, 17.3.1.1)
%include "guest.inc"
%include "task.inc"
        GUEST "task_faults"
%define SAVED 500h                      ; ESP to go on with, where to go on, EIP of the fault, error code, vector

; ARRIVES instruction, vector, error code: a fault in the old task
%macro ARRIVES 3+
        mov [SAVED], esp
        mov dword [SAVED + 4], %%next
        mov dword [SAVED + 8], 0
        mov dword [SAVED + 16], 0
%%here: %1
        FAIL "no fault"
%%next: EXPECT dword [SAVED + 16], %2, "another vector"
        EXPECT dword [SAVED + 12], %3, "another error code"
        EXPECT dword [SAVED + 8], %%here, "another EIP"
%endmacro

; BREAKS place, word, vector, error code: a CALL of the other task with that word in its TSS faults there
%macro BREAKS 4
        FILL_TSS32 other_tss, no_further, 7a00h
        mov word [other_tss + (%1)], %2
        FAULTS_THERE %3, %4
%endmacro
%macro FAULTS_THERE 2
        mov byte [tasks_gdt + TSS_OTHER + 5], 89h
        mov dword [SAVED + 12], -1
        mov dword [SAVED + 16], 0
        call TSS_OTHER:0
%%next: EXPECT dword [SAVED + 16], %1, "another vector in the new task"
        EXPECT dword [SAVED + 12], %2, "another error code in the new task"
        EXPECT word [SAVED + 24], TSS_OTHER, "the fault is not the new task's"
        EXPECT dword [main_tss + 20h], %%next, "EIP of the old task"
%endmacro

; HANDLER_TASK vector: a task gate to a task of that vector's own
%macro HANDLER_TASK 1
        FILL_TSS32 handler_%1_tss, handler_%1, 7800h
        TASK_DESCRIPTOR 90h + (%1 - 10) * 8, handler_%1_tss, 67h, 89h
        TASK_GATE idt + %1 * 8, 90h + (%1 - 10) * 8, 85h
%endmacro

        ENTER_TASKS
        ; ---- before the switch
        GATE32 10, fault_10
        GATE32 11, fault_11
        GATE32 13, fault_13
        TASK_DESCRIPTOR TSS_BAD, other_tss, 67h, 09h
        ARRIVES {jmp TSS_BAD:0}, 11, TSS_BAD            ; not present
        ARRIVES {call TSS_BAD:0}, 11, TSS_BAD
        TASK_DESCRIPTOR TSS_BAD, other_tss, 66h, 89h
        ARRIVES {jmp TSS_BAD:0}, 10, TSS_BAD            ; too short
        TASK_DESCRIPTOR TSS_BAD, other_tss, 2ah, 81h
        ARRIVES {call TSS_BAD:0}, 10, TSS_BAD
        ARRIVES {jmp TSS_MAIN:0}, 13, TSS_MAIN          ; busy
        ARRIVES {call TSS_MAIN:0}, 13, TSS_MAIN
        ARRIVES {jmp TSS_OTHER + 1:0}, 13, TSS_OTHER    ; RPL above DPL
        TASK_GATE tasks_gdt + GATE_OTHER, TSS_OTHER, 05h
        ARRIVES {call GATE_OTHER:0}, 11, GATE_OTHER     ; gates: not present,
        TASK_GATE tasks_gdt + GATE_OTHER, TSS_MAIN, 85h
        ARRIVES {call GATE_OTHER:0}, 13, TSS_MAIN       ; to a busy task,
        TASK_GATE tasks_gdt + GATE_OTHER, CODE32, 85h
        ARRIVES {jmp GATE_OTHER:0}, 13, CODE32          ; to no task,
        TASK_GATE tasks_gdt + GATE_OTHER, 1000h, 85h
        ARRIVES {jmp GATE_OTHER:0}, 13, 1000h           ; beyond the GDT,
        TASK_GATE tasks_gdt + GATE_OTHER, TSS_OTHER, 85h
        ARRIVES {jmp GATE_OTHER + 1:0}, 13, GATE_OTHER  ; RPL above DPL
        TASK_GATE idt + 30h * 8, TSS_MAIN, 85h
        ARRIVES {int 30h}, 13, TSS_MAIN                 ; in the IDT: to a busy task,
        TASK_GATE idt + 30h * 8, TSS_OTHER, 05h
        ARRIVES {int 30h}, 11, 30h * 8 + 2              ; not present,
        TASK_DESCRIPTOR TSS_BAD, other_tss, 67h, 09h
        TASK_GATE idt + 30h * 8, TSS_BAD, 85h
        ARRIVES {int 30h}, 11, TSS_BAD                  ; to a task that is not,
        TASK_DESCRIPTOR TSS_BAD, other_tss, 60h, 89h
        ARRIVES {int 30h}, 10, TSS_BAD                  ; to a short one
        ; IRET with NT: to a task that is not busy, to no task
        pushfd
        or byte [esp + 1], 40h
        popfd
        mov word [main_tss], TSS_OTHER
        ARRIVES {iret}, 10, TSS_OTHER
        mov word [main_tss], DATA32
        pushfd
        or byte [esp + 1], 40h
        popfd
        ARRIVES {iret}, 10, DATA32
        EXPECT_BUSY TSS_OTHER, 0, "a fault marked the task busy"
        EXPECT_BUSY TSS_MAIN, 1, "a fault marked the task not busy"
        str ax
        EXPECT ax, TSS_MAIN, "a fault changed TR"

        ; ---- behind it
        HANDLER_TASK 10
        HANDLER_TASK 11
        HANDLER_TASK 13
        mov dword [SAVED + 20], 0
        TASK_DESCRIPTOR LDT_OTHER, 0, 0fh, 02h
        TASK_DESCRIPTOR SPARE, 0, 0ffffh, 13h           ; data that is not present
        TASK_DESCRIPTOR READ_ONLY, 0, 0ffffh, 91h
        TASK_DESCRIPTOR 80h, 0, 0ffffh, 1bh             ; code that is not present
        TASK_DESCRIPTOR 88h, 0, 0ffffh, 99h             ; code that cannot be read
        TASK_DESCRIPTOR 0b0h, 0, 0ffffh, 0fbh           ; code of level 3
        BREAKS 60h, LDT_OTHER, 10, LDT_OTHER            ; LDT: not present,
        BREAKS 60h, DATA32, 10, DATA32                  ; no LDT,
        BREAKS 60h, 0ch, 10, 0ch                        ; in the LDT,
        BREAKS 60h, 1000h, 10, 1000h                    ; beyond the GDT
        BREAKS 4ch, 0, 10, 0                            ; CS: null,
        BREAKS 4ch, 1000h, 10, 1000h                    ; beyond the GDT,
        BREAKS 4ch, DATA32, 10, DATA32                  ; data,
        BREAKS 4ch, 80h, 11, 80h                        ; not present,
        BREAKS 4ch, 0b0h, 10, 0b0h                      ; of another level
        BREAKS 50h, 0, 10, 0                            ; SS: null,
        BREAKS 50h, CODE32, 10, CODE32                  ; code,
        BREAKS 50h, READ_ONLY, 10, READ_ONLY            ; read only,
        BREAKS 50h, DATA32 + 1, 10, DATA32              ; of another level
        BREAKS 54h, 1000h, 10, 1000h                    ; DS: beyond the GDT,
        BREAKS 54h, TSS_MAIN, 10, TSS_MAIN              ; no segment,
        BREAKS 48h, SPARE, 11, SPARE                    ; ES: not present,
        BREAKS 58h, 88h, 10, 88h                        ; FS: cannot be read,
        BREAKS 5ch, 0ch, 10, 0ch                        ; GS: there is no LDT
        EXPECT dword [SAVED + 20], 18, "number of faults"
        ; EIP beyond CS
        FILL_TSS32 other_tss, 10000h, 7a00h
        mov byte [other_tss + 4ch], CODE16
        FAULTS_THERE 13, 0
        mov dword [other_tss + 20h], 0  ; what QEMU saves there for the last fault is neither EIP nor RF
        mov dword [other_tss + 24h], 2
        clts                            ; KVM in the box does not see that the switch sets it
        PASS

%macro FAULT_HANDLER 1
fault_%1:
        mov dword [SAVED + 16], %1
        jmp faulted
%endmacro
FAULT_HANDLER 10
FAULT_HANDLER 11
FAULT_HANDLER 13
faulted:
        pop dword [SAVED + 12]
        pop dword [SAVED + 8]
        mov esp, [SAVED]
        jmp [SAVED + 4]

; The handlers' tasks note the fault, and send on the main task, which the other one has not returned to.
%macro HANDLER_ENTRY 1
handler_%1:
        inc dword [SAVED + 20]
        pop dword [SAVED + 12]
        and byte [SAVED + 12], ~1       ; EXT
        mov dword [SAVED + 16], %1
        mov ax, [handler_%1_tss]
        mov [SAVED + 24], ax
        mov byte [tasks_gdt + TSS_MAIN + 5], 89h
        jmp handler_%1_leaves           ; ends a block: QEMU's far JMP does not compute the flags
handler_%1_leaves:
        jmp TSS_MAIN:0
        jmp handler_%1
align 16, db 0
handler_%1_tss: times 68h db 0
%endmacro
HANDLER_ENTRY 10
HANDLER_ENTRY 11
HANDLER_ENTRY 13
no_further:
        FAIL "the other task runs"
TASK_TABLES
