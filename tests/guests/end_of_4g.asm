; 32-bit code whose exiting instruction ends at 4 GiB: EIP goes to 0, not to 100000000h
;@ software no paging outside IA-32e mode
%include "guest.inc"
        GUEST "end_of_4g"
        ENTER_PROTECTED32
        ; page tables: map the last page of 4 GiB to 20000h, page 0 to itself
        CLEAR_PAGE_TABLES
        mov dword [PAGE_TABLES], PAGE_TABLES + 1000h + 3
        mov dword [PAGE_TABLES + 0ffch], PAGE_TABLES + 2000h + 3
        mov edi, PAGE_TABLES + 1000h
        mov eax, 3
.p:     stosd
        add eax, 1000h
        cmp eax, 400003h
        jb .p
        mov dword [PAGE_TABLES + 2000h + 0ffch], 20003h
        mov word [20ffeh], 80e6h         ; out 80h, al
        mov eax, [0]
        mov [520h], eax
        mov byte [0], 0e9h               ; jmp done
        mov dword [1], done - 5
        mov eax, PAGE_TABLES
        mov cr3, eax
        mov eax, cr0
        or eax, 80000000h
        mov cr0, eax
        mov eax, 0fffffffeh
        jmp eax
done:   PASS
TABLES
