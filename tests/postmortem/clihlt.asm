;@ finding dead-halt
;@ status 1
;@ says 7c13h
;@ says RFLAGS.IF is 0
;@ says NMI
%include "guest.inc"
        GUEST "clihlt"
        cli
        hlt
