;@ finding guest-wish
;@ status 0
;@ nearly triple-fault
;@ nearly not-the-guest
%include "guest.inc"
        GUEST "fault_handled"
        ENTER_PROTECTED32
        GATE32 8, double
        ud2                             ; the gate of #UD is empty, that of #DF is not
double: PASS
TABLES
