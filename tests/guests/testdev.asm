; The test device: ports that keep what is written, lines of both interrupt controllers, memory at ff000000h.
;@ software no IRETD in protected mode
;@ options --machine apic --device testdev
;@ handoff taken 51h
;@ handoff taken 52h
;@ handoff taken 46h
;@ sql SELECT value = 'testdev' FROM recording WHERE name = 'device'
%define PRINT_ON_SERIAL
%include "guest.inc"
%include "apic.inc"
        GUEST "testdev"
        ENTER_PROTECTED32
        GATE32 51h, handler_51
        GATE32 52h, handler_52
        GATE32 PIC_VECTOR + 6, handler_pic
        FORGET
        mov dx, 0e0h
        mov eax, 12345678h
        out dx, eax
        in al, dx
        EXPECT al, 78h, "low byte"
        inc dx
        in ax, dx
        EXPECT ax, 3456h, "word at e1h"
        mov al, 0abh
        out dx, al
        mov dx, 0e8h
        in eax, dx
        EXPECT eax, 1234ab78h, "e8h shows the bytes of e0h"
        inc dx
        in al, dx
        EXPECT al, 0abh, "byte at e9h"
        mov dx, 0e4h
        xor eax, eax
        out dx, eax                     ; flush: nothing to see

        mov edi, 0ff000000h
        mov dword [edi], 87654321h
        mov byte [edi + 2], 0eeh
        mov eax, [edi]
        EXPECT eax, 87ee4321h, "memory"
        mov dword [edi + 1fffeh - 10002h], 11223344h
        mov ax, [edi + 0fffeh]
        EXPECT ax, 1122h, "end of the memory"
        mov eax, [edi + 10000h]
        EXPECT eax, -1, "behind the memory"
        lea edi, [edi + 1ff0h]          ; across its parts
        mov ecx, 8
        mov eax, 5a5a5a5ah
        rep stosd
        mov eax, [0ff001ffch]
        EXPECT eax, 5a5a5a5ah, "string in memory"
        mov eax, [0ff002000h]
        EXPECT eax, 5a5a5a5ah, "string in the next part"

        IO_APIC_WRITE 1ch + 10h + 1, 0  ; pin 14: edge
        IO_APIC_WRITE 1ch + 10h, 51h
        IO_APIC_WRITE 10h + 2 * 22 + 1, 0
        IO_APIC_WRITE 10h + 2 * 22, 8052h ; pin 22: level
        sti
        mov dx, 200eh
        mov al, 1
        out dx, al
        nop
        mov al, 0
        out dx, al
        mov al, 1
        out dx, al
        nop
        mov al, 0
        out dx, al
        EXPECT byte [551h], 2, "edges of line 14"
        mov dx, 2016h
        mov al, 1
        out dx, al
        nop
        nop
        cli
        EXPECT byte [552h], 3, "the level of pin 22 until its handler lowers it"

        INIT_PIC 0ffbfh
        sti
        mov dx, 2006h
        mov al, 1
        out dx, al
        nop
        cli
        EXPECT byte [505h], 1, "line 6 of the 8259s"
        PASS

handler_51: COUNTER 51h
handler_52:
        cmp byte [552h], 2
        jb .stays
        push eax
        push edx
        mov dx, 2016h
        mov al, 0
        out dx, al
        pop edx
        pop eax
.stays: COUNTER 52h
handler_pic:
        push eax
        inc byte [505h]
        END_OF_INTERRUPT
        pop eax
        iret
        TABLES
