;@ finding runs-off
;@ status 1
;@ says is 400000h, from where on all is zero: it came there by a RET
;@ slow
%include "guest.inc"
        GUEST "ret_to_zeros"
        ENTER_PROTECTED32
        PRINT "loader", 10
        xor eax, eax
        push dword 400000h
        ret
TABLES
