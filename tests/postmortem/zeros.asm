;@ says memory holds only zeros
;@ finding runs-off
;@ status 1
;@ says RAM outside every image
;@ says which nothing in the recording wrote
;@ slow
%include "guest.inc"
        GUEST "zeros"
        ENTER_PROTECTED32
        mov eax, 00300000h
        jmp eax
TABLES
