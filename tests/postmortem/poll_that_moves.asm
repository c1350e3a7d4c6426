;@ finding guest-wish
;@ status 0
;@ nearly wait-loop
; a loop that ends by the value that it polls
%include "guest.inc"
        GUEST "poll_that_moves"
        in al, 61h
        or al, 1
        out 61h, al
        mov al, 0b0h
        out 43h, al
        mov al, 10h
        out 42h, al
        out 42h, al
.l:     in al, 61h
        test al, 20h
        jz .l
        PASS
