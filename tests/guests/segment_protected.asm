; Segment limits and types in 32-bit protected mode: data through every segment register, expand-down segments on both
; sides of their limit, null selectors, what may not be written or read, code that ends, strings and stacks.
;@ software no LAR
;@ reason 30 100
;@ console PASS segment_protected
;@ may differ memory 500-5ff, below-rsp: results and frames of faults
%include "guest.inc"
%include "segment.inc"
%define result  500h                    ; vector, EIP, ECX, ESI, EDI, ESP, error code; 32 bits each
%define errors  520h
%define resume  524h
%define place   528h
%define expected 52ch                   ; vector and ECX
%define SMALL     8                     ; base SCRATCH, limit fh
%define DOWN32    16                    ; base 0, expand-down, limit fffffh: valid above, to 4 GiB
%define DOWN16    24                    ; base SCRATCH, expand-down, limit ffh: valid from 100h to ffffh
%define READ_ONLY 32
%define EXEC_ONLY 40
%define CODE_END  48                    ; code: base 0, limit: the end of the code that runs in it
%define FLAT_CODE 56
%define FLAT      64
%define SMALL_SS  72                    ; base 0, limit 7bffh: the stack of this guest
        GUEST "segment_protected"
        BOOT_REST
        mov byte [errors], 0
        o32 lgdt [gdt_here]
        o32 lidt [idt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp FLAT_CODE:in
bits 32
in:     mov ax, FLAT
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        mov ss, ax
        mov esp, 7c00h
%macro GATE_HERE 2
        mov eax, %2
        mov [idt + (%1) * 8], ax
        mov word [idt + (%1) * 8 + 2], FLAT_CODE
        mov word [idt + (%1) * 8 + 4], 8e00h
        shr eax, 16
        mov [idt + (%1) * 8 + 6], ax
%endmacro
        GATE_HERE 12, fault_12
        GATE_HERE 13, fault_13

%macro LOAD_AND_READ 0
        mov fs, ax
        mov al, [fs:ebx]
%endmacro
%macro CARRIAGE_RETURNS 0
        mov dx, 80h
        mov esi, 0eh
%endmacro
%macro PORT_84 0
        mov dx, 84h
        mov edi, 0eh
%endmacro
%macro PUSH_BEYOND 0
        push dword CODE_END
        push dword code_end.beyond
%endmacro

; TRY name, vector, ecx left, segment register, selector, set-up, instruction
%macro TRY 7
        mov dword [expected], %2
        mov dword [expected + 4], %3
        mov dword [resume], %%next
        mov dword [place], %%at
        mov eax, %5
        mov %4, ax
        xor eax, eax
        xor edx, edx
        xor esi, esi
        xor edi, edi
        xor ebp, ebp
        mov ebx, 10h
        mov ecx, 5
        mov esp, 7bf0h
        %6
%%at:   %7
        call no_fault
%%next: PRINT %1, " "
        call report
%endmacro

        TRY "read at the limit", 0, 5, ds, SMALL, nop, {mov al, [ds:0fh]}
        TRY "read ds", 13, 5, ds, SMALL, nop, {mov al, [ebx]}
        TRY "write ds", 13, 5, ds, SMALL, nop, {mov [ebx], al}
        TRY "read es", 13, 5, es, SMALL, nop, {mov al, [es:ebx]}
        TRY "write fs", 13, 5, fs, SMALL, nop, {mov [fs:ebx], al}
        TRY "fs in the block of its load", 13, 5, fs, FLAT, {mov eax, SMALL}, {LOAD_AND_READ}
        TRY "across the limit", 13, 5, gs, SMALL, nop, {mov eax, [gs:0dh]}
        TRY "16-bit address", 13, 5, gs, SMALL, nop, {mov al, [gs:bx]}
        TRY "read ss", 12, 5, ss, SMALL_SS, nop, {mov eax, [ss:7c00h]}
        TRY "read by ebp", 12, 5, ss, SMALL_SS, {mov ebp, 7bfdh}, {mov eax, [ebp]}
        TRY "pop", 12, 5, ss, SMALL_SS, {mov esp, 7bfeh}, {pop eax}
        TRY "pop m, within", 0, 5, ss, SMALL_SS, nop, {pop dword [esp + 8]}
        TRY "pop m", 12, 5, ss, SMALL_SS, nop, {pop dword [esp + 0ch]}
        TRY "lar", 13, 5, ds, SMALL, nop, {lar eax, [ebx]}
        TRY "sgdt", 13, 5, ds, SMALL, nop, {sgdt [ebx - 5]}
        TRY "bit far away", 13, 5, ds, SMALL, {mov eax, 80h}, {bt [0], eax}
        TRY "bit far below", 13, 5, ds, SMALL, {mov eax, -1}, {bt [0], eax}
        TRY "popa", 12, 5, ss, SMALL_SS, {mov esp, 7be4h}, popa
        TRY "ret", 12, 5, ss, SMALL_SS, {mov esp, 7bfeh}, ret
        TRY "iret", 12, 5, ss, SMALL_SS, {mov esp, 7bf8h}, iret
        TRY "leave", 12, 5, ss, SMALL_SS, {mov ebp, 7bfeh}, leave
        TRY "expand-down, within", 0, 5, ds, DOWN32, {mov ebx, 100000h}, {mov al, [ebx]}
        TRY "expand-down, below", 13, 5, ds, DOWN32, {mov ebx, 0fffffh}, {mov al, [ebx]}
        TRY "expand-down, across", 13, 5, ds, DOWN32, {mov ebx, 0ffffeh}, {mov ax, [ebx]}
        TRY "expand-down 16, within", 0, 5, es, DOWN16, {mov bx, 100h}, {mov al, [es:bx]}
        TRY "expand-down 16, below", 13, 5, es, DOWN16, {mov bx, 0ffh}, {mov al, [es:bx]}
        TRY "expand-down 16, top", 13, 5, es, DOWN16, {mov ebx, 0ffffh}, {mov ax, [es:ebx]}
        TRY "expand-down 16, above", 13, 5, es, DOWN16, {mov ebx, 10000h}, {mov al, [es:ebx]}
        TRY "null ds", 13, 5, ds, 0, nop, {mov al, [ebx]}
        TRY "null gs", 13, 5, gs, 3, nop, {mov [gs:ebx], al}
        TRY "null es, cx 0", 0, 0, es, 0, {xor ecx, ecx}, {rep stosb}
        TRY "read-only, read", 0, 5, ds, READ_ONLY, nop, {mov al, [ebx]}
        TRY "read-only, written", 13, 5, ds, READ_ONLY, nop, {mov [ebx], al}
        TRY "read-only, compared", 0, 5, ds, READ_ONLY, nop, {cmp [ebx], al}
        TRY "read-only, added to", 13, 5, ds, READ_ONLY, nop, {add [ebx], al}
        TRY "read-only, exchanged", 13, 5, ds, READ_ONLY, nop, {xchg [ebx], al}
        TRY "code, read", 0, 5, ds, FLAT_CODE, nop, {mov al, [ebx]}
        TRY "code, written", 13, 5, ds, FLAT_CODE, nop, {mov [ebx], al}
        TRY "cs, written", 13, 5, ds, FLAT, nop, {mov [cs:ebx], al}
        ; strings end in the middle
        TRY "rep movsb", 13, 2, es, SMALL, {mov edi, 0dh}, {rep movsb}
        TRY "rep stosd", 13, 4, es, SMALL, {mov edi, 9}, {rep stosd}
        TRY "rep lodsw", 13, 1, ds, SMALL, {mov esi, 8}, {rep lodsw}
        TRY "rep outsb", 13, 3, ds, SMALL, {CARRIAGE_RETURNS}, {rep outsb}
        TRY "rep insb", 13, 3, es, SMALL, {PORT_84}, {rep insb}
        ; code
        TRY "execute-only, read", 13, 5, ds, FLAT, nop, {jmp EXEC_ONLY:execute_only}
execute_only:
        mov al, [cs:ebx]
        TRY "jump beyond", 13, 5, ds, FLAT, nop, {jmp CODE_END:code_end.jump}
        TRY "call beyond", 13, 5, ds, FLAT, nop, {jmp CODE_END:code_end.call}
        TRY "jump by register", 13, 5, ds, FLAT, nop, {jmp CODE_END:code_end.register}
        TRY "falls off the end", 13, 5, ds, FLAT, nop, {jmp CODE_END:code_end.fall}
        TRY "far return beyond", 13, 5, ds, FLAT, {PUSH_BEYOND}, {retf}
        TRY "far jump beyond", 13, 5, ds, FLAT, nop, {jmp CODE_END:code_end.beyond}
        jmp finish

finish: END_GUEST errors

fault_12:
        mov dword [ss:result], 12
        jmp fault
fault_13:
        mov dword [ss:result], 13
fault:  mov [ss:result + 8], ecx
        mov [ss:result + 12], esi
        mov [ss:result + 16], edi
        pop dword [ss:result + 24]
        pop dword [ss:result + 4]
        mov ecx, [ss:place]
        sub [ss:result + 4], ecx
        add esp, 8
        jmp back
no_fault:
        mov dword [ss:result], 0
        mov [ss:result + 8], ecx
        mov [ss:result + 12], esi
        mov [ss:result + 16], edi
        mov dword [ss:result + 4], 0
        mov dword [ss:result + 24], 0
back:   mov [ss:result + 20], esp
        mov ecx, FLAT
        mov ss, ecx
        mov ds, ecx
        mov es, ecx
        mov esp, 7bf0h
        jmp [resume]

; print the result and compare it
report: cld
        mov ebx, [result]
        call print_hex
        cmp ebx, [expected]
        jne .wrong
        mov ecx, [expected + 4]
        cmp ecx, [result + 8]
        jne .wrong
        cmp dword [result + 24], 0
        je .print
.wrong: inc byte [errors]
        mov al, '!'
        out PORT_PRINT, al
.print: mov esi, result + 4
.next:  lodsd
        mov ebx, eax
        call print_hex
        cmp esi, result + 28
        jb .next
        mov al, 10
        out PORT_PRINT, al
        ret
PRINT_HEX_ROUTINE

; the end of CODE_END
code_end:
.jump:  jmp near .beyond
.call:  call .beyond
.register:
        mov eax, .beyond
        jmp eax
.fall:  nop
        nop
.beyond:
        nop

align 16, db 0
gdt_here_table:
        dq 0
        dq 004093000000000fh | ((SCRATCH & 0ffffffh) << 16)
        dq 00c09700000000ffh
        dq 00009700000000ffh | ((SCRATCH & 0ffffffh) << 16)
        dq 00cf91000000ffffh
        dq 00cf99000000ffffh
        dw code_end.beyond - 1, 0       ; CODE_END
        db 0, 9bh, 40h, 0
        dq 00cf9b000000ffffh
        dq 00cf93000000ffffh
        dq 0040930000007bffh
gdt_here_end:
gdt_here:
        dw gdt_here_end - gdt_here_table - 1
        dd gdt_here_table
idt_pointer:
        dw 16 * 8 - 1
        dd idt
align 16, db 0
idt:    times 16 * 8 db 0
