; PAE paging in 32-bit protected mode: 2 MiB and 4 KiB pages, one page that is not where its address says, exits whose
; operands are found through the tables.
;@ reason 10 1
;@ reason 30 8
;@ handoff taken 40h
;@ console [mapped]
;@ may differ memory 500-503, below-rsp: a tick may come before interrupts are off, and the frame of the last
;@ differs kvm-box memory 10000-10000: AMD's nested paging marks the page-directory pointer table as accessed, as QEMU emulates it
;@ software no paging outside IA-32e mode
%include "guest.inc"
        GUEST "pae_paging"
        ENTER_PROTECTED32
        CLEAR_PAGE_TABLES
        ; 0 to 4 MiB at its own place, 4 to 6 MiB at 2 to 4 MiB
        mov dword [PAGE_TABLES], PAGE_TABLES + 1000h + 1
        mov dword [PAGE_TABLES + 1000h], 83h
        mov dword [PAGE_TABLES + 1008h], 200083h
        mov dword [PAGE_TABLES + 1010h], 200083h
        mov eax, PAGE_TABLES
        mov cr3, eax
        mov eax, cr4
        or eax, 20h
        mov cr4, eax
        mov eax, cr0
        or eax, 80000000h
        mov cr0, eax
        jmp .paged
.paged: mov dword [200000h], "[map"
        mov dword [200004h], "ped]"
        EXPECT dword [400004h], "ped]", "4 MiB is not 2 MiB"
        mov dword [400010h], 0cafef00dh
        EXPECT dword [200010h], 0cafef00dh, "2 MiB is not 4 MiB"
        mov esi, 400000h
        mov ecx, 8
        mov edx, PORT_PRINT
        rep outsb
        mov al, 10
        out PORT_PRINT, al
        mov edi, 400100h
        mov edx, 2f0h
        insd
        EXPECT dword [200100h], -1, "INSD through the tables"
        ; interrupts with paging on
        GATE32 PIC_VECTOR, tick
        INIT_PIC 0fffeh
        mov dword [500h], 0
        TIMER_PERIODIC 1193
        sti
.wait:  cmp dword [500h], 2
        jb .wait
        cli
        xor eax, eax
        cpuid
        cmp eax, 1
        CHECK ae, "CPUID"
        ; accessed bits: the processor and the emulator set them
        test dword [PAGE_TABLES + 1010h], 20h
        CHECK nz, "no accessed bit"
        ; paging off again
        mov eax, cr0
        and eax, 7fffffffh
        mov cr0, eax
        EXPECT dword [200010h], 0cafef00dh, "memory without paging"
        PASS
tick:   push eax
        inc dword [500h]
        END_OF_INTERRUPT
        pop eax
        iret
TABLES
