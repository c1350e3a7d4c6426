/*
 * The processor's words in words: vectors, interruption information, exits, modes. They need no recording.
 */
#ifndef HWACCL_POSTMORTEM_WORDS_H
#define HWACCL_POSTMORTEM_WORDS_H

#include "hwaccl/known_fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Interruption information and IDT-vectoring information (SDM 3C, 25.8.3 and 25.9.2); SVM's EVENTINJ and EXITINTINFO
 * are of the same form but for the type of software interrupts (APM 2, 15.20). */
#define INTERRUPTION_VECTOR     0xffu
#define INTERRUPTION_TYPE       0x700u
#define INTERRUPTION_ERROR_CODE 0x800u
#define INTERRUPTION_VALID      0x80000000u

enum interruption_type {
        INTERRUPTION_EXTERNAL = 0,
        INTERRUPTION_RESERVED = 1,
        INTERRUPTION_NMI = 2,
        INTERRUPTION_HARDWARE_EXCEPTION = 3,
        INTERRUPTION_SOFTWARE_INTERRUPT = 4,
        INTERRUPTION_PRIVILEGED_EXCEPTION = 5,
        INTERRUPTION_SOFTWARE_EXCEPTION = 6,
        INTERRUPTION_OTHER = 7,
};

static inline enum interruption_type interruption_type(uint64_t word)
{
        return (enum interruption_type)((word & INTERRUPTION_TYPE) >> 8);
}

/** hwaccl_vector_name - "#GP", "NMI"; NULL for a vector without a name */
const char *hwaccl_vector_name(unsigned vector);

/** hwaccl_interruption_describe - "NMI", "#DF (vector 8, error code)"; "none" where the valid bit is clear.
 * Returns @text */
const char *hwaccl_interruption_describe(uint64_t word, char *text, size_t room);

/** hwaccl_svm_exit_describe - an SVM exit code (APM 2, appendix C): "ICEBP instruction"; false for a code without a
 * name */
bool hwaccl_svm_exit_describe(uint64_t code, char *text, size_t room);

/** hwaccl_vm_instruction_error - VM-instruction error number (SDM 3C, 31.4); NULL where it has no text here */
const char *hwaccl_vm_instruction_error(uint64_t number);

/** hwaccl_exit_describe - reason of a VMX exit, with what its qualification says where that is known: "I/O
 * instruction: OUT of 1 byte to port 64h" */
void hwaccl_exit_describe(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known, char *text,
                          size_t room);

/** hwaccl_port_name - the device that PCs have at an I/O port: "COM1"; NULL where none is usual */
const char *hwaccl_port_name(uint16_t port);

/** hwaccl_device_memory_name - the same of a guest-physical address that is no RAM: "local APIC" */
const char *hwaccl_device_memory_name(uint64_t address);

enum hwaccl_mode {
        HWACCL_MODE_UNKNOWN,
        HWACCL_MODE_REAL,
        HWACCL_MODE_VIRTUAL_8086,
        HWACCL_MODE_PROTECTED,
        HWACCL_MODE_COMPATIBILITY,
        HWACCL_MODE_LONG, /* 64-bit code */
};

/** hwaccl_mode - of the processor, as far as the known fields tell */
enum hwaccl_mode hwaccl_mode(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known);

/** hwaccl_mode_code_bits - 16, 32 or 64; 0: not known */
unsigned hwaccl_mode_code_bits(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known);

/** hwaccl_mode_describe - "protected mode, 32-bit code, ring 0, PAE paging" */
void hwaccl_mode_describe(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known, char *text,
                          size_t room);

/** hwaccl_register_value - of a general register or its part, by its name of @length letters ("al", "r8d"); *size: of
 * the part, in bytes. False for other names */
bool hwaccl_register_value(const struct hwaccl_subject_state *state, const char *name, size_t length, uint64_t *value,
                           unsigned *size);

#endif
