;@ finding triple-fault
;@ status 1
;@ says error code 9h: a reserved bit is set in a paging entry, read in supervisor mode
;@ says PD entry at 12028h is 8000000000a00083h
%include "guest.inc"
        GUEST "reserved_bit"
        ENTER_PROTECTED32
        IDENTITY_LONG
        mov dword [PAGE_TABLES + 2000h + 8*5 + 4], 80000000h ; NX without NXE at 0a00000h
        ENTER_LONG
        mov rax, [0a00000h]
        hlt
TABLES
