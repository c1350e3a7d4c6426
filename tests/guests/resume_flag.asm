; IRETD in real mode takes RF from its image, and PUSHFD never shows it
%include "guest.inc"
        GUEST "resume_flag"
        push dword 10002h                ; RF
        push dword 0
        push dword .in
        o32 iret
.in:    pushfd
        pop eax
        test eax, 10000h
        CHECK z, "PUSHFD shows RF"
        push dword 10002h
        popfd
        pushfd
        pop eax
        test eax, 10000h
        CHECK z, "POPFD takes RF"
        PASS
