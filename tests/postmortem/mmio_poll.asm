;@ finding wait-loop
;@ status 1
;@ says address e0000000h
;@ says no device is there
;@ never none of them reads a register
;@ record --max-exits 500
%include "guest.inc"
        GUEST "mmio_poll"
        ENTER_PROTECTED32
        mov ebx, 0e0000000h
.l:     mov eax, [ebx]
        test eax, 1
        jnz .l
TABLES
