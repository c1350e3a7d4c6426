; INS and OUTS: REP, three sizes, 16- and 32-bit addresses, both directions, segment overrides, a count of 0.
;@ reason 30 10
;@ console [spam][text][over]
%include "guest.inc"
        GUEST "io_string"
        ; forwards, DS:SI
        mov si, .text
        mov cx, 6
        mov dx, PORT_PRINT
        rep outsb
        EXPECT si, .text + 6, "SI after REP OUTSB"
        EXPECT cx, 0, "CX after REP OUTSB"
        ; backwards, 32-bit address
        std
        mov esi, .backwards + 5
        mov ecx, 6
        a32 rep outsb
        cld
        EXPECT esi, .backwards - 1, "ESI after A32 REP OUTSB backwards"
        EXPECT ecx, 0, "ECX after A32 REP OUTSB"
        ; another segment
        mov ax, 1000h
        mov fs, ax
        mov ax, SCRATCH >> 4
        mov gs, ax
        mov dword [gs:0], "[ove"
        mov word [gs:4], "r]"
        xor si, si
        mov cx, 6
        gs rep outsb
        EXPECT si, 6, "SI after GS REP OUTSB"
        mov al, 10
        out PORT_PRINT, al
        ; a count of 0 does nothing
        mov si, .text
        xor cx, cx
        rep outsb
        EXPECT si, .text, "REP OUTSB with a count of 0 moved SI"
        ; the count is CX with a 16-bit address, whatever the upper half of ECX holds
        mov ecx, 0ffff0000h
        rep outsb
        EXPECT ecx, 0ffff0000h, "REP with CX = 0 touched ECX"
        ; INSB: the signature of the firmware configuration device
        mov dx, 510h
        xor ax, ax
        out dx, ax
        inc dx
        mov di, 500h
        mov cx, 4
        mov dword [500h], 0
        mov dword [504h], 77777777h
        rep insb
        EXPECT dword [500h], "QEMU", "REP INSB forwards"
        EXPECT dword [504h], 77777777h, "REP INSB wrote too much"
        EXPECT di, 504h, "DI after REP INSB"
        dec dx
        xor ax, ax
        out dx, ax
        inc dx
        std
        mov edi, 503h
        mov ecx, 4
        a32 rep insb
        cld
        EXPECT dword [500h], "UMEQ", "A32 REP INSB backwards"
        EXPECT edi, 4ffh, "EDI after A32 REP INSB backwards"
        ; words and double words: the PCI configuration ports
        mov dword [510h], 80000000h
        mov si, 510h
        mov dx, 0cf8h
        outsd
        EXPECT si, 514h, "SI after OUTSD"
        mov dx, 0cfch
        in eax, dx
        mov di, 520h
        insd
        EXPECT [520h], eax, "INSD"
        EXPECT di, 524h, "DI after INSD"
        insw
        EXPECT [524h], ax, "INSW"
        EXPECT di, 526h, "DI after INSW"
        mov dword [528h], 0
        mov cx, 2
        rep insw
        EXPECT [526h], ax, "REP INSW, first"
        EXPECT [528h], ax, "REP INSW, second"
        EXPECT di, 52ah, "DI after REP INSW"
        ; ES cannot be overridden for INS
        mov ax, SCRATCH >> 4
        mov es, ax
        mov dword [es:40h], 0
        mov di, 40h
        fs insd
        xor ax, ax
        mov es, ax
        mov eax, [520h]
        EXPECT [gs:40h], eax, "INSD went past ES"
        PASS
.text:  db "[spam]"
.backwards:
        db "]txet["
