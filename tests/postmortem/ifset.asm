;@ finding triple-fault
;@ status 1
;@ says vector 40h, IRQ 0 (timer)
;@ says could not be delivered: IDTR still holds the real-mode table 0:ffffh
;@ says RFLAGS.IF is 1 at every exit from here on
;@ says vector 40h, IRQ 0 (timer) at 0008:7c5eh was not delivered
;@ says vector 40h, IRQ 0 (timer), was injected at the entry before this exit
%include "guest.inc"
        GUEST "ifset"
        INIT_PIC 0fffeh
        TIMER_PERIODIC 11932
        sti                              ; "the BIOS call returned with IF set"
        o32 lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp CODE32:.in
bits 32
.in:    mov ax, DATA32
        mov ds, ax
        mov ss, ax
.l:     jmp .l
TABLES
