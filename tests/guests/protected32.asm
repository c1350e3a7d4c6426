; 32-bit protected mode without paging: exits, exceptions with and without an error code, interrupts, a call gate,
; segments whose base is not 0.
;@ reason 10 1
;@ reason 30 10
;@ handoff taken 40h
;@ console [through fs]
;@ may differ memory 518-51b, below-rsp: a tick may come before interrupts are off, and the frame of the last
;@ software no IRETD in protected mode
%include "guest.inc"
        GUEST "protected32"
        ENTER_PROTECTED32
        LOAD_TASK
        GATE32 6, invalid
        GATE32 13, protection
        GATE32 11, not_present
        GATE32 PIC_VECTOR, tick
        GATE32 80h, software
        ; exceptions
undefined:
        ud2
        EXPECT dword [500h], undefined, "#UD not at UD2"
        mov dword [504h], 0
        mov dword [508h], -1
        mov ax, 1000h                   ; beyond the GDT
bad_load:
        mov gs, ax
        EXPECT dword [504h], bad_load, "#GP not at the load of GS"
        EXPECT dword [508h], 1000h, "error code of #GP is not the selector"
        mov byte [gdt + HIGH32 + 5], 13h
        mov ax, HIGH32
not_there:
        mov gs, ax
        EXPECT dword [50ch], not_there, "#NP not at the load of GS"
        EXPECT dword [510h], HIGH32, "error code of #NP is not the selector"
        mov byte [gdt + HIGH32 + 5], 93h
        ; a segment with a base, used by the processor, and by the emulator for OUTS
        mov ax, HIGH32
        mov fs, ax
        mov dword [SCRATCH], "[thr"
        mov dword [SCRATCH + 4], "ough"
        mov dword [SCRATCH + 8], " fs]"
        EXPECT dword [fs:4], "ough", "FS base"
        xor esi, esi
        mov ecx, 12
        mov edx, PORT_PRINT
        rep fs outsb
        EXPECT esi, 12, "ESI after REP FS OUTSB"
        mov al, 10
        out PORT_PRINT, al
        ; its limit: the emulator raises #GP(0) at the instruction
        mov esi, 10000h
beyond: fs outsb
        EXPECT dword [504h], beyond, "#GP not at the OUTSB beyond the limit"
        EXPECT dword [508h], 0, "error code of #GP is not 0"
        EXPECT esi, 10000h, "OUTSB beyond the limit moved ESI"
        ; 16-bit addresses and operands
        mov ebx, 12340500h
        mov dword [500h], 0aabbccddh
        a16 mov ax, [bx]
        EXPECT ax, 0ccddh, "16-bit address"
        xor eax, eax
        cpuid
        cmp eax, 1
        CHECK ae, "CPUID"
        ; a software interrupt and the timer
        mov dword [514h], 0
        int 80h
        EXPECT dword [514h], 1, "INT 80h"
        INIT_PIC 0fffeh
        mov dword [518h], 0
        TIMER_PERIODIC 1193
        sti
.wait:  cmp dword [518h], 3
        jb .wait
        mov dword [518h], 0
.halt:  hlt
        cmp dword [518h], 3
        jb .halt
        cli
        str ax
        EXPECT ax, TASK, "task register"
        sgdt [520h]
        EXPECT dword [522h], gdt, "GDT base"
        sidt [528h]
        EXPECT dword [52ah], idt, "IDT base"
        PASS

invalid:
        pop dword [500h]
        push dword [500h]
        add dword [esp], 2
        iret
protection:
        pop dword [508h]
        pop dword [504h]
        push dword [504h]
        add dword [esp], 2
        iret
not_present:
        pop dword [510h]
        pop dword [50ch]
        push dword [50ch]
        add dword [esp], 2
        iret
software:
        inc dword [514h]
        iret
tick:   push eax
        inc dword [518h]
        END_OF_INTERRUPT
        pop eax
        iret
TABLES
