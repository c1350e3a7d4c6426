/*
 * Not stable: may change between versions. Inputs and effects: what exit handling reads from outside, and what it does
 * there. An exit of a recording has both, each in order. The numbers are recorded and never change meaning. Structs may
 * gain members.
 */
#ifndef HWACCL_EVENT_H
#define HWACCL_EVENT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What exit handling read: X(number, identifier, name). Recorded; numbers are part of the database schema and never
 * change meaning. */
#define HWACCL_INPUT_KINDS(X)                                                                                          \
        X(0, CLOCK, "clock")             /* value: guest clock at the exit, ns since its start; once per exit */       \
        X(1, WAIT, "wait")               /* value: guest clock when HLT ended; address: deadline asked for */          \
        X(2, INSTRUCTION, "instruction") /* data: bytes of an instruction; address: guest-physical */                  \
        X(3, MEMORY, "memory")           /* data: guest memory; address: guest-physical */                             \
        X(4, CONSOLE, "console")         /* data: bytes that were typed; address: enum hwaccl_channel */               \
        X(5, WALL_TIME, "wall time")     /* value: seconds since 1970-01-01T00:00:00Z at the guest's start */          \
        X(6, STOP, "stop request")       /* value: enum hwaccl_stop_request */                                         \
        X(7, DISK, "disk")               /* data: read from a disk; address: byte offset; value: its number */         \
        X(8, DISK_FAULT, "disk fault")   /* a read, write or flush of a disk failed; address and value as for DISK */  \
        X(9, FLOATING_POINT, "floating point") /* data: registers of FPU and SSE as FXSAVE writes them, 512 bytes */   \
        X(10, PORT_WRITE, "port write") /* data: what OUT or OUTS carried; address: port; value: bytes per access */   \
        X(11, MMIO_WRITE, "MMIO write") /* data: what a write to a device carried; address: guest-physical */          \
        X(12, COALESCED_PORT_WRITE,                                                                                    \
          "coalesced port write") /* data: what an OUT before this exit carried, which KVM kept for the VMM; address:  \
                                     port; value: number of the write in its VM, of both kinds, from 0 */              \
        X(13, COALESCED_MMIO_WRITE, "coalesced MMIO write") /* the same; address: guest-physical */                    \
        X(14, KVM_EXIT, "KVM exit data") /* value of a field of struct kvm_run; address: names of kvm_exit_field */

enum hwaccl_input_kind {
#define X(number, identifier, name) HWACCL_INPUT_##identifier = (number),
        HWACCL_INPUT_KINDS(X)
#undef X
                HWACCL_INPUT_KIND_COUNT
};

enum hwaccl_stop_request {
        HWACCL_STOP_NONE = 0,
        HWACCL_STOP_INTERRUPTED = 1, /* Ctrl-C or SIGTERM */
        HWACCL_STOP_TIMEOUT = 2,     /* --timeout */
        HWACCL_STOP_MAX_EXITS = 3,   /* --max-exits */
        HWACCL_STOP_UNTIL = 4,       /* --until: the console printed the text */
        HWACCL_STOP_VMM_ENDED = 5,   /* --attach: the VMM ended */
};

/* Where characters come from and go to: X(number, identifier, name). Numbers are part of the database schema. */
#define HWACCL_CHANNELS(X)                                                                                             \
        X(0, SERIAL, "serial")             /* 16550 UART at 3f8h */                                                    \
        X(1, DEBUG_402, "debug port 402h") /* SeaBIOS' debug log */                                                    \
        X(2, DEBUG_E9, "debug port e9h")

enum hwaccl_channel {
#define X(number, identifier, name) HWACCL_CHANNEL_##identifier = (number),
        HWACCL_CHANNELS(X)
#undef X
                HWACCL_CHANNEL_COUNT
};

/* One value that was read. For a probe, data is valid only during the call. */
struct hwaccl_input {
        enum hwaccl_input_kind kind;
        uint64_t address;
        uint64_t value;
        const void *data; /* NULL if the kind has only a value */
        uint32_t size;    /* bytes of data; at most HWACCL_INPUT_SIZE_MAX */
};

#define HWACCL_INPUT_SIZE_MAX 4096u

/* How a guest ended: X(number, identifier, name). The numbers are recorded and never change meaning.
 * Ends that a VMM can report: */
#define HWACCL_GUEST_ENDS(X)                                                                                           \
        X(1, EXIT_CODE, "exit code") /* it wrote its exit code to the debug-exit port */                               \
        X(2, HALTED, "halted")       /* HLT with interrupts off, or with no device that could interrupt */             \
        X(3, TRIPLE_FAULT, "triple fault")                                                                             \
        X(4, RESET, "reset")                 /* it requested a reset (ports 60h and 64h, 92h, cf9h) */                 \
        X(5, ENTRY_FAILURE, "entry failure") /* the processor rejected its state */                                    \
        X(6, ERROR, "error")                 /* error of the VMM: see the error message */                             \
        X(7, STOPPED, "stopped")             /* requested from outside: see enum hwaccl_stop_request */                \
        X(8, POWER_OFF, "power off")         /* it switched itself off (ACPI S5) */

#define HWACCL_ENDS(X)                                                                                                 \
        X(0, NONE, "running") /* it has not ended */                                                                   \
        HWACCL_GUEST_ENDS(X)                                                                                           \
        X(9, RECORDER_DIED, "recorder died") /* unknown: the recorder died; recovered recordings only */

enum hwaccl_end {
#define X(number, identifier, name) HWACCL_END_##identifier = (number),
        HWACCL_ENDS(X)
#undef X
                HWACCL_END_COUNT
};

/* What exit handling does: X(number, identifier, name). The numbers are recorded
 * and never change meaning. */
#define HWACCL_EFFECT_KINDS(X)                                                                                         \
        X(0, MEMORY, "memory")         /* data written to guest memory; address: guest-physical */                     \
        X(1, CONSOLE, "console")       /* data printed; address: enum hwaccl_channel */                                \
        X(2, IRQ_LINE, "irq line")     /* address: line 0-15 of the two PICs; value: new level. Changes only */        \
        X(3, STOP, "stop")             /* the guest ended; address: enum hwaccl_end; value: its exit code, if any */   \
        X(4, DISK_WRITE, "disk write") /* data written to a disk; address: byte offset; value: disk number */          \
        X(5, DISK_FLUSH, "disk flush") /* writes to disk number value are made durable */                              \
        X(6, FLOATING_POINT, "floating point") /* data: the registers of FPU and SSE from now on, 512 bytes */         \
        X(7, PORT_READ, "port read") /* data: what IN or INS was answered; address: port; value: bytes per access */   \
        X(8, MMIO_READ, "MMIO read") /* data: what a read from a device was answered; address: guest-physical */       \
        X(9, KVM_EXIT, "KVM exit answer") /* what the VMM wrote there; address and value as input KVM_EXIT */

enum hwaccl_effect_kind {
#define X(number, identifier, name) HWACCL_EFFECT_##identifier = (number),
        HWACCL_EFFECT_KINDS(X)
#undef X
                HWACCL_EFFECT_KIND_COUNT
};

struct hwaccl_effect {
        enum hwaccl_effect_kind kind;
        uint64_t address;
        uint64_t value;
        const void *data;
        uint32_t size; /* bytes of data; at most HWACCL_EFFECT_SIZE_MAX: a longer write is several effects */
};

#define HWACCL_EFFECT_SIZE_MAX 4096u

/** hwaccl_end_name, hwaccl_input_kind_name, hwaccl_effect_kind_name - "triple fault"; "unknown" for a number out of
 * range
 */
const char *hwaccl_end_name(unsigned end);
const char *hwaccl_input_kind_name(unsigned kind);
const char *hwaccl_effect_kind_name(unsigned kind);

#ifdef __cplusplus
}
#endif

#endif
