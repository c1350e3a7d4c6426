#include "qualification.h"

#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const registers[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

/* SDM 3C, table 28-5 */
static void describe_io(uint64_t q, char *text, size_t room)
{
        unsigned bytes = (unsigned)(q & 7) + 1;
        const char *name = q & 0x10 ? (q & 8 ? "ins" : "outs") : (q & 8 ? "in" : "out");

        (void)snprintf(text, room, "%s%s 0x%" PRIx64 ", %u byte%s", q & 0x20 ? "rep " : "", name, q >> 16 & 0xffff,
                       bytes, bytes == 1 ? "" : "s");
}

/* SDM 3C, table 28-3 */
static void describe_control_register(uint64_t q, char *text, size_t room)
{
        unsigned number = (unsigned)q & 15;
        const char *other = registers[q >> 8 & 15];

        switch (q >> 4 & 3) {
        case 0: (void)snprintf(text, room, "cr%u := %s", number, other); break;
        case 1: (void)snprintf(text, room, "%s := cr%u", other, number); break;
        case 2: (void)snprintf(text, room, "clts"); break;
        default:
                (void)snprintf(text, room, "lmsw 0x%" PRIx64 "%s", q >> 16 & 0xffff, q & 0x40 ? " (memory)" : "");
                break;
        }
}

/* SDM 3C, table 28-4 */
static void describe_debug_register(uint64_t q, char *text, size_t room)
{
        if (q & 0x10)
                (void)snprintf(text, room, "%s := dr%u", registers[q >> 8 & 15], (unsigned)q & 7);
        else
                (void)snprintf(text, room, "dr%u := %s", (unsigned)q & 7, registers[q >> 8 & 15]);
}

/* SDM 3C, table 28-7 */
static void describe_ept_violation(const struct hwaccl_subject_state *state, char *text, size_t room)
{
        uint64_t q = state->exit_qualification;
        const char *access = q & 4 ? "fetch" : q & 2 ? (q & 1 ? "read and write" : "write") : q & 1 ? "read" : "access";
        (void)snprintf(text, room, "%s 0x%" PRIx64, access, state->guest_physical_address);
}

void cli_describe_qualification(const struct hwaccl_subject_state *state, char *text, size_t room)
{
        static const char *const sources[] = {"CALL", "IRET", "JMP", "task gate"};
        uint64_t q = state->exit_qualification;

        text[0] = '\0';
        switch (state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK) {
        case HWACCL_EXIT_IO_INSTRUCTION: describe_io(q, text, room); break;
        case HWACCL_EXIT_CONTROL_REGISTER: describe_control_register(q, text, room); break;
        case HWACCL_EXIT_MOV_DR: describe_debug_register(q, text, room); break;
        case HWACCL_EXIT_EPT_VIOLATION: describe_ept_violation(state, text, room); break;
        case HWACCL_EXIT_INVLPG: (void)snprintf(text, room, "0x%" PRIx64, q); break;
        case HWACCL_EXIT_TASK_SWITCH:
                (void)snprintf(text, room, "%s to 0x%" PRIx64, sources[q >> 30 & 3], q & 0xffff);
                break;
        case HWACCL_EXIT_EXTERNAL_INTERRUPT:
        case HWACCL_EXIT_EXCEPTION_OR_NMI:
                if (state->interrupt_information >> 31 & 1)
                        (void)snprintf(text, room, "vector 0x%02" PRIx64, state->interrupt_information & 0xff);
                break;
        default:
                if (q)
                        (void)snprintf(text, room, "0x%" PRIx64, q);
                break;
        }
}
