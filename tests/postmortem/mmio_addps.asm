;@ finding not-emulated
;@ status 1
;@ says addps xmm0
;@ says e0000000h
;@ says no device claims it
%include "guest.inc"
        GUEST "mmio_addps"
        ENTER_PROTECTED32
        mov eax, cr4
        or eax, 600h
        mov cr4, eax
        mov edi, 0e0000000h
        addps xmm0, [edi]
        movaps [edi], xmm0
        PASS
TABLES
