; INVD and WBINVD: nothing changes but the instruction pointer.
;@ reason 13 1
;@ reason 54 1
%include "guest.inc"
        GUEST "cache"
        mov eax, 11111111h
        mov ebx, 22222222h
        mov dword [500h], 33333333h
        stc
        wbinvd
        CHECK c, "WBINVD changed the carry flag"
        stc
        invd
        CHECK c, "INVD changed the carry flag"
        std
        mov si, 501h
        invd
        cs lodsb
        cld
        EXPECT si, 500h, "INVD changed the direction flag"
        mov eax, 11111111h
        wbinvd
        EXPECT eax, 11111111h, "EAX changed"
        EXPECT ebx, 22222222h, "EBX changed"
        EXPECT dword [500h], 33333333h, "memory changed"
        PASS
