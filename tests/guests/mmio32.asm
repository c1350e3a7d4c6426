; EPT violations in 32-bit protected mode: every form that firmware uses on device memory, where no device is.
;@ reason 48 45
%include "guest.inc"
        GUEST "mmio32"
        ENTER_PROTECTED32
        mov ebx, 0fea00000h
%include "mmio.inc"
        PASS
TABLES
