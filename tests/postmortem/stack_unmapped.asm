;@ finding triple-fault
;@ status 1
;@ says address 1fffffff8h) could not be delivered: page fault at the stack
;@ says a stack that overflowed, or is not mapped
%include "guest.inc"
        GUEST "stack_unmapped"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
        GATE64 8, h
        GATE64 14, h
        mov rsp, 200000000h
        push rax
        hlt
h:      hlt
TABLES
