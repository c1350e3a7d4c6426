;@ finding guest-wish
;@ status 0
;@ nearly not-emulated
;@ nearly dead-halt
; an instruction other than MOV, at an address that no device has: it is emulated
%include "guest.inc"
        GUEST "device_shift"
        ENTER_PROTECTED32
        shl dword [0fe000000h], 1
        PASS
TABLES
