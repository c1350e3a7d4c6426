; Control registers, all four access types: MOV to and from CR0, CR2, CR3, CR4, CLTS, LMSW, bits that the VMM owns.
;@ reason 28 3
%include "guest.inc"
        GUEST "control_register"
        ENTER_PROTECTED32
        ; cache-disable and not-write-through belong to the VMM: the guest sees what it wrote
        mov eax, cr0
        mov ebx, eax
        or eax, 60000000h
        mov cr0, eax
        mov ecx, cr0
        EXPECT ecx, eax, "CD and NW do not read back as set"
        and eax, ~60000000h
        mov cr0, eax
        mov edx, cr0
        EXPECT edx, eax, "CD and NW do not read back as clear"
        ; NE: the guest may think that it is off
        mov esi, eax
        and esi, ~20h
        mov cr0, esi
        mov edi, cr0
        EXPECT edi, esi, "NE does not read back as clear"
        or esi, 20h
        mov cr0, esi
        mov edi, cr0
        EXPECT edi, esi, "NE does not read back as set"
        ; CR2, CR3 through other registers
        mov ebp, 0deadbeefh
        mov cr2, ebp
        mov eax, cr2
        EXPECT eax, 0deadbeefh, "CR2"
        mov ebx, 12345000h
        mov cr3, ebx
        mov ecx, cr3
        EXPECT ecx, 12345000h, "CR3"
        xor edi, edi
        mov cr3, edi
        mov esi, cr3
        EXPECT esi, 0, "CR3 cleared"
        ; CR4
        mov edx, cr4
        mov ecx, edx
        or ecx, 210h                    ; PSE, OSFXSR
        mov cr4, ecx
        mov eax, cr4
        EXPECT eax, ecx, "CR4"
        mov cr4, edx
        mov eax, cr4
        EXPECT eax, edx, "CR4 restored"
        ; CLTS
        mov eax, cr0
        or eax, 8
        mov cr0, eax
        mov eax, cr0
        test al, 8
        CHECK nz, "TS cannot be set"
        clts
        mov eax, cr0
        test al, 8
        CHECK z, "CLTS left TS set"
        ; LMSW sets MP, EM and TS, and cannot clear PE; a register and a memory operand
        mov ax, 0ah
        lmsw ax
        smsw bx
        and bx, 0fh
        EXPECT bx, 0bh, "LMSW from AX"
        mov word [500h], 2
        lmsw [500h]
        mov eax, cr0
        and eax, 0fh
        EXPECT eax, 3, "LMSW from memory"
        PASS
TABLES
