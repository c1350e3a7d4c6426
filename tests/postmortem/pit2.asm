;@ says after the read, in the memory at the end: test al, 0x20; je
;@ finding wait-loop
;@ status 1
;@ says 1995 times
;@ says port 61h
;@ says bit 5 (OUT of counter 2)
;@ says gate of counter 2 is off (port 61h bit 0 is 0, written at exit 1)
;@ record --max-exits 2000 --keep-memory final
%include "guest.inc"
        GUEST "pit2"
        in al, 61h
        and al, 0fch                     ; gate of counter 2 OFF: the count never moves
        out 61h, al
        mov al, 0b0h
        out 43h, al
        mov al, 9ch
        out 42h, al
        mov al, 2eh
        out 42h, al
.l:     in al, 61h
        test al, 20h
        jz .l
        PASS
