;@ finding runs-off
;@ status 1
;@ says 8000000h
;@ says above the guest's RAM
;@ says rbx holds exactly
%include "guest.inc"
        GUEST "above_ram"
        ENTER_PROTECTED32
        mov ebx, 8000000h
        call ebx
TABLES
