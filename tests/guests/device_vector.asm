; FPU, MMX and SSE instructions, and FXSAVE, with the test device's memory as their operand.
;@ options --device testdev
;@ kvm the kernel's own emulator, which runs them there, lacks most of them
;@ muen the state page has no registers of FPU and SSE
;@ reason 48 20
%define PRINT_ON_SERIAL
%include "guest.inc"
%define MEMORY 0ff000000h
        GUEST "device_vector"
        ENTER_PROTECTED32
        mov eax, cr4
        or eax, 600h
        mov cr4, eax
        mov edi, MEMORY
        stmxcsr [scratch]               ; without an exit
        EXPECT dword [scratch], 1f80h, "MXCSR at reset"
        fninit
        ; numbers
        mov dword [edi], 3fc00000h      ; 1.5
        fld dword [edi]
        fst qword [edi + 8]
        EXPECT dword [edi + 12], 3ff80000h, "FST of a double"
        fadd st0, st0
        fistp word [edi]
        EXPECT word [edi], 3, "FISTP"
        fild word [edi]
        fstp tword [edi + 16]
        EXPECT word [edi + 24], 4000h, "FSTP of 80 bits, exponent"
        EXPECT dword [edi + 20], 0c0000000h, "FSTP of 80 bits, significand"
        fld tword [edi + 16]
        fnstcw [edi]
        or word [edi], 0c00h            ; rounds towards zero
        fldcw [edi]
        fld1
        fdivp
        fld1
        faddp
        mov word [edi], 2
        fild word [edi]
        fdivp                           ; 2
        fnstsw [edi]
        EXPECT word [edi], 3800h, "FNSTSW: one number on the stack"
        fistp dword [edi]
        EXPECT dword [edi], 2, "FISTP of a quotient"
        ; vectors
        mov ecx, 4
        mov ebx, pattern
        movups xmm0, [ebx]
        movups [edi + 33], xmm0
        EXPECT dword [edi + 37], 55667788h, "MOVUPS"
        movaps [edi + 64], xmm0
        movdqa xmm1, [edi + 64]
        movhps [edi], xmm1
        EXPECT dword [edi], 99aabbcch, "MOVHPS"
        movss xmm2, [edi]
        movd eax, xmm2
        EXPECT eax, 99aabbcch, "MOVSS"
        movq mm3, [edi + 64]
        movd eax, mm3
        EXPECT eax, 11223344h, "MOVQ"
        emms
        ; decimals, and the FPU's environment
        mov dword [edi], 76543210h
        mov dword [edi + 4], 98h
        mov word [edi + 8], 8000h
        fbld [edi]
        fbstp [edi + 16]
        EXPECT dword [edi + 16], 76543210h, "FBSTP, lower digits"
        EXPECT dword [edi + 20], 98h, "FBSTP, upper digits"
        EXPECT word [edi + 24], 8000h, "FBSTP, sign"
        fld1
        fldz
        fnstenv [edi]
        EXPECT word [edi + 4], 3000h, "FNSTENV: two numbers on the stack"
        EXPECT word [edi + 8], 1fffh, "FNSTENV: one of them is zero"
        fninit
        fldenv [edi]
        fnstsw ax
        EXPECT ax, 3000h, "FLDENV"
        fnsave [edi + 128]
        fnstsw ax
        EXPECT ax, 0, "the status after FNSAVE"
        EXPECT word [edi + 128 + 28 + 18], 3fffh, "FNSAVE: ST1"
        frstor [edi + 128]
        faddp
        fistp dword [edi]
        EXPECT dword [edi], 1, "FRSTOR"
        ; bytes by a mask
        pcmpeqd xmm2, xmm2
        pslldq xmm2, 15
        por xmm2, xmm0                  ; bytes whose bit 7 is set: 8 to 15, and the highest
        mov dword [edi + 64], 0
        mov dword [edi + 72], 0
        maskmovdqu xmm0, xmm2           ; to [edi]
        EXPECT dword [edi + 8], 99aabbcch, "MASKMOVDQU, bytes that are selected"
        EXPECT dword [edi], 1, "MASKMOVDQU, bytes that are not"
        ; everything
        fld1
        fxsave [edi + 1024]
        fninit
        pxor xmm1, xmm1
        fxrstor [edi + 1024]
        movd eax, xmm1
        EXPECT eax, 11223344h, "FXRSTOR, XMM1"
        fistp dword [edi]
        EXPECT dword [edi], 1, "FXRSTOR, ST0"
        stmxcsr [edi]
        EXPECT dword [edi], 1f80h, "STMXCSR"
        PASS
scratch: dd 0
align 16
pattern: dd 11223344h, 55667788h, 99aabbcch, 0ddeeff00h
TABLES
