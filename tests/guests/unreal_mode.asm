; Unreal mode: real mode with a data segment of 4 GiB, as firmware uses it: RAM above 1 MiB and device space.
;@ reason 48 2
%include "guest.inc"
        GUEST "unreal_mode"
        in al, 92h                      ; address line 20 on
        or al, 2
        and al, 0feh
        out 92h, al
        o32 lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp .in
.in:    mov bx, DATA32
        mov ds, bx
        mov es, bx
        and al, 0feh
        mov cr0, eax
        jmp 0:.out
.out:
        ; the limit stays until the segment is loaded again, and a real-mode load changes the base only
        mov edi, 200000h
        mov dword [edi], 13572468h
        EXPECT dword [es:edi], 13572468h, "memory at 2 MiB"
        mov ax, 1000h
        mov es, ax
        EXPECT dword [es:edi - 10000h], 13572468h, "memory at 2 MiB through another base"
        EXPECT dword [edi], 13572468h, "DS lost its limit"
        ; nothing is there: reads give ones, writes vanish
        mov esi, 0e0000000h
        mov eax, [esi]
        EXPECT eax, 0ffffffffh, "unmapped memory"
        mov dword [esi], 0
        EXPECT dword [esi], 0ffffffffh, "unmapped memory after a write"
        ; the code is real mode still: a software interrupt goes through the table at 0
        xor ax, ax
        mov ds, ax
        mov es, ax
        SET_VECTOR 60h, software
        mov word [500h], 0
        int 60h
        EXPECT word [500h], 1, "INT 60h"
        PASS
software:
        inc word [500h]
        iret
TABLES
