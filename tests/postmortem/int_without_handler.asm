;@ finding vector-without-handler
;@ status 1
;@ says an INT n or an exception has no handler, it seems
;@ slow
%include "guest.inc"
        GUEST "int_without_handler"
        xor ax, ax                      ; 00 00, ADD [BX+SI], AL, changes nothing
        int 60h
        jmp $
