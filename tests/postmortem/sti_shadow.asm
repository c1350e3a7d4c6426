;@ finding entry-failure
;@ status 1
;@ says interruptibility state blocks by STI but RFLAGS.IF is clear
;@ says interruptibility is 1h
;@ edit UPDATE exit SET interruptibility=1, exit_reason=2147483681 WHERE id=0
%include "guest.inc"
        GUEST "clihlt"
        cli
        hlt
