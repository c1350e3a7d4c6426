; PAUSE: a spin loop comes out of it with its registers and flags.
%include "guest.inc"
        GUEST "pause"
        mov ecx, 100
        mov eax, 0cafeh
.spin:  stc
        pause
        CHECK c, "PAUSE changed the carry flag"
        dec ecx
        jnz .spin
        EXPECT eax, 0cafeh, "EAX changed"
        PASS
