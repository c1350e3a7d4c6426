; 32-bit paging with 4 KiB pages that are not where their addresses say: code, data and port strings through them, and
; a mapping that changes under a CR3 load and under INVLPG.
;@ reason 14 1
;@ reason 28 2
;@ reason 30 8
;@ console [elsewhere]
;@ software no paging outside IA-32e mode
%include "guest.inc"
        GUEST "remapped32"
        ENTER_PROTECTED32
        CLEAR_PAGE_TABLES
        mov dword [PAGE_TABLES], PAGE_TABLES + 1000h + 3        ; 0 to 4 MiB: itself
        mov dword [PAGE_TABLES + 0c00h], PAGE_TABLES + 2000h + 3 ; 3 GiB to 3 GiB + 4 MiB: shifted by 128 KiB
        xor ecx, ecx
        mov eax, 3
.fill:  mov [PAGE_TABLES + 1000h + ecx * 4], eax
        lea ebx, [eax + SCRATCH]
        mov [PAGE_TABLES + 2000h + ecx * 4], ebx
        add eax, 1000h
        inc ecx
        cmp ecx, 400h
        jb .fill
        mov eax, PAGE_TABLES
        mov cr3, eax
        mov eax, cr0
        or eax, 80000000h
        mov cr0, eax
        jmp .paged
.paged: mov dword [SCRATCH], "[els"
        mov dword [SCRATCH + 4], "ewhe"
        mov dword [SCRATCH + 8], "re]"
        EXPECT dword [0c0000004h], "ewhe", "3 GiB is not the scratch memory"
        mov dword [0c0001ffch], 13579bdfh
        EXPECT dword [SCRATCH + 1ffch], 13579bdfh, "a write through 3 GiB"
        mov esi, 0c0000000h
        mov ecx, 11
        mov edx, PORT_PRINT
        rep outsb
        mov al, 10
        out PORT_PRINT, al
        ; a string from a port across a page boundary
        mov edi, 0c0002ffeh
        mov edx, 2f0h
        insd
        EXPECT dword [SCRATCH + 2ffeh], -1, "INSD across pages"
        ; code that runs there, and exits there
        mov esi, far_code
        mov edi, SCRATCH + 3000h
        mov ecx, far_code_end - far_code
        cld
        rep movsb
        mov eax, 0c0003000h
        call eax
        EXPECT ebx, 0c0003000h + (far_code.after - far_code), "address of the code at 3 GiB"
        ; another page at the same address, after INVLPG
        mov dword [SCRATCH + 4000h], 44444444h
        mov dword [SCRATCH + 5000h], 55555555h
        EXPECT dword [0c0004000h], 44444444h, "page before the change"
        mov dword [PAGE_TABLES + 2000h + 16], SCRATCH + 5000h + 3
        invlpg [0c0004000h]
        EXPECT dword [0c0004000h], 55555555h, "page after INVLPG"
        ; and after a load of CR3
        mov dword [PAGE_TABLES + 2000h + 16], SCRATCH + 4000h + 3
        mov eax, cr3
        mov cr3, eax
        EXPECT dword [0c0004000h], 44444444h, "page after MOV to CR3"
        PASS

far_code:
        xor eax, eax
        cpuid
        call .after
.after: pop ebx
        ret
far_code_end:
TABLES
