;@ finding triple-fault
;@ status 1
;@ says the return address of 'call eax' before 7c43h: it came by this call, through a null pointer
;@ slow
%include "guest.inc"
        GUEST "null_call"
        ENTER_PROTECTED32
        xor eax, eax
        call eax
        hlt
TABLES
