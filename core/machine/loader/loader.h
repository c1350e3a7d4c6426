/*
 * Loaders: convert a kernel file to pieces of guest memory and the processor state at its entry, as a boot
 * loader would leave them, so that a guest starts without firmware. A loader is a function of its input: it reads no
 * file and trusts nothing in an image.
 */
#ifndef HWACCL_LOADER_H
#define HWACCL_LOADER_H

#include "hwaccl/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the loaders know. Numbers are recorded. */
enum hwaccl_image_format {
        HWACCL_IMAGE_UNKNOWN = 0,
        HWACCL_IMAGE_LINUX = 1,     /* bzImage, boot protocol 2.06 or later (Documentation/arch/x86/boot.rst) */
        HWACCL_IMAGE_MULTIBOOT = 2, /* Multiboot specification 0.6.96: ELF, or the address fields of the header */
        HWACCL_IMAGE_PVH = 3,       /* ELF with XEN_ELFNOTE_PHYS32_ENTRY (Xen's PVH boot ABI) */
};

/* Linux gets this when no command line is given: its log goes to the serial port; a panic resets the machine, which
 * ends the run; the TSC, whose frequency CPUID tells, needs no watching against slower clocks; and no device needs a
 * pause after an access, which Linux would make by a write to port 80h, an exit. */
#define HWACCL_LINUX_COMMAND_LINE "console=ttyS0 panic=-1 tsc=reliable io_delay=none"

#define HWACCL_LOADER_MODULE_MAX 32u
#define HWACCL_LOADER_PIECE_MAX  64u
#define HWACCL_LOADER_RANGE_MAX  (2 * HWACCL_LOADER_PIECE_MAX)

/* A file that goes in beside the kernel: Linux' initrd, a module of Multiboot or PVH. */
struct hwaccl_loader_module {
        const uint8_t *data; /* lent */
        size_t size;
        const char *command_line; /* NULL: none */
};

struct hwaccl_loader_input {
        const uint8_t *kernel; /* lent */
        size_t kernel_size;
        const char *kernel_name;                   /* NULL: none; in front of a Multiboot kernel's command line */
        const char *command_line;                  /* NULL: none; of Linux: HWACCL_LINUX_COMMAND_LINE */
        const struct hwaccl_loader_module *module; /* of Linux: one at most, the initrd */
        size_t module_count;                       /* HWACCL_LOADER_MODULE_MAX at most */
        uint64_t memory_size;                      /* of the guest: RAM as machine.h lays it out */
        bool apic;     /* the machine has a local APIC and an I/O APIC, which its tables say */
        bool entry_32; /* enter a Linux that could be entered in 64-bit mode in 32-bit mode */
        bool entry_16; /* enter a Linux in its real-mode code, as images without another entry are anyway */
};

enum hwaccl_entry_mode {
        HWACCL_ENTRY_REAL = 0,      /* as hwaccl_machine_config's raw images start */
        HWACCL_ENTRY_PROTECTED = 1, /* 32-bit, flat segments, no paging, interrupts off */
        HWACCL_ENTRY_LONG = 2,      /* 64-bit, flat segments, paging on with @cr3, interrupts off */
};

/** hwaccl_entry_mode_name - "real", "protected", "long"; "unknown" for a number out of range */
const char *hwaccl_entry_mode_name(unsigned mode);

/* Processor state at the first instruction. Everything else has its reset value, or follows from the mode. */
struct hwaccl_entry_point {
        enum hwaccl_entry_mode mode;
        uint64_t rip;
        uint64_t rax, rbx, rsi, rsp;
        uint64_t cr3;       /* of HWACCL_ENTRY_LONG */
        uint64_t gdt_base;  /* where the loader put the descriptors of the flat segments */
        uint32_t gdt_limit; /* 0: no table (Multiboot leaves GDTR undefined) */
        uint16_t code_selector;
        uint16_t data_selector;
};

struct hwaccl_loaded_piece {
        uint64_t address; /* guest-physical, RAM wholly */
        uint8_t *data;    /* owned by the struct hwaccl_loaded; size bytes */
        size_t size;
};

/* Memory that the image needs: of a piece, or of what it expects to be zero, or uses before it knows the memory map. */
struct hwaccl_loaded_range {
        uint64_t address;
        uint64_t size;
        char what[48]; /* "segment 2 of the kernel" */
};

struct hwaccl_loaded {
        enum hwaccl_image_format format;
        struct hwaccl_loaded_piece piece[HWACCL_LOADER_PIECE_MAX]; /* none overlaps another */
        size_t piece_count;
        struct hwaccl_loaded_range range[HWACCL_LOADER_RANGE_MAX]; /* nor do these; every piece lies in one */
        size_t range_count;
        struct hwaccl_entry_point entry; /* HWACCL_ENTRY_REAL: firmware starts it, see @setup_address */
        uint64_t setup_address; /* of the real-mode code's segment, which firmware is to enter; 0: there is none */
};

/** hwaccl_loader_format - what the image is, by its magic numbers alone; "linux" before "multiboot" before "pvh" */
enum hwaccl_image_format hwaccl_loader_format(const uint8_t *kernel, size_t size);

/** hwaccl_image_format_name - "linux", "multiboot", "pvh", "unknown" */
const char *hwaccl_image_format_name(unsigned format);

/**
 * hwaccl_loader_load - lay the image out in guest memory
 *
 * Returns false with *error set, and nothing to free, when the image is of no known format, is malformed, or does not
 * fit; the error says what was found and what was expected. Give back what it made with hwaccl_loader_free().
 */
bool hwaccl_loader_load(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded,
                        struct hwaccl_error *error);

/** hwaccl_loader_free - the bytes of the pieces; where they were stays. Calling it again is harmless */
void hwaccl_loader_free(struct hwaccl_loaded *loaded);

/* One loader each, called by hwaccl_loader_load() with the same interface. */
bool hwaccl_loader_load_linux(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded,
                              struct hwaccl_error *error);
bool hwaccl_loader_load_multiboot(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded,
                                  struct hwaccl_error *error);
bool hwaccl_loader_load_pvh(const struct hwaccl_loader_input *input, struct hwaccl_loaded *loaded,
                            struct hwaccl_error *error);

#endif
