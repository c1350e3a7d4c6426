/*
 * A dump of a guest's state as a VMM prints it, pasted by a user: read into a subject state with its known fields, and
 * what else such dumps hold. The text is untrusted.
 *
 * Formats, by their public sources: dump_vmcs() and dump_vmcb() of Linux' KVM, vmcs_dump_vcpu() of Xen,
 * kvm_handle_internal_error() and x86_cpu_dump_state() of QEMU, cpumR3InfoOne() of VirtualBox, vm exits of bhyve,
 * Muen's subject state, and `hwaccl state --json`.
 */
#ifndef HWACCL_POSTMORTEM_DUMP_H
#define HWACCL_POSTMORTEM_DUMP_H

#include "hwaccl/error.h"
#include "hwaccl/known_fields.h"
#include "replay/postmortem/words/code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HWACCL_DUMP_SIZE_MAX (16u << 20) /* bytes of text */

enum hwaccl_dump_format {
        HWACCL_DUMP_NONE,
        HWACCL_DUMP_VMCS, /* Linux and Xen */
        HWACCL_DUMP_VMCB,
        HWACCL_DUMP_QEMU,
        HWACCL_DUMP_VIRTUALBOX,
        HWACCL_DUMP_BHYVE,
        HWACCL_DUMP_MUEN,
        HWACCL_DUMP_JSON,
        HWACCL_DUMP_FORMAT_COUNT
};

/* What a dump may hold that is no field of the subject state: X(identifier, name). */
#define HWACCL_DUMP_WORDS(X)                                                                                           \
        X(ENTRY_INFORMATION, "VM-entry interruption information")                                                      \
        X(ENTRY_ERROR_CODE, "VM-entry exception error code")                                                           \
        X(ENTRY_LENGTH, "VM-entry instruction length")                                                                 \
        X(EXIT_ERROR_CODE, "VM-exit interruption error code")                                                          \
        X(VECTORING_INFORMATION, "IDT-vectoring information")                                                          \
        X(VECTORING_ERROR_CODE, "IDT-vectoring error code")                                                            \
        X(ACTIVITY, "activity state")                                                                                  \
        X(DR7, "DR7")                                                                                                  \
        X(PENDING_DEBUG, "pending debug exceptions")                                                                   \
        X(DEBUG_CONTROL, "IA32_DEBUGCTL")                                                                              \
        X(LINK_POINTER, "VMCS link pointer")                                                                           \
        X(PIN_CONTROLS, "pin-based VM-execution controls")                                                             \
        X(PROCESSOR_CONTROLS, "processor-based VM-execution controls")                                                 \
        X(SECONDARY_CONTROLS, "secondary processor-based VM-execution controls")                                       \
        X(ENTRY_CONTROLS, "VM-entry controls")                                                                         \
        X(EXIT_CONTROLS, "VM-exit controls")                                                                           \
        X(SUBERROR, "KVM internal error")                                                                              \
        X(HARDWARE_ERROR, "hardware error")                                                                            \
        X(VIRTUALBOX_ERROR, "HM error")                                                                                \
        X(SVM_EXIT_CODE, "SVM exit code")                                                                              \
        X(SVM_EXIT_INFORMATION_1, "EXITINFO1")                                                                         \
        X(SVM_EXIT_INFORMATION_2, "EXITINFO2")                                                                         \
        X(SVM_EXIT_INTERRUPT, "EXITINTINFO")                                                                           \
        X(SVM_EVENT_INJECTION, "EVENTINJ")                                                                             \
        X(SVM_ASID, "ASID")                                                                                            \
        X(INHIBITED, "interrupts inhibited")                                                                           \
        X(SMM, "system-management mode")                                                                               \
        X(HALTED, "halted")

enum hwaccl_dump_word {
#define X(identifier, name) HWACCL_DUMP_##identifier,
        HWACCL_DUMP_WORDS(X)
#undef X
                HWACCL_DUMP_WORD_COUNT
};

_Static_assert(HWACCL_DUMP_WORD_COUNT <= 32, "a bit for each");

#define HWACCL_DUMP_EXTRA_MAX 16

struct hwaccl_dump {
        enum hwaccl_dump_format format;
        struct hwaccl_subject_state state;
        struct hwaccl_known_fields known;
        uint64_t word[HWACCL_DUMP_WORD_COUNT];
        uint32_t words_known;
        uint64_t extra[HWACCL_DUMP_EXTRA_MAX]; /* "extra data" of a KVM internal error */
        unsigned extra_count;
        struct hwaccl_code code;
        bool code_unreadable; /* the VMM could not read the byte at RIP */
        bool entry_refused;   /* the text says so */
        bool triple_fault;    /* the text says so */
        unsigned further;     /* dumps behind it, which are not read */
};

/**
 * hwaccl_dump_read - recognise the format and read one dump of a text
 * @number: which, from 1 on, where there are several: one for each vCPU, or each failure
 *
 * Returns false with *error set when nothing of it is understood, or a value in it is none; the error names the line.
 */
bool hwaccl_dump_read(const void *text, size_t size, uint64_t number, struct hwaccl_dump *dump,
                      struct hwaccl_error *error);

/** hwaccl_dump_format_name - "QEMU" */
const char *hwaccl_dump_format_name(enum hwaccl_dump_format format);

static inline bool hwaccl_dump_has(const struct hwaccl_dump *dump, enum hwaccl_dump_word word)
{
        return dump->words_known >> word & 1;
}

/** hwaccl_dump_word_name - "DR7" */
const char *hwaccl_dump_word_name(enum hwaccl_dump_word word);

/** hwaccl_dump_is_guest_view - does the dump show CR0 and CR4 as the guest sees them, without what VT-x demands? */
bool hwaccl_dump_is_guest_view(const struct hwaccl_dump *dump);

#endif
