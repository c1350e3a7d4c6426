;@ finding guest-wish
;@ status 1
;@ says the guest tried to power off (OUT b004h, 2000h): no device claims this port
;@ says power off: OUT 4004h, 3400h
%include "guest.inc"
        GUEST "power_off_in_vain"
        mov dx, 4004h
        mov ax, 3400h
        out dx, ax
        mov dx, 0b004h
        mov ax, 2000h
        out dx, ax
        cli
.l:     hlt
        jmp .l
