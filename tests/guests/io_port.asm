; IN and OUT: immediate and DX ports, three operand sizes, what no device claims, and what stays of EAX.
;@ reason 30 20
%include "guest.inc"
        GUEST "io_port"
        ; byte, immediate port: CMOS register 0fh keeps what is written
        mov al, 0fh
        out 70h, al
        mov al, 5ah
        out 71h, al
        mov al, 0fh
        out 70h, al
        mov eax, 12345600h
        in al, 71h
        EXPECT eax, 1234565ah, "IN AL, 71h"
        ; byte, DX
        mov dx, 70h
        mov al, 0fh
        out dx, al
        inc dx
        mov eax, 0ffffff00h
        in al, dx
        EXPECT eax, 0ffffff5ah, "IN AL, DX"
        ; double word: PCI configuration address and data of the host bridge
        mov dx, 0cf8h
        mov eax, 80000000h
        out dx, eax
        xor eax, eax
        in eax, dx
        EXPECT eax, 80000000h, "the configuration address does not read back"
        mov dx, 0cfch
        in eax, dx
        cmp eax, 0ffffffffh
        CHECK ne, "there is no host bridge"
        mov ebx, eax
        ; word and byte parts of the same register
        mov eax, 0aaaa0000h
        in ax, dx
        mov ecx, 0aaaa0000h
        mov cx, bx
        EXPECT eax, ecx, "IN AX at the low half"
        add dx, 2
        mov eax, 0bbbb0000h
        in ax, dx
        mov ecx, ebx
        shr ecx, 16
        or ecx, 0bbbb0000h
        EXPECT eax, ecx, "IN AX at the high half"
        inc dx
        xor eax, eax
        in al, dx
        mov ecx, ebx
        shr ecx, 24
        EXPECT eax, ecx, "IN AL at the highest byte"
        ; a slot without a device
        mov dx, 0cf8h
        mov eax, 8000f800h
        out dx, eax
        mov dx, 0cfch
        xor eax, eax
        in eax, dx
        EXPECT eax, 0ffffffffh, "an empty slot does not read as ones"
        ; ports without a device
        mov dx, 2f0h
        mov eax, 11111111h
        out dx, eax
        in al, dx
        EXPECT eax, 111111ffh, "IN AL of nothing"
        in ax, dx
        EXPECT eax, 1111ffffh, "IN AX of nothing"
        in eax, dx
        EXPECT eax, 0ffffffffh, "IN EAX of nothing"
        ; flags stay
        stc
        in al, dx
        CHECK c, "IN changed the carry flag"
        out 80h, al
        CHECK c, "OUT changed the carry flag"
        PASS
