;@ finding handler-fault
;@ status 1
;@ says exit 5
;@ says 2 x 2
;@ says the instruction's length twice
;@ edit UPDATE exit SET rip_advance=rip_advance*2 WHERE id=5
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
