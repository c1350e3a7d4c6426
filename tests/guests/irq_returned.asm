; An interrupt that was offered and not taken goes back to the trap manager. Printing the last letter asks hwaccl to
; stop (--until), which pokes the accelerator; that letter's OUT stands in the shadow of STI, so the next entry is the
; first that offers the pending timer interrupt, and the poke ends it before the guest can take it.
;@ options --until irq_returned
;@ end stopped
;@ reason 1 1
;@ handoff returned 40h
%include "guest.inc"
        GUEST "irq_returned"
        SET_VECTOR PIC_VECTOR, tick
        INIT_PIC 0fffeh
        TIMER_ONCE 100
        WAIT_REQUESTED 0
        PRINT "PASS irq_returne"
        mov al, "d"
        sti
        out PORT_PRINT, al
        cli
        FAIL "the guest ran on"
tick:   FAIL "the interrupt was taken"
