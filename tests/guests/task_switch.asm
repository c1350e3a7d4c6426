; Tasks: JMP, CALL and IRET to and from one, straight and through a task gate, INT and a fault with an error code through a gate in
; the IDT. What the switch saves, loads, links and marks busy; the flag NT.
;@ reason 9 16
;@ sql SELECT count(*) = 4 FROM (SELECT DISTINCT exit_qualification >> 30 & 3 FROM exit WHERE exit_reason = 9)
%include "guest.inc"
%include "task.inc"
        GUEST "task_switch"
%define COUNT 500h
        ENTER_TASKS
        mov dword [COUNT], 0
        ; ---- JMP there, and JMP back
        mov dword [other_tss + 20h], jumped
        mov dword [other_tss + 28h], 11223344h
        mov dword [other_tss + 44h], 55667788h
        mov eax, 0aaaaaaaah
        mov ecx, 1
        mov edx, 2
        mov ebx, 3
        mov ebp, 5
        mov esi, 6
        mov edi, 7
        stc
        jmp TSS_OTHER:0f4f4f4f4h
back_1: jnc lost_flags
        EXPECT eax, 0aaaaaaaah, "EAX of the main task"
        EXPECT ecx, 1, "ECX"
        EXPECT edx, 2, "EDX"
        EXPECT ebx, 3, "EBX"
        EXPECT esp, 7c00h, "ESP"
        EXPECT ebp, 5, "EBP"
        EXPECT esi, 6, "ESI"
        EXPECT edi, 7, "EDI"
        EXPECT dword [COUNT], 1, "JMP"
        EXPECT_BUSY TSS_MAIN, 1, "main task not busy again"
        EXPECT_BUSY TSS_OTHER, 0, "other task still busy"
        EXPECT word [other_tss + 4ch], CODE32, "CS saved"
        EXPECT dword [other_tss + 20h], jumped_end, "EIP saved"
        EXPECT dword [main_tss + 20h], back_1, "EIP of the main task"
        EXPECT word [main_tss], 0, "back link of a JMP"

        ; ---- CALL and IRET, twice: the task goes on where it left
        mov dword [other_tss + 20h], called
        call TSS_OTHER:0f4f4f4f4h
back_2: EXPECT dword [COUNT], 2, "CALL"
        EXPECT_BUSY TSS_OTHER, 0, "called task still busy"
        test byte [other_tss + 25h], 40h
        CHECK z, "NT saved by IRET"
        EXPECT word [other_tss], TSS_MAIN, "back link of a CALL"
        call far [pointer]
        EXPECT dword [COUNT], 4, "second CALL"
        pushfd
        pop eax
        test ah, 40h
        CHECK z, "NT of the main task"

        ; ---- a task gate in the GDT, from the LDT too
        TASK_GATE tasks_gdt + GATE_OTHER, TSS_OTHER, 85h
        mov dword [other_tss + 20h], called
        call GATE_OTHER:12345678h
        EXPECT dword [COUNT], 5, "CALL through a gate"
        TASK_DESCRIPTOR LDT_OTHER, ldt, 0fh, 82h
        TASK_GATE ldt + 8, TSS_OTHER, 85h
        mov ax, LDT_OTHER
        lldt ax
        mov dword [other_tss + 20h], jumped
        mov dword [other_tss + 28h], 11223344h
        jmp 0ch:0
        EXPECT dword [COUNT], 6, "JMP through a gate in the LDT"
        sldt ax
        EXPECT ax, 0, "LDTR of the main task"     ; the switch loads it from the TSS, and saves none

        ; ---- its own LDT
        mov word [other_tss + 60h], LDT_OTHER
        mov dword [ldt], 0000ffffh
        mov dword [ldt + 4], 00cf9300h
        mov word [other_tss + 54h], 4   ; DS in the LDT
        mov dword [other_tss + 20h], with_ldt
        call TSS_OTHER:0
        EXPECT dword [COUNT], 7, "a task with an LDT"
        mov word [other_tss + 60h], 0
        mov word [other_tss + 54h], DATA32

        ; ---- INT n, INT3 and INTO
        TASK_GATE idt + 30h * 8, TSS_OTHER, 85h
        TASK_GATE idt + 3 * 8, TSS_OTHER, 85h
        TASK_GATE idt + 4 * 8, TSS_OTHER, 85h
        mov dword [other_tss + 20h], called
        int 30h
after_int:
        EXPECT dword [COUNT], 8, "INT 30h"
        EXPECT dword [main_tss + 20h], after_int, "EIP saved by INT 30h"
        mov dword [other_tss + 20h], called
        int3
after_int3:
        EXPECT dword [COUNT], 9, "INT3"
        EXPECT dword [main_tss + 20h], after_int3, "EIP saved by INT3"
        mov dword [other_tss + 20h], called
        mov al, 7fh
        add al, 7fh
        into
after_into:
        EXPECT dword [COUNT], 10, "INTO"
        EXPECT dword [main_tss + 20h], after_into, "EIP saved by INTO"

        ; ---- faults: without an error code, and with one, which lies on the new task's stack
        TASK_GATE idt + 6 * 8, TSS_OTHER, 85h
        mov dword [other_tss + 20h], skip_2
        mov dword [other_tss + 38h], 7a00h
undefined:
        ud2
        EXPECT dword [COUNT], 11, "#UD"
        EXPECT dword [510h], undefined, "EIP saved by #UD"
        TASK_GATE idt + 13 * 8, TSS_OTHER, 85h
        mov dword [other_tss + 20h], skip_error
        mov eax, 1234h
bad_load:
        mov es, eax
        EXPECT dword [COUNT], 12, "#GP"
        EXPECT dword [510h], bad_load, "EIP saved by #GP"
        EXPECT dword [514h], 1234h, "error code of #GP"
        mov ax, es
        EXPECT ax, DATA32, "ES after #GP"

        ; ---- a task that a task has called
        mov dword [other_tss + 20h], calls_third
        mov dword [third_tss + 20h], third
        call TSS_OTHER:0
        EXPECT dword [COUNT], 15, "nested tasks"
        EXPECT_BUSY TSS_OTHER, 0, "other task busy after nesting"
        EXPECT_BUSY TSS_THIRD, 0, "third task busy after nesting"
        EXPECT word [third_tss], TSS_OTHER, "back link of the nested task"

        ; ---- local breakpoints end with the task, global ones do not
        mov eax, 500h
        mov dr0, eax
        mov eax, 55h | 2 << 2
        mov dr7, eax
        mov dword [other_tss + 20h], called
        call TSS_OTHER:0
        mov eax, dr7
        and eax, 0ffh
        EXPECT eax, 8, "DR7 after a task switch"
        xor eax, eax
        mov dr7, eax
        clts                            ; KVM in the box does not see that the switch sets it
        PASS

lost_flags:
        FAIL "CF of the main task"

jumped: inc dword [COUNT]
        EXPECT eax, 11223344h, "EAX of the other task"
        EXPECT edi, 55667788h, "EDI of the other task"
        EXPECT esp, 7a00h, "ESP of the other task"
        EXPECT_BUSY TSS_MAIN, 0, "main task busy after JMP"
        EXPECT_BUSY TSS_OTHER, 1, "other task not busy"
        pushfd
        pop eax
        test ah, 40h
        CHECK z, "NT after JMP"
        jmp TSS_MAIN:0
jumped_end:
        FAIL "it goes on"

called: inc dword [COUNT]
        EXPECT_BUSY TSS_MAIN, 1, "main task not busy after CALL"
        EXPECT_BUSY TSS_OTHER, 1, "called task not busy"
        str ax
        EXPECT ax, TSS_OTHER, "TR"
        pushfd
        pop eax
        test ah, 40h
        CHECK nz, "NT after CALL"
        iret
        add dword [COUNT], 2            ; called again
        iret

with_ldt:
        inc dword [COUNT]
        sldt ax
        EXPECT ax, LDT_OTHER, "LDTR"
        mov ax, ds
        EXPECT ax, 4, "DS"
        iret

; the handlers of faults go on behind the instruction
skip_2: inc dword [COUNT]
        EXPECT esp, 7a00h, "an error code of #UD"
        mov eax, [main_tss + 20h]
        mov [510h], eax
        add dword [main_tss + 20h], 2
        iret
skip_error:
        inc dword [COUNT]
        EXPECT esp, 7a00h - 4, "ESP with an error code"
        mov eax, [main_tss + 20h]
        mov [510h], eax
        add dword [main_tss + 20h], 2
        pop dword [514h]
        iret

calls_third:
        inc dword [COUNT]
        call TSS_THIRD:0
        inc dword [COUNT]
        iret
third:  inc dword [COUNT]
        EXPECT_BUSY TSS_MAIN, 1, "main task not busy while nested"
        EXPECT_BUSY TSS_OTHER, 1, "other task not busy while nested"
        iret

pointer:
        dd 0f4f4f4f4h
        dw TSS_OTHER
align 8, db 0
ldt:    times 2 dq 0
TASK_TABLES
