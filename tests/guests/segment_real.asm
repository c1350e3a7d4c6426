; Segment limits in real mode: accesses at and beyond offset ffffh, strings that end in the middle, stacks, branches and
; fetches. #SS through SS, else #GP, at the instruction, with all registers as before it.
;@ software no BOUND
;@ reason 30 100
;@ console PASS segment_real
;@ may differ memory 500-5ff, below-rsp: results and frames of faults
%include "guest.inc"
%include "segment.inc"
%define result  500h                    ; vector, then IP, CX, SI, DI, SP as the fault found them
%define errors  510h
%define resume  512h
%define place   514h
%define expected 516h                   ; vector and CX
        GUEST "segment_real"
        BOOT_REST
        mov byte [errors], 0
        SET_VECTOR 12, fault_12
        SET_VECTOR 13, fault_13
        mov ax, cs
        mov fs, ax
        mov gs, ax

; TRY name, vector, cx left, set-up, more set-up, instruction
%macro TRY 6
        mov word [expected], %2
        mov word [expected + 2], %3
        mov word [resume], %%next
        mov word [place], %%at
        xor eax, eax
        xor edx, edx
        xor esi, esi
        xor edi, edi
        xor ebp, ebp
        mov esp, 7c00h
        mov ebx, 0ffffh
        mov ecx, 5
        %4
        %5
%%at:   %6
        call no_fault
%%next: PRINT %1, " "
        call report
%endmacro

; a conditional jump with a 32-bit displacement, 10000h bytes forward
%macro JUMP_IF32 1
        db 66h, 0fh, %1
        dd 10000h
%endmacro

        TRY "byte at ffff", 0, 5, nop, nop, {mov al, [bx]}
        TRY "read ds", 13, 5, nop, nop, {mov ax, [bx]}
        TRY "write es", 13, 5, nop, nop, {mov [es:bx], ax}
        TRY "read fs", 13, 5, nop, nop, {mov ax, [fs:bx]}
        TRY "add gs", 13, 5, nop, nop, {add [gs:bx], ax}
        TRY "read cs", 13, 5, nop, nop, {mov ax, [cs:bx]}
        TRY "read ss", 12, 5, {mov bp, 0ffffh}, nop, {mov ax, [bp]}
        TRY "bp, ds override", 13, 5, {mov bp, 0ffffh}, nop, {mov ax, [ds:bp]}
        TRY "four bytes at fffc", 0, 5, {mov bx, 0fffch}, nop, {mov eax, [bx]}
        TRY "four bytes at fffd", 13, 5, {mov bx, 0fffdh}, nop, {mov eax, [bx]}
        TRY "moffs", 13, 5, nop, nop, {mov ax, [0ffffh]}
        TRY "32-bit address", 13, 5, {inc ebx}, nop, {mov al, [ebx]}
        TRY "32-bit address, wraps", 13, 5, {mov ebx, -1}, nop, {mov al, [ebx]}
        TRY "32-bit address by ebp", 12, 5, {mov ebp, 10000h}, nop, {mov al, [ebp + 4]}
        TRY "32-bit lea", 0, 5, {inc ebx}, nop, {lea ax, [ebx]}
        TRY "locked", 13, 5, nop, nop, {lock inc word [bx]}
        TRY "test", 13, 5, nop, nop, {test [bx], ax}
        TRY "movzx", 13, 5, {inc ebx}, nop, {movzx eax, byte [ebx]}
        TRY "bit", 13, 5, nop, nop, {bts [bx], ax}
        TRY "bit far away", 13, 5, {mov ebx, 0fff0h}, {mov eax, 80h}, {bt [ebx], eax}
        TRY "cmpxchg8b", 13, 5, {mov bx, 0fffch}, nop, {cmpxchg8b [bx]}
        TRY "bound", 13, 5, nop, nop, {bound ax, [bx]}
        TRY "lgdt", 13, 5, {mov bx, 0fffch}, nop, {lgdt [bx]}
        TRY "sidt", 13, 5, {mov bx, 0fffch}, nop, {sidt [bx]}
        TRY "les", 13, 5, {mov bx, 0fffdh}, nop, {les ax, [bx]}
        TRY "mov sreg", 13, 5, nop, nop, {mov es, [bx]}
        TRY "far jump", 13, 5, {mov bx, 0fffdh}, nop, {jmp far [bx]}
        TRY "fnstenv", 13, 5, nop, nop, {fnstenv [bx]}
        TRY "fld m80", 13, 5, {mov bx, 0fffdh}, nop, {fld tword [bx]}
        TRY "fxsave", 13, 5, {mov ebx, 0fff0h}, nop, {fxsave [ebx]}
        TRY "xlat", 13, 5, {inc ebx}, nop, {a32 xlatb}
        TRY "cmpxchg", 13, 5, nop, nop, {cmpxchg [bx], dx}
        TRY "xadd", 13, 5, nop, nop, {xadd [bx], dx}
        TRY "shld", 13, 5, nop, nop, {shld [bx], dx, 1}
        TRY "set", 13, 5, {inc ebx}, nop, {sete [ebx]}
        TRY "neg", 13, 5, nop, nop, {neg word [bx]}
        TRY "mul", 13, 5, nop, nop, {mul word [bx]}
        TRY "scaled index", 13, 5, {mov ecx, 5}, {mov ebx, 0fff0h}, {mov ax, [ebx + ecx * 4 - 4]}
        ; strings
        TRY "lodsw", 13, 5, {mov si, bx}, nop, lodsw
        TRY "cs lodsw", 13, 5, {mov si, bx}, nop, {cs lodsw}
        TRY "ss lodsw", 12, 5, {mov si, bx}, nop, {ss lodsw}
        TRY "stosw", 13, 5, {mov di, bx}, nop, stosw
        TRY "scasw", 13, 5, {mov di, bx}, nop, scasw
        TRY "cmpsw", 13, 5, {mov di, bx}, nop, cmpsw
        TRY "outsw", 13, 5, {mov si, bx}, {mov dx, PORT_PRINT}, outsw
        TRY "insw", 13, 5, {mov di, bx}, {mov dx, 80h}, insw
        TRY "rep with cx 0", 0, 0, {mov di, bx}, {xor cx, cx}, {rep stosw}
        TRY "rep lodsw", 13, 3, {mov si, 0fffbh}, nop, {rep lodsw}
        TRY "rep movsb", 13, 3, {mov esi, 0fffeh}, {mov edi, SCRATCH & 0ffffh}, {a32 rep movsb}
        TRY "repe cmpsb", 13, 4, {mov edi, 0ffffh}, {mov esi, edi}, {a32 repe cmpsb}
        TRY "rep movsw down", 13, 4, {mov si, 1}, std, {rep movsw}
        cld
        ; stacks: what is pushed for the handler still has room
        TRY "pop", 12, 5, {mov sp, bx}, nop, {pop ax}
        TRY "pop es", 12, 5, {mov sp, bx}, nop, {pop es}
        TRY "popf", 12, 5, {mov sp, bx}, nop, popf
        TRY "popa", 12, 5, {mov sp, 0fff5h}, nop, popa
        TRY "pusha", 12, 5, {mov sp, 7}, nop, pusha
        TRY "leave", 12, 5, {mov bp, bx}, nop, leave
        TRY "enter", 12, 5, {mov sp, 8}, nop, {enter 7, 0}
        TRY "enter, nested", 12, 5, {mov bp, 3}, nop, {enter 0, 3}
        TRY "push m", 13, 5, nop, nop, {push word [bx]}
        TRY "pop m", 13, 5, nop, nop, {pop word [bx]}
        TRY "ret", 12, 5, {mov sp, bx}, nop, ret
        TRY "retf", 12, 5, {mov sp, 0fffdh}, nop, retf
        TRY "iret", 12, 5, {mov sp, 0fffbh}, nop, iret
        ; branches beyond the limit
        TRY "jump", 13, 5, nop, nop, {jmp dword 10000h}
        TRY "call", 13, 5, nop, nop, {call dword 10000h}
        TRY "jump by register", 13, 5, {mov eax, 10000h}, nop, {jmp eax}
        TRY "jump by memory", 13, 5, {mov dword [520h], 10000h}, nop, {jmp dword [520h]}
        TRY "return", 13, 5, {push dword 10000h}, nop, {o32 ret}
        TRY "taken", 13, 5, {cmp ax, ax}, nop, {JUMP_IF32 84h}
        TRY "not taken", 0, 5, {cmp ax, ax}, nop, {JUMP_IF32 85h}
        TRY "far return", 13, 5, push dword 0, push dword 10000h, {o32 retf}
        ; fetches: the last bytes of segment 1000h
        mov ax, 1000h
        mov es, ax
        mov dword [es:0fffch], 9090b890h
        TRY "falls off the end", 13, 5, {mov word [place], 0}, nop, {jmp 1000h:0fffeh}
        mov byte [es:0ffffh], 0b8h
        TRY "instruction across the end", 13, 5, {mov word [place], 0}, nop, {jmp 1000h:0ffffh}
        ; what protected mode left: 4 GiB
        o32 lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        mov bx, DATA32
        mov ds, bx
        and al, 0feh
        mov cr0, eax
        xor ax, ax
        mov ds, ax
        TRY "unreal", 0, 5, {inc ebx}, nop, {mov al, [ebx]}
        TRY "unreal through es", 13, 5, {inc ebx}, nop, {mov al, [es:ebx]}
        END_GUEST errors

fault_12:
        mov byte [cs:result], 12
        jmp fault
fault_13:
        mov byte [cs:result], 13
fault:  mov [cs:result + 4], cx
        mov [cs:result + 6], si
        mov [cs:result + 8], di
        xor cx, cx
        mov ds, cx
        pop word [result + 2]
        mov cx, [place]
        sub [result + 2], cx
        add sp, 4
        mov [result + 10], sp
        mov ss, [zero]
        mov sp, 7c00h
        jmp [resume]

no_fault:
        mov byte [cs:result], 0
        mov [cs:result + 4], cx
        mov [cs:result + 6], si
        mov [cs:result + 8], di
        xor cx, cx
        mov ds, cx
        mov word [result + 2], cx
        mov [result + 10], sp
        mov ss, [zero]
        mov sp, 7c00h
        jmp [resume]

; print the result and compare it; ES is 0 again
report: cld
        mov es, [zero]
        movzx bx, byte [result]
        call print_hex
        cmp bl, [expected]
        jne .wrong
        mov bx, [expected + 2]
        cmp bx, [result + 4]
        jne .wrong
        jmp .print
.wrong: inc byte [errors]
        mov al, '!'
        out PORT_PRINT, al
.print: mov si, result + 2
.next:  lodsw
        mov bx, ax
        call print_hex
        cmp si, result + 12
        jb .next
        mov al, 10
        out PORT_PRINT, al
        ret
zero:   dw 0
bits 16
PRINT_HEX_ROUTINE
TABLES
image_end:
