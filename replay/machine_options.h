/*
 * Options of a recording from which a replay builds the machine. `hwaccl record` writes them;
 * numbers are decimal.
 */
#ifndef HWACCL_MACHINE_OPTIONS_H
#define HWACCL_MACHINE_OPTIONS_H

#include "core/machine/machine.h"
#include "hwaccl/error.h"
#include "hwaccl/recording.h"

#include <stdbool.h>

/* How the error of an option that is missing begins, as in imports of a trace that lost it. */
#define HWACCL_OPTION_MISSING "the recording has no option "

#define HWACCL_OPTION_MEMORY_SIZE   "memory_size" /* bytes of RAM */
#define HWACCL_OPTION_TSC_KHZ       "tsc_khz"     /* of the guest's TSC */
#define HWACCL_OPTION_MACHINE       "machine"     /* pic or apic; absent: as recordings were before there was one */
#define HWACCL_OPTION_DEVICE        "device" /* HWACCL_DEVICE_TESTDEV; absent: none beside those of every machine */
#define HWACCL_OPTION_FIRMWARE_SIZE "firmware_size" /* bytes; absent or 0: no firmware */
#define HWACCL_OPTION_SETUP_ADDRESS                                                                                    \
        "setup_address"                       /* of a kernel's real-mode code; absent: none is started by firmware */
#define HWACCL_OPTION_RAW_COUNT   "raw_count" /* raw images; absent: 0 */
#define HWACCL_OPTION_RAW_ADDRESS "raw_%zu_address"
#define HWACCL_OPTION_RAW_SIZE    "raw_%zu_size"
#define HWACCL_OPTION_DISK_COUNT  "disk_count"    /* absent: 0 */
#define HWACCL_OPTION_DISK_SIZE   "disk_%zu_size" /* bytes, a multiple of 512 */
#define HWACCL_OPTION_DISK_MODE   "disk_%zu_mode" /* rw, ro or cow */

#define HWACCL_DEVICE_TESTDEV "testdev"

/* For a guest that starts in a kernel, without firmware. A replay needs the processor state at the start, not the
 * kernel. */
#define HWACCL_OPTION_ENTRY_MODE          "entry_mode" /* real, protected or long; absent: real, without the other options */
#define HWACCL_OPTION_ENTRY_RIP           "entry_rip"
#define HWACCL_OPTION_ENTRY_RAX           "entry_rax"
#define HWACCL_OPTION_ENTRY_RBX           "entry_rbx"
#define HWACCL_OPTION_ENTRY_RSI           "entry_rsi"
#define HWACCL_OPTION_ENTRY_RSP           "entry_rsp"
#define HWACCL_OPTION_ENTRY_CR3           "entry_cr3"
#define HWACCL_OPTION_ENTRY_GDT_BASE      "entry_gdt_base"
#define HWACCL_OPTION_ENTRY_GDT_LIMIT     "entry_gdt_limit" /* 0: no table */
#define HWACCL_OPTION_ENTRY_CODE_SELECTOR "entry_code_selector"
#define HWACCL_OPTION_ENTRY_DATA_SELECTOR "entry_data_selector"

/**
 * hwaccl_machine_options_read - read the configuration of the recorded machine, without the bytes of its images
 *
 * Returns false with *error set if an option is missing, is not a number or is out of range.
 */
bool hwaccl_machine_options_read(struct hwaccl_recording *recording, struct hwaccl_machine_config *config,
                                 struct hwaccl_error *error);

#endif
