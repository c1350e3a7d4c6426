/*
 * The machine that the guest sees: memory, bus, devices and what a processor holds beside the subject state. The
 * virtual CPU that runs on it is core/loop's.
 */
#ifndef HWACCL_MACHINE_H
#define HWACCL_MACHINE_H

#include "core/host/guest_memory.h"
#include "core/host/host.h"
#include "core/irq/trap_manager.h"
#include "core/machine/board/board.h"
#include "core/machine/loader/loader.h"
#include "core/subject/machine_context.h"
#include "hwaccl/error.h"
#include "hwaccl/event.h"

#define HWACCL_RAW_MAX (HWACCL_LOADER_PIECE_MAX + 8) /* pieces of a loader, and some images */

/* Bytes copied to guest memory: a raw image, or a piece of a kernel that a loader laid out. */
struct hwaccl_raw_image {
        uint64_t address;
        const uint8_t *data;
        size_t size;
};

/** hwaccl_machine_kind_name - "pic" or "apic"; "" for recordings that do not say */
const char *hwaccl_machine_kind_name(enum hwaccl_machine_kind kind);

/* What the guest is. Everything that exit handling depends on is here and goes into the recording's options. */
struct hwaccl_machine_config {
        uint64_t memory_size; /* bytes of RAM: HWACCL_MEMORY_SIZE_MIN to _MAX, a multiple of the page size */
        uint64_t tsc_khz;     /* of the guest's TSC, not 0 */
        enum hwaccl_machine_kind kind;
        bool testdev; /* the test device is there */
        bool backed;  /* false for a replay: the memory map without bytes */

        /* RAM is [0, a0000h) and [c0000h, memory_size), including the BIOS area, regardless of the PAM registers; A20
         * is always on. a0000h-bffffh, where a VGA would be, and everything else is unclaimed: it reads as ones */

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

        /* With firmware: a Linux image's real-mode segment, in one of the raw images, which firmware is to start
         * (loader/setup_rom.h); 0: none */
        uint64_t setup_address;

        /* Without firmware: where the processor starts. In real mode that is the first raw image, which must lie below
         * 1 MiB (below 64 KiB with CS = 0, else with CS = address / 16), with SP = 7000h and the reset state in
         * everything else. A kernel is entered in protected or long mode, its caches and MTRRs enabled (write-back), TR
         * and IDTR as at reset, LDTR null. The PICs deliver nothing before they are initialized, and the local APIC
         * is a virtual wire for them, both as firmware leaves them */
        struct hwaccl_entry_point entry;

        /* Memory provided by the caller, page aligned: memory_size bytes of RAM, in which raw images without data are
         * already, and firmware_size bytes of firmware, which are only read. Both must outlive the machine. NULL: the
         * machine allocates its own memory, and copies the firmware */
        uint8_t *lent_ram;
        const uint8_t *lent_firmware;
};

struct hwaccl_board;
struct hwaccl_device;
struct hwaccl_machine;
struct hwaccl_processor;

/**
 * hwaccl_machine_create - build the machine at its reset state
 *
 * Copies images into guest memory; the config's buffers may go afterwards. Returns NULL with *error set when a size is
 * out of range or memory is short. hwaccl_vcpu_create() adds the virtual CPU.
 */
struct hwaccl_machine *hwaccl_machine_create(const struct hwaccl_machine_config *config, struct hwaccl_error *error);
void hwaccl_machine_destroy(struct hwaccl_machine *machine);

/** hwaccl_machine_memory, hwaccl_machine_processor - parts of the machine, for accelerators and inputs */
struct hwaccl_guest_memory *hwaccl_machine_memory(struct hwaccl_machine *machine);
struct hwaccl_processor *hwaccl_machine_processor(struct hwaccl_machine *machine);

/** hwaccl_machine_devices - every device that has state, the processor among them, in a fixed order; all are the
 * machine's */
struct hwaccl_device *const *hwaccl_machine_devices(struct hwaccl_machine *machine, size_t *count);

/** hwaccl_machine_end, hwaccl_machine_exit_code - how the guest ended: the code of HWACCL_END_EXIT_CODE, the stop
 * request of HWACCL_END_STOPPED */
enum hwaccl_end hwaccl_machine_end(const struct hwaccl_machine *machine);
uint64_t hwaccl_machine_exit_code(const struct hwaccl_machine *machine);

/** hwaccl_machine_resume - forget that the guest ended or halted, for a replay whose recording goes on */
void hwaccl_machine_resume(struct hwaccl_machine *machine);

/* For the vCPU. */

/**
 * hwaccl_machine_connect - the vCPU's parts that devices and processor work on
 * @context: gets the state of the configured entry
 * @traps: gets the machine's interrupt controller
 */
void hwaccl_machine_connect(struct hwaccl_machine *machine, struct hwaccl_host *host,
                            struct hwaccl_machine_context *context, struct hwaccl_trap_manager *traps);

struct hwaccl_board *hwaccl_machine_board(struct hwaccl_machine *machine);

/** hwaccl_machine_has_init, hwaccl_machine_take_init - did an INIT arrive at the processor? Reset it accordingly */
bool hwaccl_machine_has_init(const struct hwaccl_machine *machine);
void hwaccl_machine_take_init(struct hwaccl_machine *machine);

/** hwaccl_machine_set_halted - the processor waits in HLT, or no longer */
void hwaccl_machine_set_halted(struct hwaccl_machine *machine, bool halted);

/** hwaccl_machine_poll_console - take what was typed, as far as there is room */
void hwaccl_machine_poll_console(struct hwaccl_machine *machine);

/** hwaccl_machine_console_can_wake - would a character that is typed interrupt the processor?
 * @enabled: RFLAGS.IF */
bool hwaccl_machine_console_can_wake(const struct hwaccl_machine *machine, bool enabled);

#endif
