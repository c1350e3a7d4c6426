; the instruction that exits is the last one of the segment: the next fetch is beyond the limit, #GP (vector 13)
%include "guest.inc"
        GUEST "end_of_segment"
        SET_VECTOR 13, gp
        mov ax, 1000h
        mov es, ax
        mov word [es:0fffeh], 80e6h      ; out 80h, al
        jmp 1000h:0fffeh
gp:     PASS
