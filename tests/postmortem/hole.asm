;@ finding runs-off
;@ status 1
;@ says b0000h
;@ says legacy VGA range
;@ says rax holds exactly this address
%include "guest.inc"
        GUEST "hole"
        ENTER_PROTECTED32
        mov eax, 0b0000h
        jmp eax
TABLES
