;@ finding wait-loop
;@ status 1
;@ says the local APIC's register 390h
;@ says initial count (offset 380h) is 0
;@ record --max-exits 500
%include "guest.inc"
        GUEST "apic_timer"
        ENTER_PROTECTED32
        mov ebx, 0fee00390h
.l:     mov eax, [ebx]
        test eax, eax
        jz .l
TABLES
