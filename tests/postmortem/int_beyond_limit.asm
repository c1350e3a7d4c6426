;@ finding triple-fault
;@ status 1
;@ says INT 80h could not be delivered: its entry is beyond the IDT's limit
;@ also vector 80h has no handler
%include "guest.inc"
        GUEST "int_beyond_limit"
        ENTER_PROTECTED32
        lidt [own]
        int 80h
        hlt
own:    dw 32*8-1
        dd idt
TABLES
