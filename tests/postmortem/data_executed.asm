;@ finding runs-off
;@ status 1
;@ edit DELETE FROM fault
;@ says the guest executes data: at 7cdeh is text, "this is text and no code"
;@ says is 7cd2h: it came by a RET
;@ also paging of c00000eeh: PML4 entry at 10000h is 11023h, PDPT entry at 11018h is 0h
%include "guest.inc"
        GUEST "data_executed"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        mov rax, text
        push rax
        ret
text:   db "this is text and no code", 0
TABLES
