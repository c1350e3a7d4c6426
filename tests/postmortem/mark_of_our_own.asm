; A mark with the words of KVM, and no other VMM.
;@ finding guest-wish
;@ status 1
;@ nearly vmm-end
;@ edit INSERT INTO mark SELECT 1, 0, max(id), 0, 'KVM_EXIT_INTERNAL_ERROR: suberror 1 (emulation)' FROM exit
%include "guest.inc"
        GUEST "mark_of_our_own"
        mov al, 3
        out 0f4h, al
