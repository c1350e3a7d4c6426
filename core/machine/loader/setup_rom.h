/*
 * The option ROM that starts a bzImage through its real-mode set-up code once firmware is done: a boot entry vector
 * (BIOS Boot Specification 1.01, Plug and Play BIOS Specification 1.0A) that has the BIOS copy the loaded segment to
 * 10000h and enters it as Documentation/arch/x86/boot.rst says ("Running the Kernel").
 */
#ifndef HWACCL_MACHINE_SETUP_ROM_H
#define HWACCL_MACHINE_SETUP_ROM_H

#include <stdint.h>

#define HWACCL_SETUP_ROM_SIZE     512u
#define HWACCL_SETUP_SEGMENT_SIZE UINT64_C(0x10000) /* set-up code, its heap and stack, and the command line */
#define HWACCL_SETUP_SEGMENT      UINT64_C(0x10000) /* physical address at which it runs */
#define HWACCL_SETUP_COMMAND_LINE 0xe000u           /* offset; heap and stack end below it */

/** hwaccl_setup_rom_make - the ROM for a segment that was loaded at @address, which is below 4 GiB */
void hwaccl_setup_rom_make(uint64_t address, uint8_t rom[static HWACCL_SETUP_ROM_SIZE]);

#endif
