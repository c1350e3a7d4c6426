;@ says fs:[0x4a]
;@ finding triple-fault
;@ status 1
;@ says 7c45h
; a data segment whose descriptor limit is counted in the wrong unit; #GP without an IDT
%define small_sel 40h
;@ says #GP (vector 13, error code 0h)
;@ says offset 4ah is above the limit of FS (selector 40h), fh
%include "guest.inc"
        GUEST "limit"
        ENTER_PROTECTED32
        mov ax, small_sel
        mov fs, ax
        mov al, [fs:4ah]
        PRINT "read it"
        LEAVE_WITH 0
align 16, db 0
gdt: dq 0
 dq 00cf9b000000ffffh
 dq 00cf93000000ffffh
 dq 0,0,0,0,0
 dq 000093000400000fh      ; 40h: base 400h, limit 0fh
gdt_end:
gdt_pointer: dw gdt_end-gdt-1
 dd gdt
idt_pointer: dw 0
 dd 0
