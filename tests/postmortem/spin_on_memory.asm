;@ finding wait-loop
;@ status 1
;@ says (mov eax, dword ptr [0x500]) with interrupts off: no handler can change what it reads
;@ slow
%include "guest.inc"
        GUEST "spin_on_memory"
        ENTER_PROTECTED32
        IDENTITY_LONG
        ENTER_LONG
.l:     mov eax, [500h]
        test eax, eax
        pause
        jz .l
        PASS
TABLES
