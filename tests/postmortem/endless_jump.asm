;@ finding wait-loop
;@ status 1
;@ says the guest spins at 0008:7c5bh (jmp 0x7c5b) with interrupts off: nothing ends this loop
;@ slow
%include "guest.inc"
        GUEST "endless_jump"
        ENTER_PROTECTED32
        PRINT "disk error", 10
        jmp $
TABLES
