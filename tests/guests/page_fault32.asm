; Page faults that the guest handles, 32-bit paging: the processor's own, and those the emulator raises for the operand
; of an instruction that exits. CR2, error code, restart after the handler has mapped the page.
;@ reason 30 4
;@ differs kvm-box memory 7bfa-7bfa: QEMU before release 8, the KVM box's processor, pushes flags without RF for a fault (SDM 3B, 17.3.1.1)
;@ software no paging outside IA-32e mode
%include "guest.inc"
        GUEST "page_fault32"
        ENTER_PROTECTED32
        CLEAR_PAGE_TABLES
        mov dword [PAGE_TABLES], PAGE_TABLES + 1000h + 3
        mov dword [PAGE_TABLES + 0c00h], PAGE_TABLES + 2000h + 3
        xor ecx, ecx
        mov eax, 3
.fill:  mov [PAGE_TABLES + 1000h + ecx * 4], eax
        add eax, 1000h
        inc ecx
        cmp ecx, 400h
        jb .fill
        GATE32 14, page_fault
        mov dword [500h], 0
        mov eax, PAGE_TABLES
        mov cr3, eax
        mov eax, cr0
        or eax, 80010000h               ; PG, WP
        mov cr0, eax
        jmp .paged
        ; %1: address that faults, %2: where the instruction is, %3: error code, %4: what
%macro FAULTED 4
        EXPECT dword [500h], 1, %4
        EXPECT dword [504h], %1, %4
        EXPECT dword [508h], %2, %4
        EXPECT dword [50ch], %3, %4
        mov dword [500h], 0
%endmacro
.paged: mov dword [SCRATCH + 10h], 0a5a5a5a5h
read:   mov eax, [0c0000010h]
        EXPECT eax, 0a5a5a5a5h, "read after the fault"
        FAULTED 0c0000010h, read, 0, "fault of a read"
write:  mov dword [0c0001020h], 5
        EXPECT dword [SCRATCH + 1020h], 5, "write after the fault"
        FAULTED 0c0001020h, write, 2, "fault of a write"
        ; a read-only page under CR0.WP
        mov dword [PAGE_TABLES + 2000h + 8], SCRATCH + 2000h + 1
        mov eax, [0c0002000h]
        EXPECT dword [500h], 0, "a read of a read-only page faulted"
protected:
        mov dword [0c0002000h], 6
        FAULTED 0c0002000h, protected, 3, "fault of a write to a read-only page"
        ; the operands of port strings
        mov byte [SCRATCH + 3000h], "S"
        mov esi, 0c0003000h
        mov edx, 80h
output: outsb
        EXPECT esi, 0c0003001h, "ESI after OUTSB"
        FAULTED 0c0003000h, output, 0, "fault of OUTSB"
        mov edi, 0c0004ffch
        mov edx, 2f0h
        mov ecx, 2
        rep insd                        ; the second one is on the next page
        EXPECT ecx, 0, "ECX after REP INSD"
        EXPECT edi, 0c0005004h, "EDI after REP INSD"
        EXPECT dword [500h], 2, "REP INSD over two pages did not fault twice"
        EXPECT dword [504h], 0c0005000h, "CR2 of the second fault"
        EXPECT dword [50ch], 2, "error code of the second fault"
        EXPECT dword [SCRATCH + 5000h], -1, "REP INSD on the second page"
        mov dword [500h], 0
        ; a jump to a page that is not there
        mov dword [SCRATCH + 6000h], 0c3c3c3c3h         ; RET
        mov eax, 0c0006000h
        call eax
        FAULTED 0c0006000h, 0c0006000h, 0, "fault of an instruction fetch"
        PASS

; note what happened, map the page to the scratch memory, and try again
page_fault:
        push eax
        push ebx
        inc dword [500h]
        mov ebx, cr2
        mov [504h], ebx
        mov eax, [esp + 12]
        mov [508h], eax
        mov eax, [esp + 8]
        mov [50ch], eax
        cmp ebx, 0c0000000h
        CHECK ae, "a fault below 3 GiB"
        cmp ebx, 0c0010000h
        CHECK b, "a fault far above 3 GiB"
        and ebx, 0f000h
        lea eax, [ebx + SCRATCH + 3]
        shr ebx, 10
        mov [PAGE_TABLES + 2000h + ebx], eax
        mov eax, cr2
        invlpg [eax]
        pop ebx
        pop eax
        add esp, 4
        iret
TABLES
