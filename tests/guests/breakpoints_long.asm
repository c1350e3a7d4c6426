; Breakpoints in long mode: on code, on eight bytes of data, on an alias of a page, met by vectors and by CMPXCHG16B.
;@ software no INT3 in protected mode
;@ muen the state page has no debug registers
;@ reason 0 4
;@ reason 29 8
%include "guest.inc"
%define ALIAS 20000000h                 ; of address 0
        GUEST "breakpoints_long"
        ENTER_PROTECTED32
        IDENTITY_LONG
        mov dword [PAGE_TABLES + 2000h + 8 * 256], 83h
        ENTER_LONG
        LOAD_TASK
        GATE64 1, debug
        mov rax, cr4
        or eax, 600h
        mov cr4, rax
%macro ENABLE 1
        mov dword [count], 0
        mov eax, %1
        mov dr7, rax
%endmacro
%macro MET 3
        xor eax, eax
        mov dr7, rax
        EXPECT dword [count], %1, "exceptions"
        %if %1
        EXPECT dword [conditions], 0ffff0ff0h | %2, "DR6"
        EXPECT dword [place], %3, "where it returns to"
        %endif
%endmacro
        mov eax, .code
        mov dr0, rax
        ENABLE 2
        xor edx, edx
        inc edx
.code:  inc edx
        MET 1, 1, .code
        EXPECT edx, 2, "the instruction at the breakpoint runs once"
        ; linear addresses count: the alias is not watched
        mov eax, ALIAS + variable
        mov dr2, rax
        ENABLE 0a000010h                ; ignored: R/W 10 with LEN 8 bytes is a port
        mov [variable], rdx
        MET 0, 0, 0
        ENABLE 9000010h                 ; writes, 8 bytes
        mov [variable], rdx
        mov byte [ALIAS + variable + 7], 1
.w1:    mov byte [ALIAS + variable + 8], 1
        MET 1, 4, .w1
        ENABLE 9000010h
        movups [ALIAS + variable - 8], xmm0
.w2:    MET 1, 4, .w2
        ENABLE 0b000010h                ; reads too
        cmpxchg16b [ALIAS + variable]
.r1:    MET 1, 4, .r1
        PASS
debug:  push rax
        inc dword [count]
        mov rax, [rsp + 8]
        mov [place], eax
        mov rax, dr6
        mov [conditions], eax
        test al, 1
        jz .trap
        or dword [rsp + 24], 10000h     ; RF
.trap:  mov eax, 0ffff0ff0h
        mov dr6, rax
        pop rax
        iretq
count:      dd 0
conditions: dd 0
place:      dd 0
            align 16
            dq 0, 0
variable:   dq 0, 0
            TABLES
