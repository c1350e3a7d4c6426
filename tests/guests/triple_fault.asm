; An exception that finds no gate, for the fault it causes neither: the processor shuts down.
;@ reason 2 1
;@ end triple fault
;@ differs kvm-box registers: as in the next line
;@ may differ kvm registers: after a shutdown SVM leaves nothing behind, and the state is that of the last entry
%include "guest.inc"
        GUEST "triple_fault"
        PRINT "PASS ", GUEST_NAME, 10
        ENTER_PROTECTED32
        lidt [empty]
        ud2
        FAIL "the processor went on"
empty:  dw 0
        dd 0
TABLES
