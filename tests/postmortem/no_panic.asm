;@ finding guest-wish
;@ status 0
;@ nearly panic-text
%include "guest.inc"
        GUEST "no_panic"
        PRINT "command line: panic=30 oops=panic", 10
        PASS
