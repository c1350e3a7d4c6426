; 16-bit protected mode: 16-bit code segment, 16-bit interrupt gates and stack, exits and interrupts.
;@ reason 10 1
;@ reason 30 5
;@ handoff taken 40h
;@ may differ memory 508-509, below-rsp: a tick may come before interrupts are off, and the frame of the last
;@ software no 16-bit interrupt gates
%include "guest.inc"
        GUEST "protected16"
        o32 lgdt [gdt_pointer]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp CODE16:.in
.in:    mov ax, DATA16
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, 0ffff7c00h             ; only SP counts
        lidt [idt_pointer]
        GATE16 6, invalid
        GATE16 13, protection
        GATE16 PIC_VECTOR, tick
undefined:
        ud2
        EXPECT word [500h], undefined, "#UD not at UD2"
        mov ax, 1000h
bad_load:
        mov fs, ax
        EXPECT word [504h], bad_load, "#GP not at the load of FS"
        EXPECT word [506h], 1000h, "error code"
        ; the stack is 16 bits wide
        push word 1234h
        mov bp, sp
        EXPECT word [bp], 1234h, "push"
        pop ax
        mov eax, esp
        EXPECT eax, 0ffff7c00h, "ESP after push and pop"
        ; exits
        xor eax, eax
        cpuid
        cmp eax, 1
        CHECK ae, "CPUID"
        mov dx, 2f0h
        mov di, 520h
        mov cx, 2
        rep insw
        EXPECT dword [520h], -1, "REP INSW"
        EXPECT di, 524h, "DI after REP INSW"
        INIT_PIC 0fffeh
        mov word [508h], 0
        TIMER_PERIODIC 1193
        sti
.wait:  cmp word [508h], 3
        jb .wait
        mov word [508h], 0
.halt:  hlt
        cmp word [508h], 3
        jb .halt
        cli
        ; back to real mode
        lidt [real_idt_pointer]
        mov eax, cr0
        and al, 0feh
        mov cr0, eax
        jmp 0:.out
.out:   xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov word [60h * 4], software
        mov word [60h * 4 + 2], 0
        mov word [508h], 0
        int 60h
        EXPECT word [508h], 1, "INT 60h back in real mode"
        PASS

invalid:
        pop word [500h]
        push word [500h]
        push bp
        mov bp, sp
        add word [bp + 2], 2
        pop bp
        iret
protection:
        pop word [506h]
        pop word [504h]
        push word [504h]
        push bp
        mov bp, sp
        add word [bp + 2], 2
        pop bp
        iret
tick:   push ax
        inc word [508h]
        END_OF_INTERRUPT
        pop ax
        iret
software:
        inc word [508h]
        iret
TABLES
