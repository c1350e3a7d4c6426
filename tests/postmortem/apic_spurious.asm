;@ status 1
;@ also vector ffh, taken before this exit, is the local APIC's spurious vector
;@ edit UPDATE irq_handoff SET vector = 255 WHERE id = (SELECT min(id) FROM irq_handoff)
%include "guest.inc"
        GUEST "apic_spurious"
        INIT_PIC 0ffffh
        ENTER_PROTECTED32
        mov dword [0fee000f0h], 1ffh
        mov dword [0fee003e0h], 0bh
        mov dword [0fee00320h], 20050h  ; periodic
        mov dword [0fee00380h], 100000
        GATE32 50h, tick
        sti
        hlt
        hlt
        hlt
        cli
        PASS
tick:   mov dword [0fee000b0h], 0
        iretd
TABLES
