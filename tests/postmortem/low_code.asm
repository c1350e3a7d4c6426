;@ finding wait-loop
;@ status 2
;@ nearly vector-without-handler
;@ nearly runs-off
;@ record --max-exits 300
; the guest runs below its image, and on a smaller stack, because it wants to
%include "guest.inc"
        GUEST "low_code"
        mov si, code
        mov di, 600h
        mov cx, code_end - code
        rep movsb
        sub sp, 6
        jmp 0:600h
code:   in al, 64h
        test al, 1
        jz code
code_end:
