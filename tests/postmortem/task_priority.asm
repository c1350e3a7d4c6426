;@ finding dead-halt
;@ status 1
;@ says local APIC: vector 50h, the timer's, is armed, and TPR 60h holds back every vector up to 6fh
%include "guest.inc"
        GUEST "task_priority"
        INIT_PIC 0ffffh
        ENTER_PROTECTED32
        mov dword [0fee000f0h], 1ffh
        mov dword [0fee00080h], 60h
        mov dword [0fee003e0h], 0bh
        mov dword [0fee00320h], 20050h
        mov dword [0fee00380h], 100000
        sti
.l:     hlt
        jmp .l
TABLES
