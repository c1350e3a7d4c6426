; A fault in the delivery of INT n, INT3, INTO, BOUND and #UD returns to the instruction that made the event; with the right
; vector and error code: IDT limit, gate type, gate not present, code segment null, not present, no code, beyond the GDT.
;@ differs kvm-box memory 7bfe-7bfe: QEMU before release 8, the KVM box's processor, pushes flags without RF for a fault (SDM 3B, 17.3.1.1)
;@ software no INT3 in protected mode
%include "guest.inc"
        GUEST "delivery_fault"
%define SAVED 500h                      ; ESP to go on with, where to go on, the address that must have been pushed, error code, vector

; the vectors that deliveries fault with
%macro FAULT_HANDLER 1
fault_%1:
        mov dword [SAVED + 16], %1
        jmp faulted
%endmacro

; ARRIVES instruction, vector of the fault, error code
%macro ARRIVES 3+
        mov [SAVED], esp
        mov dword [SAVED + 4], %%next
        mov dword [SAVED + 8], %%here
        mov dword [SAVED + 12], -1
        mov eax, 80000000h
        add eax, eax                    ; sets OF, for INTO
        mov eax, 1000                   ; out of the bounds
%%here: %1
        FAIL "no fault"
%%next: EXPECT dword [SAVED + 16], %2, "another vector"
        EXPECT dword [SAVED + 12], %3, "another error code"
%endmacro

; each instruction with vector 3, 30h, 4, 5, 6; %1: error code for the gate's vector, or 0; %2: fault; %3: selector
%macro EACH 3
        ARRIVES {int3}, %1, %2 * (3 * 8 + 2) + %3
        ARRIVES {int 30h}, %1, %2 * (30h * 8 + 2) + %3
        ARRIVES {into}, %1, %2 * (4 * 8 + 2) + %3
        ARRIVES {bound eax, [limits]}, %1, %2 * (5 * 8 + 2) + %3
        ARRIVES {ud2}, %1, %2 * (6 * 8 + 2) + %3
%endmacro

%macro GATES 2                          ; selector, access
        GATE_AT idt + 3 * 8, good, %1, %2
        GATE_AT idt + 4 * 8, good, %1, %2
        GATE_AT idt + 5 * 8, good, %1, %2
        GATE_AT idt + 6 * 8, good, %1, %2
        GATE_AT idt + 30h * 8, good, %1, %2
%endmacro

        ENTER_PROTECTED32
        GATE32 11, fault_11
        GATE32 13, fault_13
        GATES CODE32, 0eh               ; not present
        EACH 11, 1, 0
        GATES CODE32, 8ch               ; a call gate
        EACH 13, 1, 0
        GATES 0, 8eh                    ; no selector
        EACH 13, 0, 0
        GATES DATA32, 8eh               ; data
        EACH 13, 0, DATA32
        GATES 1000h, 8eh                ; beyond the GDT
        EACH 13, 0, 1000h
        and byte [gdt + CODE16 + 5], 7fh
        GATES CODE16, 8eh               ; code that is not present
        EACH 11, 0, CODE16
        ; INT 30h beyond the table's limit, of which the gates up to 0dh are left
        mov word [idt_pointer], 0eh * 8 - 1
        lidt [idt_pointer]
        ARRIVES {int 30h}, 13, 30h * 8 + 2
        PASS

good:   FAIL "delivered"
FAULT_HANDLER 11
FAULT_HANDLER 13
faulted:
        pop eax
        and al, ~1                      ; EXT, which QEMU's processor never sets (the unit tests look at it)
        mov [SAVED + 12], eax
        pop eax
        cmp eax, [SAVED + 8]
        jne behind
        mov esp, [SAVED]
        jmp [SAVED + 4]
behind: FAIL "the handler would not return to the instruction"
align 8, db 0
limits: dd 0, 10
TABLES
