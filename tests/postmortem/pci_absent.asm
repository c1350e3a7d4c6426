;@ finding wait-loop
;@ status 1
;@ says PCI configuration of 00:03.0, register 00h (reads ffffffffh) until it is not ffffffffh
;@ says no such function
;@ record --max-exits 300 --keep-memory final
%include "guest.inc"
        GUEST "pci_absent"
        ENTER_PROTECTED32
.l:     mov eax, 80001800h
        mov dx, 0cf8h
        out dx, eax
        mov dx, 0cfch
        in eax, dx
        cmp eax, -1
        je .l
        PASS
TABLES
