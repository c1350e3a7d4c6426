/* Which operation an instruction is: by Capstone's name, or by its bytes where Capstone is imprecise. */
#include "core/exit/emulate/decode.h"

#include "hwaccl/exit_reason.h"

/* X(Capstone's suffix, operation) */
#define OPERATIONS(X)                                                                                                  \
        X(ADD, ADD)                                                                                                    \
        X(OR, OR)                                                                                                      \
        X(ADC, ADC)                                                                                                    \
        X(SBB, SBB)                                                                                                    \
        X(AND, AND)                                                                                                    \
        X(SUB, SUB)                                                                                                    \
        X(XOR, XOR)                                                                                                    \
        X(CMP, CMP)                                                                                                    \
        X(TEST, TEST)                                                                                                  \
        X(INC, INC)                                                                                                    \
        X(DEC, DEC)                                                                                                    \
        X(NOT, NOT)                                                                                                    \
        X(NEG, NEG)                                                                                                    \
        X(BT, BT)                                                                                                      \
        X(BTS, BTS)                                                                                                    \
        X(BTR, BTR)                                                                                                    \
        X(BTC, BTC)                                                                                                    \
        X(ROL, ROL)                                                                                                    \
        X(ROR, ROR)                                                                                                    \
        X(RCL, RCL)                                                                                                    \
        X(RCR, RCR)                                                                                                    \
        X(SHL, SHL)                                                                                                    \
        X(SAL, SHL)                                                                                                    \
        X(SHR, SHR)                                                                                                    \
        X(SAR, SAR)                                                                                                    \
        X(SHLD, SHLD)                                                                                                  \
        X(SHRD, SHRD)                                                                                                  \
        X(MUL, MUL)                                                                                                    \
        X(IMUL, IMUL)                                                                                                  \
        X(DIV, DIV)                                                                                                    \
        X(IDIV, IDIV)                                                                                                  \
        X(XLATB, XLAT)                                                                                                 \
        X(MOVBE, MOVBE)                                                                                                \
        X(MOV, MOV)                                                                                                    \
        X(MOVABS, MOV)                                                                                                 \
        X(MOVNTI, MOV)                                                                                                 \
        X(MOVZX, MOVZX)                                                                                                \
        X(MOVSX, MOVSX)                                                                                                \
        X(MOVSXD, MOVSX)                                                                                               \
        X(XCHG, XCHG)                                                                                                  \
        X(XADD, XADD)                                                                                                  \
        X(CMPXCHG, CMPXCHG)                                                                                            \
        X(CMPXCHG8B, CMPXCHG_PAIR)                                                                                     \
        X(CMPXCHG16B, CMPXCHG_PAIR)                                                                                    \
        X(PUSH, PUSH)                                                                                                  \
        X(BOUND, BOUND)                                                                                                \
        X(PUSHF, PUSHF)                                                                                                \
        X(PUSHFD, PUSHF)                                                                                               \
        X(PUSHFQ, PUSHF)                                                                                               \
        X(POPF, POPF)                                                                                                  \
        X(POPFD, POPF)                                                                                                 \
        X(POPFQ, POPF)                                                                                                 \
        X(PUSHAW, PUSHA)                                                                                               \
        X(PUSHAL, PUSHA)                                                                                               \
        X(POPAW, POPA)                                                                                                 \
        X(POPAL, POPA)                                                                                                 \
        X(ENTER, ENTER)                                                                                                \
        X(LEAVE, LEAVE)                                                                                                \
        X(CALL, CALL)                                                                                                  \
        X(JMP, JMP)                                                                                                    \
        X(RET, RET)                                                                                                    \
        X(LCALL, CALL_FAR)                                                                                             \
        X(LJMP, JMP_FAR)                                                                                               \
        X(RETF, RET_FAR)                                                                                               \
        X(RETFQ, RET_FAR)                                                                                              \
        X(IRET, IRET)                                                                                                  \
        X(IRETD, IRET)                                                                                                 \
        X(IRETQ, IRET)                                                                                                 \
        X(LAR, LAR)                                                                                                    \
        X(LSL, LSL)                                                                                                    \
        X(VERR, VERR)                                                                                                  \
        X(VERW, VERW)                                                                                                  \
        X(LDS, LOAD_FAR_POINTER)                                                                                       \
        X(LES, LOAD_FAR_POINTER)                                                                                       \
        X(LFS, LOAD_FAR_POINTER)                                                                                       \
        X(LGS, LOAD_FAR_POINTER)                                                                                       \
        X(LSS, LOAD_FAR_POINTER)                                                                                       \
        X(LLDT, LLDT)                                                                                                  \
        X(LTR, LTR)                                                                                                    \
        X(SGDT, SGDT)                                                                                                  \
        X(SIDT, SIDT)                                                                                                  \
        X(LGDT, LGDT)                                                                                                  \
        X(LIDT, LIDT)                                                                                                  \
        X(SLDT, SLDT)                                                                                                  \
        X(STR, STR)                                                                                                    \
        X(SMSW, SMSW)                                                                                                  \
        X(POP, POP)                                                                                                    \
        X(IN, IN)                                                                                                      \
        X(OUT, OUT)                                                                                                    \
        X(CPUID, CPUID)                                                                                                \
        X(RDMSR, RDMSR)                                                                                                \
        X(WRMSR, WRMSR)                                                                                                \
        X(HLT, HLT)                                                                                                    \
        X(RDTSC, RDTSC)                                                                                                \
        X(RDTSCP, RDTSCP)                                                                                              \
        X(INVLPG, INVLPG)                                                                                              \
        X(WBINVD, WBINVD)                                                                                              \
        X(INVD, INVD)                                                                                                  \
        X(PAUSE, PAUSE)                                                                                                \
        X(RDPMC, RDPMC)                                                                                                \
        X(CLTS, CLTS)                                                                                                  \
        X(LMSW, LMSW)

/* Exit, but belong to features that CPUID lacks. X(Capstone's suffix, exit reason) */
#define ABSENT(X)                                                                                                      \
        X(GETSEC, GETSEC)                                                                                              \
        X(RSM, RSM)                                                                                                    \
        X(VMCALL, VMCALL)                                                                                              \
        X(VMCLEAR, VMCLEAR)                                                                                            \
        X(VMLAUNCH, VMLAUNCH)                                                                                          \
        X(VMPTRLD, VMPTRLD)                                                                                            \
        X(VMPTRST, VMPTRST)                                                                                            \
        X(VMREAD, VMREAD)                                                                                              \
        X(VMRESUME, VMRESUME)                                                                                          \
        X(VMWRITE, VMWRITE)                                                                                            \
        X(VMXOFF, VMXOFF)                                                                                              \
        X(VMXON, VMXON)                                                                                                \
        X(MWAIT, MWAIT)                                                                                                \
        X(MONITOR, MONITOR)                                                                                            \
        X(INVEPT, INVEPT)                                                                                              \
        X(INVVPID, INVVPID)                                                                                            \
        X(XSETBV, XSETBV)                                                                                              \
        X(RDRAND, RDRAND)                                                                                              \
        X(INVPCID, INVPCID)                                                                                            \
        X(VMFUNC, VMFUNC)                                                                                              \
        X(ENCLS, ENCLS)                                                                                                \
        X(RDSEED, RDSEED)                                                                                              \
        X(XSAVES, XSAVES)                                                                                              \
        X(XSAVES64, XSAVES)                                                                                            \
        X(XRSTORS, XRSTORS)                                                                                            \
        X(XRSTORS64, XRSTORS)

uint8_t absent_reason(unsigned id)
{
        switch (id) {
#define X(name, reason)                                                                                                \
        case X86_INS_##name: return HWACCL_EXIT_##reason;
                ABSENT(X)
#undef X
        default: return 0;
        }
}

/* All have register operands only. */
unsigned take_young(const uint8_t *opcode, size_t size, const struct prefixes *prefixes, uint8_t *reason)
{
        bool reg = size >= 3 && opcode[0] == 0x0f && opcode[1] == 0xae && (opcode[2] & 0xf8) == 0xf0;

        if (reg && prefixes->repeat == REPEAT_NOT_EQUAL) {
                *reason = HWACCL_EXIT_UMWAIT;
                return 3;
        }
        if (reg && prefixes->repeat == REPEAT_NONE && prefixes->operand_size) {
                *reason = HWACCL_EXIT_TPAUSE;
                return 3;
        }
        if (size >= 4 && opcode[0] == 0x0f && opcode[1] == 0x38 && opcode[2] == 0xdc && opcode[3] >= 0xc0 &&
            prefixes->repeat == REPEAT_EQUAL) {
                *reason = HWACCL_EXIT_LOADIWKEY;
                return 4;
        }
        return 0;
}

/* String instructions by their opcode: Capstone gives MOVSD and CMPSD of SSE the same names. */
static enum operation string_operation(uint8_t opcode)
{
        switch (opcode & ~1) {
        case 0x6c: return OPERATION_INS;
        case 0x6e: return OPERATION_OUTS;
        case 0xa4: return OPERATION_MOVS;
        case 0xa6: return OPERATION_CMPS;
        case 0xaa: return OPERATION_STOS;
        case 0xac: return OPERATION_LODS;
        case 0xae: return OPERATION_SCAS;
        default: return OPERATION_NONE;
        }
}

/* By their bytes too: Capstone has not all of them in 16-bit code. */
static enum operation bit_or_condition_operation(const uint8_t *opcode, const struct prefixes *prefixes)
{
        bool counts = prefixes->repeat == REPEAT_EQUAL;

        if ((opcode[1] & 0xf0) == 0x90)
                return OPERATION_SETCC;
        if ((opcode[1] & 0xf0) == 0x40)
                return OPERATION_CMOVCC;
        switch (opcode[1]) {
        case 0xb8: return counts ? OPERATION_POPCNT : OPERATION_NONE;
        case 0xbc: return counts ? OPERATION_TZCNT : OPERATION_BSF;
        case 0xbd: return counts ? OPERATION_LZCNT : OPERATION_BSR;
        default: return OPERATION_NONE;
        }
}

enum operation operation_of(const cs_insn *decoded, const struct prefixes *prefixes, const uint8_t *opcode)
{
        enum operation string = string_operation(opcode[0]);

        if (string != OPERATION_NONE)
                return string;
        if (opcode[0] == 0x0f && opcode[1] >= 0x20 && opcode[1] <= 0x23) {
                static const enum operation moves[4] = {OPERATION_MOV_FROM_CR, OPERATION_MOV_FROM_DR,
                                                        OPERATION_MOV_TO_CR, OPERATION_MOV_TO_DR};
                return moves[opcode[1] - 0x20];
        }
        enum operation bits = opcode[0] == 0x0f ? bit_or_condition_operation(opcode, prefixes) : OPERATION_NONE;
        if (bits != OPERATION_NONE)
                return bits;
        if (opcode[0] == 0x8e)
                return OPERATION_MOV_TO_SEGMENT;
        if (decoded->id == X86_INS_IMUL && decoded->detail->x86.op_count > 1)
                return OPERATION_IMUL_REGISTER;
        /* Capstone calls it NOP in 16-bit code */
        if (opcode[0] == 0x90 && prefixes->repeat == REPEAT_EQUAL && !(prefixes->rex & REX_B))
                return OPERATION_PAUSE;
        switch (decoded->id) {
#define X(name, operation)                                                                                             \
        case X86_INS_##name: return OPERATION_##operation;
                OPERATIONS(X)
#undef X
        default: return OPERATION_NONE;
        }
}
