;@ finding runs-off
;@ status 1
;@ says fetch at c0001234h
;@ says the return address of 'call qword ptr [rbx]'
%include "guest.inc"
        GUEST "call_to_hole"
        ENTER_PROTECTED32
        CLEAR_PAGE_TABLES
        mov dword [PAGE_TABLES], PAGE_TABLES + 1000h + 3
        mov dword [PAGE_TABLES + 1000h], 83h
        mov dword [PAGE_TABLES + 1000h+8*3], 0c0000083h
        mov eax, PAGE_TABLES
        mov cr3, eax
        mov dword [PAGE_TABLES + 1000h], PAGE_TABLES + 2000h + 3
        mov dword [PAGE_TABLES + 2000h], 83h
        mov dword [PAGE_TABLES + 1000h+8*3], PAGE_TABLES + 3000h+3
        mov dword [PAGE_TABLES + 3000h], 0c0000083h
        ENTER_LONG
        PRINT "going", 10
        mov ebx, table
        call [rbx]
        hlt
        align 8, db 0
table:  dq 0c0001234h
TABLES
