;@ finding triple-fault
;@ status 1
;@ says RIP f000000000000000h, which is not canonical
;@ says rax holds exactly this address
;@ never add byte ptr
%include "guest.inc"
        GUEST "not_canonical"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        mov rax, 0f000000000000000h
        jmp rax
TABLES
