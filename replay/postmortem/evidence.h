/*
 * What is known about the end of one vCPU's recording, gathered once: how it ended, the last exits, the devices, the
 * console. The rules (rules.h) read it; beyond the last exits they ask the recording, with the functions below.
 */
#ifndef HWACCL_POSTMORTEM_EVIDENCE_H
#define HWACCL_POSTMORTEM_EVIDENCE_H

#include "core/machine/machine.h"
#include "hwaccl/error.h"
#include "hwaccl/recording.h"
#include "hwaccl/replay.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVIDENCE_EXITS       1024 /* the last ones */
#define EVIDENCE_PERIOD_MAX  64   /* exits of a loop */
#define EVIDENCE_DIVERGENCES 4
#define EVIDENCE_LINES       64 /* of the console: a panic's registers and calls come behind its text */
#define EVIDENCE_LINES_SHOWN 12 /* of them, the last ones */
#define EVIDENCE_IMAGES      32
#define EVIDENCE_NEVER       UINT64_MAX /* as an exit: none */

/* One of the last exits. */
struct evidence_exit {
        uint64_t number;
        struct hwaccl_subject_state entry;
        struct hwaccl_subject_state exit;
        struct hwaccl_known_fields entry_known;
        struct hwaccl_known_fields exit_known;
        bool offered;
        uint8_t vector; /* that was offered */
        bool settled;
        bool taken;
        bool outcome_known;
        enum hwaccl_outcome outcome;
        uint64_t entry_ns, guest_ns, handler_ns; /* host times */
        bool clock_known;
        uint64_t clock;     /* of the guest */
        uint32_t data_size; /* of what a port or device was written or answered, where it was recorded; 0: it was not */
        uint64_t data;      /* its first bytes */
        uint8_t code_size;
        uint8_t code[15]; /* of the instruction; as much as the handler read */
};

/* How the guest reached a device, or asked the processor something, in one exit. */
enum evidence_access_kind { ACCESS_NONE, ACCESS_PORT, ACCESS_MEMORY, ACCESS_MSR };

struct evidence_access {
        enum evidence_access_kind kind;
        bool write;
        bool fetch;
        bool string;
        unsigned size; /* bytes; 0: not known */
        uint64_t address;
        bool value_known;
        uint64_t value;
};

/* A line that the guest printed. */
struct evidence_line {
        uint64_t exit; /* of its last character */
        enum hwaccl_channel channel;
        char text[160]; /* safe to print */
};

struct evidence_image {
        char name[64]; /* "raw image guest.bin" */
        uint64_t address;
        uint64_t size;
};

/* A loop: the last exits repeat a sequence. */
struct evidence_loop {
        unsigned period;  /* exits; 0: there is none */
        uint64_t first;   /* exit at which it began */
        bool since_known; /* it did not begin earlier */
        uint64_t rounds;
        size_t start; /* of its last round: an index of evidence.exits */
};

struct evidence_divergence {
        uint64_t exit;
        char what[48];
        char recorded[48];
        char replayed[48];
};

struct hwaccl_evidence {
        struct hwaccl_recording *recording;
        const struct hwaccl_recording_info *info; /* own */
        struct hwaccl_recording_info own;         /* the recording's, with the end of this vCPU */
        bool ended_by_other;                      /* another vCPU ended the run */
        uint64_t silent_ns;                       /* from its last exit to the last one of all vCPUs */
        uint32_t vcpu;
        uint64_t first; /* exits of the vCPU: first to end - 1 */
        uint64_t end;
        char problem[200]; /* why the recording is incomplete; empty: it is not, or nobody knows */

        struct evidence_exit *exits; /* the last ones, oldest first */
        size_t exit_count;
        bool state_known;                  /* after the last exit's handling */
        struct hwaccl_subject_state state; /* that, or that of the last exit */
        struct hwaccl_known_fields known;

        struct replay_session *session; /* NULL: these exits cannot be replayed */
        char no_replay[200];            /* why */
        struct hwaccl_machine *machine; /* the devices after the last exit; NULL: not known */
        struct evidence_divergence divergence[EVIDENCE_DIVERGENCES];
        size_t divergence_count;

        struct evidence_loop loop;
        struct evidence_line line[EVIDENCE_LINES]; /* oldest first */
        size_t line_count;
        bool printed; /* anything */
        struct evidence_image image[EVIDENCE_IMAGES];
        size_t image_count;
        uint64_t memory_size; /* 0: not known */
        uint64_t firmware_size;
};

/**
 * hwaccl_evidence_gather - NULL with *error set when the recording is damaged. @recording must outlive it
 * @replayed: exits before the end that are replayed, for the devices there and for divergences
 */
struct hwaccl_evidence *hwaccl_evidence_gather(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t replayed,
                                               struct hwaccl_error *error);
void hwaccl_evidence_free(struct hwaccl_evidence *evidence);

/** hwaccl_evidence_last - the last exit; NULL: there is none */
const struct evidence_exit *hwaccl_evidence_last(const struct hwaccl_evidence *evidence);

/** hwaccl_evidence_field - value of a field at the end; false where it is not known */
bool hwaccl_evidence_field(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field, uint64_t *value);

/** hwaccl_evidence_shown - index of the first of the last lines that are shown */
static inline size_t hwaccl_evidence_shown(const struct hwaccl_evidence *evidence)
{
        return evidence->line_count > EVIDENCE_LINES_SHOWN ? evidence->line_count - EVIDENCE_LINES_SHOWN : 0;
}

/** evidence_reason - basic exit reason; UINT64_MAX where it is not known */
uint64_t evidence_reason(const struct evidence_exit *exit);

/** evidence_of_host - did the host cause the exit: external interrupt, preemption timer, window? */
bool evidence_of_host(const struct evidence_exit *exit);

/** evidence_access - what the exit at @index of evidence.exits accessed */
struct evidence_access evidence_access(const struct hwaccl_evidence *evidence, size_t index);

/** evidence_next_rip - RIP after the handling of the exit at @index; that of the exit where it is not known */
uint64_t evidence_next_rip(const struct hwaccl_evidence *evidence, size_t index);

/* evidence_pauses.c: times in which the vCPU's thread did not run, and did not wait for an interrupt either */

#define EVIDENCE_PAUSES   3
#define EVIDENCE_PAUSE_NS UINT64_C(1000000000) /* shorter ones do not count */

struct evidence_pause {
        uint64_t from, to; /* exits */
        uint64_t elapsed_ns;
        uint64_t idle_ns; /* of those */
};

struct evidence_pauses {
        struct evidence_pause pause[EVIDENCE_PAUSES]; /* longest first */
        size_t count;
        uint64_t elapsed_ns; /* of the whole recording, without waits */
        uint64_t idle_ns;
};

/** evidence_find_pauses - none where the recording has no processor times */
void evidence_find_pauses(const struct hwaccl_evidence *evidence, struct evidence_pauses *pauses);

/* evidence_text.c */

/** evidence_place - "0008:7c22h", or "ffffffff81000000h" in 64-bit code */
void evidence_place(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known, char *text,
                    size_t room);

/** evidence_instruction - the instruction that exited; "" where it was not read */
void evidence_instruction(const struct evidence_exit *exit, char *text, size_t room);

/** evidence_at - both: "0000:7c22h (in al, 0x61)" */
void evidence_at(const struct evidence_exit *exit, char *text, size_t room);

/** evidence_real_mode, evidence_code_bits (16, 32 or 64), evidence_linear_rip - of a state that is known */
bool evidence_real_mode(const struct hwaccl_subject_state *state);
unsigned evidence_code_bits(const struct hwaccl_subject_state *state);
uint64_t evidence_linear_rip(const struct hwaccl_subject_state *state);

/** evidence_region - "RAM outside every image", "no memory: the legacy VGA range …" for a guest-physical address */
const char *evidence_region(const struct hwaccl_evidence *evidence, uint64_t address);

/** evidence_is_loaded - was there an image or the firmware when the guest began? */
bool evidence_is_loaded(const struct hwaccl_evidence *evidence, uint64_t address);

/* evidence_device.c: devices at the end */

/** evidence_device - NULL where the machine does not have it, or its devices are not known */
const void *evidence_device(const struct hwaccl_evidence *evidence, const char *name);

/** evidence_port_owner, evidence_memory_owner - name of the device that claims a port, "" for none; NULL where it is
 * not known */
const char *evidence_port_owner(const struct hwaccl_evidence *evidence, uint16_t port);
const char *evidence_memory_owner(const struct hwaccl_evidence *evidence, uint64_t address);

/* evidence_spurious.c */

/** evidence_spurious - why @vector was, or may have been, spurious: its controller gives it when the request has gone
 * before it was acknowledged. NULL: it was not. Static string */
const char *evidence_spurious(const struct hwaccl_evidence *evidence, uint8_t vector);

/* evidence_history.c: before the last exits. Each looks at a limited number of exits, and returns EVIDENCE_NEVER for an
 * exit that is not among them. */

/** evidence_port_write - the last OUT that wrote @port; *value: the byte that it wrote there */
uint64_t evidence_port_write(const struct hwaccl_evidence *evidence, uint16_t port, uint64_t *value);

/** evidence_port_write_of - the last such OUT whose byte has @bits of @mask */
uint64_t evidence_port_write_of(const struct hwaccl_evidence *evidence, uint16_t port, uint64_t mask, uint64_t bits,
                                uint64_t *value);

/** evidence_line_change - the exit in which line @line last got @level */
uint64_t evidence_line_change(const struct hwaccl_evidence *evidence, unsigned line, bool level);

/** evidence_vector_taken - the exit before which @vector was taken last; *count: how often it was */
uint64_t evidence_vector_taken(const struct hwaccl_evidence *evidence, uint8_t vector, uint64_t *count);

/** evidence_bits_since - the first exit from which on the bits @mask of @field are always as at the end; of those kept
 * *bounded: they may have been so earlier */
uint64_t evidence_bits_since(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field, uint64_t mask,
                             bool *bounded);

/** evidence_writer - the latest of the last exits in which @field changed: its handling changed it, or the guest did
 * before that exit; EVIDENCE_NEVER: it did not change among them */
uint64_t evidence_writer(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field, bool *by_handler);

#endif
