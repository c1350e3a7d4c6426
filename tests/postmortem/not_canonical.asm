;@ finding runs-off
;@ status 1
;@ says the fetch at f000000000000000h faults (it is not canonical), and ends in a triple fault
;@ also RIP f000000000000000h, which is not canonical
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
