;@ finding triple-fault
;@ status 1
;@ says could not be delivered: its entry of the IDT is empty
;@ says the error code names selector f0h: it is beyond the GDT, whose limit is 47h
;@ says entries of vectors 13 and 8 (#DF)
%include "guest.inc"
        GUEST "selector_beyond"
        ENTER_PROTECTED32
        mov ax, 0f0h
        mov ds, ax
        hlt
TABLES
