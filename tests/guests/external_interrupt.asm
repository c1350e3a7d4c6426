; An external interrupt: something outside wants the processor. The guest spins for ever without exits; the time limit
; gets it out and ends it.
;@ reason 1 1
;@ options --timeout 3
;@ end stopped
;@ differs rax: how often it went round the loop before the time limit
;@ may differ rip, rflags: which of its two instructions is next, and the flags of that number
%include "guest.inc"
        GUEST "external_interrupt"
        PRINT "PASS ", GUEST_NAME, 10
        cli
.spin:  inc eax
        jmp .spin
