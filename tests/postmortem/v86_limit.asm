;@ finding entry-failure
;@ status 1
;@ says GS limit is not ffff in virtual-8086 mode
;@ says gs_limit is ffffffffh
;@ edit UPDATE exit SET exit_reason=2147483681, rflags=131074 WHERE id=0
;@ edit UPDATE system_registers SET gs_limit=4294967295 WHERE at=0
%include "guest.inc"
        GUEST "clihlt"
        cli
        hlt
