; The xAPIC's page is moved over RAM, and away again: what lies under it stays as it was.
;@ kvm the processor finds RAM there
;@ muen the processor finds RAM there
;@ reason 32 2
;@ reason 48 4
%include "guest.inc"
%define PLACE 00200000h
        GUEST "apic_over_ram"
        ENTER_PROTECTED32
        mov dword [PLACE + 30h], 11112222h
        mov dword [PLACE + 80h], 33334444h
        mov dword [PLACE + 1000h], 55556666h
        mov esi, [0fee00030h]           ; version
        mov ecx, 1bh
        rdmsr
        mov edi, eax
        and eax, 0fffh
        or eax, PLACE
        wrmsr
        EXPECT [PLACE + 30h], esi, "the version register over RAM"
        mov dword [PLACE + 80h], 50h    ; task priority
        mov eax, [PLACE + 80h]
        EXPECT eax, 50h, "the task priority"
        EXPECT dword [PLACE + 1000h], 55556666h, "RAM behind the page"
        mov eax, [0fee00030h]
        EXPECT eax, -1, "where the page was"
        mov eax, edi
        xor edx, edx
        wrmsr
        EXPECT dword [PLACE + 30h], 11112222h, "RAM that was under it"
        EXPECT dword [PLACE + 80h], 33334444h, "RAM that was not written"
        EXPECT dword [0fee00080h], 50h, "the task priority, where it was"
        PASS
TABLES
