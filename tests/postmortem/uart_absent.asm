;@ finding wait-loop
;@ status 1
;@ says port 2fdh, COM2's line status
;@ says the machine has no COM2
;@ record --max-exits 500
%include "guest.inc"
        GUEST "uart_absent"
        mov dx, 2fdh
.l:     in al, dx
        test al, 80h                    ; an error in the FIFO: never, on a port that exists
        jnz .l
        PASS
