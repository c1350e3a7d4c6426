/*
 * The host as exit handling sees it: the only interface between the handling and the outside (the determinism
 * contract). Every value read is reported to the probe as an input, every action as an effect. Nothing under
 * core/exit, core/irq or core/machine reads time, memory, terminals or files in any other way.
 *
 * Handlers need not check each call: the host keeps the first failure, later reads return zeros, and the run loop ends
 * the guest with the first error as soon as the handler returns.
 */
#ifndef HWACCL_HOST_H
#define HWACCL_HOST_H

#include "core/host/guest_memory.h"
#include "core/host/inputs.h"
#include "core/host/probe.h"
#include "core/subject/floating_point.h"

struct hwaccl_host {
        struct hwaccl_inputs *inputs;
        struct hwaccl_probe *probe; /* NULL: no probe */
        struct hwaccl_guest_memory *memory;
        /* output of the guest's console, in addition to the probe; NULL: none */
        void (*console)(void *opaque, enum hwaccl_channel channel, const void *data, size_t size);
        void *console_opaque;
        /* called for every range of guest memory that a handler wrote, for accelerators that cache code; may be NULL */
        void (*memory_written)(void *opaque, uint64_t address, uint64_t size);
        void *memory_written_opaque;
        /* the accelerator's registers; NULL: it does not give them */
        bool (*floating_point_read)(void *opaque, struct hwaccl_floating_point *state, struct hwaccl_error *error);
        bool (*floating_point_write)(void *opaque, const struct hwaccl_floating_point *state,
                                     struct hwaccl_error *error);
        void *floating_point_opaque;
        uint64_t now_ns; /* guest clock of this exit */
        bool failed;
        struct hwaccl_error error; /* the first failure, when failed */
};

void hwaccl_host_init(struct hwaccl_host *host, struct hwaccl_inputs *inputs, struct hwaccl_probe *probe,
                      struct hwaccl_guest_memory *memory);

/** hwaccl_host_fail - record an error; the first one is kept */
void hwaccl_host_fail(struct hwaccl_host *host, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** hwaccl_host_sample_clock - read the guest clock for this exit; called by the run loop once after each exit */
void hwaccl_host_sample_clock(struct hwaccl_host *host);

/** hwaccl_host_clock - guest clock of the current exit, ns since the guest started; constant during an exit
 */
static inline uint64_t hwaccl_host_clock(const struct hwaccl_host *host)
{
        return host->now_ns;
}

/** hwaccl_host_wait - wait, for a halted guest, until deadline_ns or an asynchronous input; updates the guest
 * clock */
void hwaccl_host_wait(struct hwaccl_host *host, uint64_t deadline_ns);

/** hwaccl_host_guest_memory_read - guest RAM or ROM at a guest-physical address; any size. False where part of the
 * range is neither */
bool hwaccl_host_guest_memory_read(struct hwaccl_host *host, uint64_t address, void *buffer, size_t size);

/**
 * hwaccl_host_table_read, hwaccl_host_table_walked - the same for page tables: read each entry, and at the end of the
 * walk report all of them to the probe at once. False if there is no memory, or it cannot be read
 */
bool hwaccl_host_table_read(struct hwaccl_host *host, uint64_t address, void *buffer, size_t size);
void hwaccl_host_table_walked(struct hwaccl_host *host, const struct hwaccl_table_entry *entry, size_t count,
                              uint32_t size);

/** hwaccl_host_instruction_read - the same for the bytes of the instruction that exited (at most 15) */
bool hwaccl_host_instruction_read(struct hwaccl_host *host, uint64_t address, void *buffer, size_t size);

/** hwaccl_host_guest_memory_write - write guest RAM; writes to ROM are dropped as the hardware drops them. False where
 * part is unmapped */
bool hwaccl_host_guest_memory_write(struct hwaccl_host *host, uint64_t address, const void *data, size_t size);

/** hwaccl_host_floating_point_read - the registers of FPU and SSE; false: the accelerator does not give them */
bool hwaccl_host_floating_point_read(struct hwaccl_host *host, struct hwaccl_floating_point *state);

/** hwaccl_host_floating_point_write - change them, after a read of the same exit */
void hwaccl_host_floating_point_write(struct hwaccl_host *host, const struct hwaccl_floating_point *state);

/** hwaccl_host_console_write, hwaccl_host_console_read - characters from and to the guest; read returns the count,
 * never waits */
void hwaccl_host_console_write(struct hwaccl_host *host, enum hwaccl_channel channel, const void *data, size_t size);
size_t hwaccl_host_console_read(struct hwaccl_host *host, enum hwaccl_channel channel, void *buffer, size_t room);

/** hwaccl_host_wall_time - seconds since 1970 UTC at the guest's start */
uint64_t hwaccl_host_wall_time(struct hwaccl_host *host);

/** hwaccl_host_stop_requested - whether the guest is to stop, and why */
enum hwaccl_stop_request hwaccl_host_stop_requested(struct hwaccl_host *host);

/**
 * hwaccl_host_disk_read, hwaccl_host_disk_write, hwaccl_host_disk_flush - access sectors of a disk of the machine
 * @offset: bytes
 * @size: a multiple of 512, at most HWACCL_INPUT_SIZE_MAX
 *
 * False on a host error: an I/O error, a full file system, a truncated image. A read then
 * returns zeros.
 */
bool hwaccl_host_disk_read(struct hwaccl_host *host, unsigned disk, uint64_t offset, void *buffer, size_t size);
bool hwaccl_host_disk_write(struct hwaccl_host *host, unsigned disk, uint64_t offset, const void *data, size_t size);
bool hwaccl_host_disk_flush(struct hwaccl_host *host, unsigned disk);

/** hwaccl_host_irq_line_changed, hwaccl_host_stopped - report an effect without an action on the host to the probe */
void hwaccl_host_irq_line_changed(struct hwaccl_host *host, unsigned line, bool level);
void hwaccl_host_stopped(struct hwaccl_host *host, unsigned end, uint64_t code);

#endif
