;@ finding triple-fault
;@ nearly runs-off
;@ status 1
;@ says jmp rax: its target, f000000000000000h, is not canonical
;@ says triple fault at
%include "guest.inc"
        GUEST "not_canonical"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        mov rax, 0f000000000000000h
        jmp rax
TABLES
