; HLT with interrupts off: nothing can wake the guest, and the run ends by itself.
;@ reason 12 1
;@ end halted
%include "guest.inc"
        GUEST "hlt_for_good"
        PRINT "PASS ", GUEST_NAME, 10
        cli
        hlt
        FAIL "HLT returned"
