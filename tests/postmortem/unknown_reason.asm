;@ finding not-emulated
;@ status 1
;@ says exit reason 136
;@ says ICEBP
;@ edit UPDATE exit SET exit_reason=136 WHERE id=0
%include "guest.inc"
        GUEST "clihlt"
        cli
        hlt
