/*
 * The machine: memory, bus, devices and one virtual CPU, and the run loop that handles exits until the guest ends.
 */
#ifndef HWACCL_MACHINE_H
#define HWACCL_MACHINE_H

#include "core/accel/accel.h"
#include "core/exit/emulate/emulator.h"
#include "core/host/guest_memory.h"
#include "core/host/host.h"
#include "core/loop/vcpu.h"
#include "core/machine/board/bus.h"
#include "core/machine/cpu/processor.h"
#include "core/machine/loader/loader.h"
#include "hwaccl/error.h"

/* How a guest ended. Recorded; numbers are part of the database schema and never change meaning. */
enum hwaccl_end {
        HWACCL_END_NONE = 0,      /* still running */
        HWACCL_END_EXIT_CODE = 1, /* it wrote its exit code to the debug-exit port */
        HWACCL_END_HALTED =
                2, /* HLT with interrupts off, or with no device that could interrupt: nothing can wake it */
        HWACCL_END_TRIPLE_FAULT = 3,
        HWACCL_END_RESET = 4,         /* it asked for a reset (ports 60h and 64h, 92h, cf9h) */
        HWACCL_END_ENTRY_FAILURE = 5, /* the processor refused its state */
        HWACCL_END_ERROR = 6,         /* hwaccl could not go on: see the error */
        HWACCL_END_STOPPED = 7,       /* someone outside asked for it: see enum hwaccl_stop_request */
        HWACCL_END_POWER_OFF = 8,     /* it switched itself off (ACPI S5) */
        HWACCL_END_RECORDER_DIED = 9, /* the process that ran and recorded it died; of recovered recordings only */
        HWACCL_END_COUNT
};

/** hwaccl_end_name - "triple fault"; "unknown" for a number out of range */
const char *hwaccl_end_name(unsigned end);

/* RAM is [0, HWACCL_LOW_MEMORY_END) and [HWACCL_HIGH_MEMORY_START, memory size); between them a VGA would be. */
#define HWACCL_LOW_MEMORY_END    UINT64_C(0xa0000)
#define HWACCL_HIGH_MEMORY_START UINT64_C(0xc0000)

#define HWACCL_RAW_MAX (HWACCL_LOADER_PIECE_MAX + 8) /* what a loader made, and some images beside it */

/* Bytes copied to guest memory: a raw image, or a piece of a kernel that a loader laid out. */
struct hwaccl_raw_image {
        uint64_t address;
        const uint8_t *data;
        size_t size;
};

#define HWACCL_DISK_MAX         4
#define HWACCL_DISK_SECTOR_SIZE 512u

/* A disk as the guest sees it. Its contents are inputs: see hwaccl_host_disk_read(). */
struct hwaccl_disk {
        uint64_t sectors; /* of 512 bytes; not 0, and at most 2^48 */
        bool read_only;   /* commands that write are aborted */
};

/* What the guest is. Everything that exit handling depends on is here and goes into the recording's options. */
struct hwaccl_machine_config {
        uint64_t memory_size; /* bytes of RAM: HWACCL_MEMORY_SIZE_MIN to _MAX, a multiple of the page size */
        uint64_t tsc_khz;     /* of the guest's TSC, not 0 */
        bool backed;          /* false for a replay: the memory map without bytes */

        /* RAM is [0, a0000h) and [c0000h, memory_size), the BIOS area included, whatever the PAM registers say; A20 is
         * always on. a0000h-bffffh, where a VGA would be, and everything else is unclaimed: it reads as ones */

        /* firmware ends at 4 GiB, and its last 128 KiB stand at 0xe0000 too; NULL for none. 64 KiB to 16 MiB, a
         * multiple of 64 KiB. A replay has the size only. */
        const uint8_t *firmware;
        size_t firmware_size;

        /* Copied after the firmware, in order. A replay has addresses and sizes only, and may lack a kernel's pieces */
        struct hwaccl_raw_image raw[HWACCL_RAW_MAX];
        size_t raw_count;

        /* ATA disks: devices 0 and 1 of the primary channel, then those of the secondary one. Without disks there is
         * no IDE controller */
        struct hwaccl_disk disk[HWACCL_DISK_MAX];
        size_t disk_count;

        /* Without firmware: where the processor starts. In real mode that is the first raw image, which must lie below
         * 1 MiB (below 64 KiB with CS = 0, else with CS = address / 16), with SP = 7000h and the reset state in
         * everything else. A kernel is entered in protected or long mode, its caches and MTRRs enabled (write-back), TR
         * and IDTR as at reset, LDTR null. The PICs deliver nothing before they are initialized */
        struct hwaccl_entry entry;

        /* Memory that another party lends, page aligned: memory_size bytes of RAM, in which raw images without data lie
         * already, and firmware_size bytes of firmware, which are only read. Both must outlive the machine. NULL: the
         * machine gets memory of its own, and copies the firmware */
        uint8_t *lent_ram;
        const uint8_t *lent_firmware;
};

struct hwaccl_machine {
        struct hwaccl_machine_config config;
        struct hwaccl_guest_memory memory;
        struct hwaccl_bus bus;
        struct hwaccl_host host;
        struct hwaccl_subject_state state __attribute__((aligned(64)));
        struct hwaccl_pending_interrupts pending;
        struct hwaccl_vcpu vcpu;
        struct hwaccl_processor processor;
        struct hwaccl_emulator *emulator;
        struct hwaccl_interrupt_source *pic;
        /* every device that has state, the processor among them, in a fixed order; the machine owns them */
        struct hwaccl_device *device[HWACCL_BUS_DEVICE_MAX];
        size_t device_count;
        enum hwaccl_end end;
        uint64_t exit_code; /* of HWACCL_END_EXIT_CODE; the stop request of HWACCL_END_STOPPED */
};

/**
 * hwaccl_machine_create - build the machine at its reset state
 *
 * Copies images into guest memory; the config's buffers may go afterwards. Returns NULL with *error set when a size is
 * out of range or memory is short. Attach an accelerator and inputs before running.
 */
struct hwaccl_machine *hwaccl_machine_create(const struct hwaccl_machine_config *config, struct hwaccl_error *error);
void hwaccl_machine_destroy(struct hwaccl_machine *machine);

/** hwaccl_machine_attach - who runs it, what it reads, who watches (NULL: nobody). None is owned; all must outlive the
 * run */
void hwaccl_machine_attach(struct hwaccl_machine *machine, struct hwaccl_accel *accel, struct hwaccl_inputs *inputs,
                           struct hwaccl_probe *probe);

/**
 * hwaccl_machine_step - one trip and the handling of its exit, wait of a halted guest included
 *
 * Order within an exit: devices are advanced to the guest clock; after an external interrupt, what was typed is taken;
 * the verdict is carried out; a halted guest waits; a stop request is heeded; the end, if it is one, goes to the probe
 * as an effect; the probe's handled() comes last. A trip that the accelerator could not make leaves no exit behind.
 *
 * Returns false when the guest has ended: machine->end says how. *error is set for HWACCL_END_ERROR and
 * HWACCL_END_ENTRY_FAILURE.
 */
bool hwaccl_machine_step(struct hwaccl_machine *machine, struct hwaccl_error *error);

/** hwaccl_machine_run - step until the guest has ended, then hand the closing state to the probe */
enum hwaccl_end hwaccl_machine_run(struct hwaccl_machine *machine, struct hwaccl_error *error);

/** hwaccl_machine_close - give the probe the state after the last exit's handling (transfer in without a run) */
void hwaccl_machine_close(struct hwaccl_machine *machine);

/* For devices. Lines 0-15 of the two PICs; ending the guest takes effect when the exit being handled is done. */
void hwaccl_machine_set_irq_line(struct hwaccl_machine *machine, unsigned line, bool level);
void hwaccl_machine_stop(struct hwaccl_machine *machine, enum hwaccl_end end, uint64_t code);

#endif
