;@ finding vector-without-handler
;@ status 1
;@ says vector 60h, raised by int 0x60 at 0000:7c14h, has no handler
;@ says its entry of the interrupt vector table, at 0180h, is 0000:0000h
;@ slow
%include "guest.inc"
        GUEST "int_without_handler"
        xor ax, ax                      ; 00 00, ADD [BX+SI], AL, changes nothing
        int 60h
        jmp $
