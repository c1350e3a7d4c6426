; VMCALL: there is no hypercall interface, so the instruction raises #UD at itself.
;@ reason 18 1
%include "guest.inc"
        GUEST "vmcall"
        SET_VECTOR 6, invalid_opcode
call:   vmcall
        FAIL "VMCALL did nothing"
invalid_opcode:
        pop ax
        EXPECT ax, call, "#UD not at the VMCALL"
        PASS
