;@ finding wait-loop
;@ status 1
;@ says the local APIC's register 300h (ICR) for bit 12 (delivery status) to become 1
;@ never reads 0h
;@ record --max-exits 500
%include "guest.inc"
        GUEST "icr_in_memory"
        ENTER_PROTECTED32
.l:     test dword [0fee00300h], 1000h
        jz .l
TABLES
