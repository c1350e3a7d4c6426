;@ finding wait-loop
;@ status 2
;@ says rcx counts in each round
;@ record --max-exits 500
%include "guest.inc"
        GUEST "counted_wait"
        mov cx, 0ffffh
.l:     in al, 61h
        test al, 20h
        jnz .done
        dec cx
        jnz .l
.done:  PASS
