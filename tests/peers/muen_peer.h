/*
 * A program that stands in for Muen's separation kernel: it makes the subject directory that hwaccl/accel_muen.h
 * describes, and runs the subject. Everything about the pages is written here anew from that description; of the
 * project's library it uses the soft accelerator, as the processor that runs the guest, and nothing else.
 */
#ifndef HWACCL_TESTS_PEERS_MUEN_PEER_H
#define HWACCL_TESTS_PEERS_MUEN_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What it does wrong, for the other side to notice. FAULT(name, identifier, what): those up to FAULT_RUN are there from
 * the start, those behind it happen at one exit. */
#define MUEN_PEER_FAULTS(FAULT)                                                                                        \
        FAULT("none", NONE, "nothing")                                                                                 \
        FAULT("wrong-magic", WRONG_MAGIC, "subject info of another variant")                                           \
        FAULT("short-info", SHORT_INFO, "subject info of 4096 bytes")                                                  \
        FAULT("bad-index", BAD_INDEX, "a resource that refers to a memory region that is not there")                   \
        FAULT("no-tsc", NO_TSC, "a TSC frequency of zero")                                                             \
        FAULT("short-state", SHORT_STATE, "monitor_state of 512 bytes")                                                \
        FAULT("no-state", NO_STATE, "no file monitor_state")                                                           \
        FAULT("short-interrupts", SHORT_INTERRUPTS, "monitor_interrupts of 32 bytes")                                  \
        FAULT("no-timed-event", NO_TIMED_EVENT, "no memory region monitor_timed_event in subject info")                \
        FAULT("no-ram", NO_RAM, "no memory region vm_ram_3 in subject info")                                           \
        FAULT("short-ram", SHORT_RAM, "a file vm_ram_4 that is shorter than its region")                               \
        FAULT("ram-gap", RAM_GAP, "a gap between vm_ram_2 and vm_ram_3")                                               \
        FAULT("no-image", NO_IMAGE, "neither vm_firmware nor vm_image in subject info")                                \
        FAULT("no-doorbell", NO_DOORBELL, "no doorbell_exit")                                                          \
        FAULT("deaf", DEAF, "nobody opens the doorbells")                                                              \
        FAULT("", RUN, "")                                                                                             \
        FAULT("die", DIE, "it is killed while the subject runs")                                                       \
        FAULT("die-writing", DIE_WRITING, "it is killed when half of the state is written")                            \
        FAULT("die-unrung", DIE_UNRUNG, "it is killed when the state is written")                                      \
        FAULT("die-rung", DIE_RUNG, "it is killed when it has rung for the exit")                                      \
        FAULT("cut-state", CUT_STATE, "monitor_state becomes empty")                                                   \
        FAULT("cut-timed-event", CUT_TIMED_EVENT, "monitor_timed_event becomes empty")                                 \
        FAULT("cut-ram", CUT_RAM, "vm_ram_1 becomes empty")                                                            \
        FAULT("silent", SILENT, "it goes on for ever")                                                                 \
        FAULT("ring-early", RING_EARLY, "it rings before there is an exit")                                            \
        FAULT("ring-twice", RING_TWICE, "it rings twice for one exit")                                                 \
        FAULT("half-ring", HALF_RING, "it writes 4 bytes to the doorbell")                                             \
        FAULT("reserved-rights", RESERVED_RIGHTS, "reserved bits in the access rights of DS")                          \
        FAULT("both-blockings", BOTH_BLOCKINGS, "blocking by STI and by MOV SS at once")                               \
        FAULT("smi-blocking", SMI_BLOCKING, "blocking by SMI")                                                         \
        FAULT("unusable-cs", UNUSABLE_CS, "CS unusable")                                                               \
        FAULT("unusable-tr", UNUSABLE_TR, "TR unusable")                                                               \
        FAULT("available-tss", AVAILABLE_TSS, "a TSS in TR that is not busy")                                          \
        FAULT("wide-selector", WIDE_SELECTOR, "a selector in ES of more than 16 bits")                                 \
        FAULT("wide-limit", WIDE_LIMIT, "a limit of IDTR of more than 16 bits")                                        \
        FAULT("long-instruction", LONG_INSTRUCTION, "an instruction of 16 bytes")                                      \
        FAULT("wrong-cr0", WRONG_CR0, "CR0.NE clear, which is the VMM's bit")                                          \
        FAULT("wrong-cr4", WRONG_CR4, "CR4.VMXE clear, which is the VMM's bit")                                        \
        FAULT("wrong-rflags", WRONG_RFLAGS, "bit 1 of RFLAGS clear")                                                   \
        FAULT("unknown-reason", UNKNOWN_REASON, "exit reason 35, which there is not")                                  \
        FAULT("wild-reason", WILD_REASON, "exit reason deadbeef5aa5h")                                                 \
        FAULT("entry-failure", ENTRY_FAILURE, "an entry failure without a reason for one")                             \
        FAULT("other-reason", OTHER_REASON, "any reason but the true one, at every exit")                              \
        FAULT("garbage", GARBAGE, "a state of random bytes")                                                           \
        FAULT("likely-garbage", LIKELY_GARBAGE, "states with random bytes that may pass for one, at every exit")       \
        FAULT("other-interrupts", OTHER_INTERRUPTS, "bits in monitor_interrupts that nobody has set")

enum muen_peer_fault {
#define X(name, identifier, what) FAULT_##identifier,
        MUEN_PEER_FAULTS(X)
#undef X
                FAULT_COUNT
};

#define RAW_MAX     4
#define RAM_PARTS   4
#define PATH_LENGTH 512

struct peer_image {
        const char *path;
        uint64_t address;
};

struct peer {
        const char *directory;
        uint64_t memory_size;
        struct peer_image firmware; /* path NULL: none */
        struct peer_image raw[RAW_MAX];
        size_t raw_count; /* 0, and no firmware: the other side brings a kernel */
        bool eventfd;     /* doorbells are eventfds that the command inherits, else FIFOs */
        enum muen_peer_fault fault;
        uint64_t fault_exit;
        uint64_t seed;

        uint64_t tsc_khz;
        uint8_t *ram;
        uint8_t *firmware_bytes;
        size_t firmware_size;
        uint64_t image_size;

        int bell_run;
        int bell_exit;
        int bell_poke;
};

/* Complain in one line and end. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** peer_path - DIRECTORY/name in a buffer that the next call overwrites */
const char *peer_path(const struct peer *peer, const char *name);

/** pages_make - the files of the subject directory, with RAM and images in place */
void pages_make(struct peer *peer);
/** pages_remove - what pages_make() and doorbells made, and the directory */
void pages_remove(const struct peer *peer);

/** subject_serve - run the subject whenever the other side says so, until it is gone */
void subject_serve(struct peer *peer) __attribute__((noreturn));

uint64_t peer_tsc(void);

#endif
