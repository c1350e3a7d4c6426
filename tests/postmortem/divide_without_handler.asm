;@ finding vector-without-handler
;@ status 1
;@ says vector 00h, raised by div bx at 0000:7c16h, has no handler
;@ slow
%include "guest.inc"
        GUEST "divide_without_handler"
        xor ax, ax
        xor bx, bx
        div bx
        hlt
