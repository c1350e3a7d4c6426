;@ finding vector-without-handler
;@ status 1
;@ says an INT n or an exception has no handler, it seems
;@ slow
; without a BIOS the bytes there are ff: #UD, whose entry of the vector table is null
%include "guest.inc"
        GUEST "romjump"
        jmp 0f000h:0fff0h
