;@ finding vector-without-handler
;@ status 1
;@ says an INT n or an exception has no handler, it seems
;@ slow
%include "guest.inc"
        GUEST "int_without_handler"
        int 60h
        jmp $
