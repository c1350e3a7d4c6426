;@ finding wait-loop
;@ status 1
;@ says the I/O APIC's redirection entry 2, low half
;@ record --max-exits 500
%include "guest.inc"
        GUEST "redirection_poll"
        ENTER_PROTECTED32
        mov edi, 0fec00000h
        mov dword [edi], 14h
.l:     mov eax, [edi + 10h]
        test eax, 4000h
        jz .l
TABLES
