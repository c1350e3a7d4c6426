;@ finding handler-fault
;@ status 1
;@ says exit 14
;@ says offered vector taken
;@ says recorded as no
;@ edit UPDATE irq_handoff SET taken=0 WHERE id=14
%include "guest.inc"
        GUEST "noeoi"
        INIT_PIC 0fffeh
        SET_VECTOR 40h, tick
        mov word [500h], 0
        TIMER_PERIODIC 11932
        sti
.l:     hlt
        cmp word [500h], 3
        jb .l
        PASS
tick:   inc word [500h]
        iret
