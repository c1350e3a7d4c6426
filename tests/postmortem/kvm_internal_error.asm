;@ finding vmm-end
;@ status 1
;@ says KVM could not run the guest further
;@ says suberror 1 (emulation)
;@ says the kernel's emulator does not know the instruction
;@ edit INSERT INTO option VALUES ('vmm', 'another')
;@ edit INSERT INTO mark SELECT 1, 0, max(id), 0, 'KVM_EXIT_INTERNAL_ERROR: suberror 1 (emulation)' FROM exit
%include "guest.inc"
        GUEST "kvm_internal_error"
        mov al, 3
        out 0f4h, al
