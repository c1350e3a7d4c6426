; MOV DR: address registers keep what is written, DR6 and DR7 have their fixed bits.
;@ reason 29 12
%include "guest.inc"
        GUEST "mov_dr"
        mov eax, 11110000h
        mov dr0, eax
        mov ebx, 22220001h
        mov dr1, ebx
        mov ecx, 33330002h
        mov dr2, ecx
        mov edx, 44440003h
        mov dr3, edx
        mov esi, dr3
        mov edi, dr2
        mov ebp, dr1
        mov ebx, dr0
        EXPECT ebx, 11110000h, "DR0"
        EXPECT ebp, 22220001h, "DR1"
        EXPECT edi, 33330002h, "DR2"
        EXPECT esi, 44440003h, "DR3"
        mov eax, dr6
        EXPECT eax, 0ffff0ff0h, "DR6 after reset"
        mov eax, dr7
        EXPECT eax, 400h, "DR7 after reset"
        mov eax, 0c000h
        mov dr6, eax
        mov ebx, dr6
        EXPECT ebx, 0ffffcff0h, "DR6 with BS and BT set"
        PASS
