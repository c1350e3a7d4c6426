;@ finding wait-loop
;@ status 2
;@ says the guest spins at 0008:30000
;@ nearly runs-off
;@ slow
; code outside of every image, where the guest put it itself
%include "guest.inc"
        GUEST "code_copied"
        ENTER_PROTECTED32
        mov edi, 300000h
        mov esi, code
        mov ecx, code_end - code
        rep movsb
        mov eax, 300000h
        sti
        jmp eax
code:
.l:     cmp dword [500h], 1
        pause
        jne .l
        ud2
        times 40 nop
code_end:
TABLES
