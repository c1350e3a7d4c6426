; SSE operands that must be aligned raise #GP(0) where they are not, in 32-bit and in 64-bit code, whatever makes the
; address; others need not be.
;@ kvm the box's own processor is QEMU's, which takes HADDPS and others at any address
%include "guest.inc"
%include "raises.inc"
        GUEST "alignment"

%macro EACH 3                           ; registers with an aligned address and with 8; counter
        RUNS "MOVAPS, aligned", movaps xmm0, [%1]
        RUNS "MOVUPS", movups xmm0, [%1 + 8]
        RUNS "MOVSS", addss xmm0, [%1 + 4]
        RUNS "MOVQ of MMX", movq mm0, [%1 + 3]
        RUNS "LDDQU", lddqu xmm1, [%1 + 1]
        RUNS "CVTPS2PD", cvtps2pd xmm1, [%1 + 8]
        RUNS "MOVHPS", movhps xmm1, [%1 + 8]
        RAISES 13, "MOVAPS", movaps xmm0, [%1 + 8]
        RAISES 13, "MOVAPS of a store", movaps [%1 + 1], xmm0
        RAISES 13, "MOVAPD", movapd xmm0, [%1 + 4]
        RAISES 13, "MOVDQA", movdqa xmm0, [%1 + 2]
        RAISES 13, "MOVDQA of a store", movdqa [%1 + 15], xmm0
        RAISES 13, "MOVNTPS", movntps [%1 + 8], xmm0
        RAISES 13, "MOVNTDQ", movntdq [%1 + 8], xmm0
        RAISES 13, "ADDPS", addps xmm0, [%1 + 8]
        RAISES 13, "PXOR", pxor xmm0, [%1 + 8]
        RAISES 13, "HADDPS", haddps xmm0, [%1 + 8]
        RAISES 13, "MOVSHDUP", movshdup xmm0, [%1 + 8]
        RAISES 13, "FXSAVE", fxsave [%1 + 8]
        RAISES 13, "FXRSTOR", fxrstor [%1 + 8]
        RUNS "an aligned sum", movaps xmm0, [%1 + %2 + 8]
        RUNS "an aligned scaled sum", movaps xmm0, [%1 + %2 * 4]
        RAISES 13, "a sum", movaps xmm0, [%1 + %2]
        RAISES 13, "through a segment", movaps xmm0, [fs:%1 + 8]
        ; in one block, of which the last is not aligned: those before are done once
        mov dword [SCRATCH + 40h], 0
        mov %3, 1
        mov dword [EXPECTED + 4], %%behind
        mov dword [EXPECTED + 8], %%last
        mov dword [EXPECTED + 12], 0
        mov dword [ARRIVED], 0
        mov [EXPECTED], esp
        inc dword [SCRATCH + 40h]
        movaps xmm0, [%1]
        add %1, 16
        movaps xmm0, [%1]
        add %3, 4
        sub %1, 8
%%last: movaps xmm0, [%1]
        FAIL "no fault in the middle of a block"
%%behind:
        EXPECT dword [ARRIVED], 13, "the fault in the middle of a block"
        EXPECT dword [SCRATCH + 40h], 1, "what the block did before"
        EXPECT %3, 5, "registers in the middle of a block"
        sub %1, 8
%endmacro

        ENTER_PROTECTED32
        GATE32 12, fault_12_32
        GATE32 13, fault_13_32
        mov eax, cr4
        or eax, 600h                    ; OSFXSR, OSXMMEXCPT
        mov cr4, eax
        mov esi, SCRATCH
        mov ebx, 8
        EACH esi, ebx, edi
        ; the linear address counts
        mov ax, HIGH32
        mov word [gdt + HIGH32 + 2], (SCRATCH + 8) & 0ffffh
        mov es, ax
        xor ebp, ebp
        RAISES 13, "an offset that is aligned", movaps xmm0, [es:0]
        RUNS "a linear address that is aligned", movaps xmm0, [es:8]
        mov ax, DATA32
        mov es, ax

        IDENTITY_LONG
        ENTER_LONG
        GATE64 12, fault_12_64
        GATE64 13, fault_13_64
        mov esi, SCRATCH
        mov ebx, 8
        EACH rsi, rbx, rdi
        mov r9d, SCRATCH
        mov r12d, 8
        EACH r9, r12, r13
        RAISES 13, "relative to RIP", movaps xmm0, [rel unaligned]
        RUNS "relative to RIP, aligned", movaps xmm0, [rel unaligned - 8]
        RAISES 13, "a 32-bit address", movaps xmm0, [esi + 8]
        PASS

FAULT_HANDLERS 32
FAULT_HANDLERS 64
TABLES
align 16
        dq 0
unaligned:
        dq 0, 0, 0
