; Breakpoints of the debug registers, on code and on data, and single steps: when they come, what DR6 says, where they return to.
;@ software no IRETD in protected mode
;@ muen the state page has no debug registers
;@ reason 29 10
;@ reason 0 20
%include "guest.inc"
        GUEST "breakpoints"
        ENTER_PROTECTED32
        GATE32 1, debug
; ENABLE dr7, and no exception so far
%macro ENABLE 1
        mov dword [count], 0
        mov eax, %1
        mov dr7, eax
%endmacro
; MET n, dr6, eip: n exceptions since ENABLE, of which the last one had that in DR6 and returned to eip
%macro MET 3
        xor eax, eax
        mov dr7, eax
        EXPECT dword [count], %1, "exceptions"
        %if %1
        EXPECT dword [conditions], 0ffff0ff0h | %2, "DR6"
        EXPECT dword [place], %3, "where it returns to"
        %endif
        mov eax, 0ffff0ff0h
        mov dr6, eax
%endmacro
        ; code
        mov eax, .here
        mov dr0, eax
        ENABLE 1
        nop
        mov ecx, 3
.here:  inc edx
        loop .here
        MET 3, 1, .here
        mov eax, .there                 ; in the middle of a block that has run
        mov dr3, eax
        ENABLE 0
        call .block
        MET 0, 0, 0
        ENABLE 80h                      ; G3
        call .block
        MET 1, 8, .there
        ENABLE 0
        call .block
        MET 0, 0, 0
        ; data: writes of four bytes
        mov eax, variable
        mov dr1, eax
        ENABLE 0d00004h
        mov [variable], edx
.w1:    mov eax, [variable]
        mov [variable + 4], edx
        mov [variable - 4], edx
        MET 1, 2, .w1
        ENABLE 0d00004h
        mov [variable + 3], dl
.w2:    MET 1, 2, .w2
        ENABLE 0d00004h
        mov [variable - 2], edx
.w3:    MET 1, 2, .w3
        ENABLE 0d00004h
        add dword [variable], 1
.w4:    MET 1, 2, .w4
        ; writes of one byte, reads too
        ENABLE 300004h
        mov al, [variable]
.r1:    mov al, [variable + 1]
        MET 1, 2, .r1
        ENABLE 300004h
        mov eax, [variable - 3]
.r2:    MET 1, 2, .r2
        ; both, on a string and on the stack
        mov edi, variable - 3
        mov ecx, 8
        ENABLE 100004h
        mov al, 5
.rs:    rep stosb
        mov edx, ecx
        MET 1, 2, .rs
        EXPECT edx, 0, "the string is complete"
        EXPECT byte [variable + 4], 5, "its last byte"
        lea eax, [esp - 4]
        mov dr2, eax
        ENABLE 0d000010h
        push edx
.s1:    pop edx
        MET 1, 4, .s1
        ; single steps
        ENABLE 0
        pushfd
        or dword [esp], 100h
        popfd
        nop
.t1:    nop
.t2:    pushfd
        and dword [esp], ~100h
        popfd
.t3:    MET 5, 4000h, .t3
        ; a step that meets both kinds
        ENABLE 0d00004h
        mov dword [steps], 2
        pushfd
        or dword [esp], 100h
        popfd
        mov [variable], eax
        nop
.b1:    MET 2, 4000h, .b1
        EXPECT dword [first], 0ffff0ff0h | 4002h, "DR6 of a step that writes"
        ENABLE 0d00004h
        mov eax, 0ffff4ff0h             ; BS stays set
        mov dr6, eax
        mov [variable], eax
.k1:    MET 1, 4002h, .k1
        ; not enabled
        ENABLE 0d00000h
        mov [variable], eax
        MET 0, 0, 0
        PASS
.block: nop
        inc edx
.there: inc edx
        ret

debug:  push eax
        inc dword [count]
        mov eax, [esp + 4]
        mov [place], eax
        mov eax, dr6
        mov [conditions], eax
        cmp dword [count], 1
        jne .later
        mov [first], eax
.later: test al, 9
        jz .trap
        or dword [esp + 12], 10000h     ; RF
.trap:  cmp dword [steps], 0
        je .clear
        dec dword [steps]
        jnz .clear
        and dword [esp + 12], ~100h
.clear: mov eax, 0ffff0ff0h
        mov dr6, eax
        pop eax
        iretd
count:      dd 0
conditions: dd 0
place:      dd 0
first:      dd 0
steps:      dd 0
            times 32 db 0
            align 16
            dd 0
variable:   dd 0, 0
            TABLES
