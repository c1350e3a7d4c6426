#include "core/machine/loader/setup_rom.h"

#include "core/assert.h"

#include <string.h>

#define BYTE(value, n) (uint8_t)((value) >> 8 * (n))
#define WORD(value)    BYTE(value, 0), BYTE(value, 1)

#define PNP            0x20u
#define PRODUCT        0x40u
#define BOOT           0x52u
#define TABLE          0x88u
#define SCRATCH        0x7c00u /* where the descriptors for INT 15h are put: the BIOS adds some */
#define STACK_POINTER  (HWACCL_SETUP_COMMAND_LINE - 16)
#define SEGMENT        (HWACCL_SETUP_SEGMENT >> 4)
#define SOURCE_BASE    (TABLE + 0x12)
#define SOURCE_BASE_24 (TABLE + 0x17)

/* clang-format off */
static const uint8_t code[] = {
        [0] = 0x55, 0xaa, HWACCL_SETUP_ROM_SIZE / 512,
              0xcb,                                     /* retf: nothing to initialize */
        [0x1a] = WORD(PNP),
        [PNP] = '$', 'P', 'n', 'P', 1, 2,
        [PNP + 0x10] = WORD(PRODUCT),
        [PNP + 0x1a] = WORD(BOOT),
        [PRODUCT] = 'L', 'i', 'n', 'u', 'x', ' ', 's', 'e', 't', '-', 'u', 'p', ' ', 'c', 'o', 'd', 'e', 0,
        [BOOT] = 0xfc,                                  /* cld */
                 0x0e, 0x1f,                            /* push cs; pop ds */
                 0x31, 0xc0, 0x8e, 0xc0,                /* xor ax, ax; mov es, ax */
                 0xbf, WORD(SCRATCH),                   /* mov di, SCRATCH */
                 0xbe, WORD(TABLE),                     /* mov si, TABLE */
                 0xb9, WORD(24),                        /* mov cx, 24 */
                 0xf3, 0xa5,                            /* rep movsw */
                 0xbe, WORD(SCRATCH),                   /* mov si, SCRATCH */
                 0xb9, WORD(0x8000),                    /* mov cx, 8000h: words */
                 0xb4, 0x87, 0xcd, 0x15,                /* mov ah, 87h; int 15h: copy a block of extended memory */
                 0x72, 0x16,                            /* jc failed */
                 0xfa,                                  /* cli */
                 0xb8, WORD(SEGMENT),                   /* mov ax, SEGMENT */
                 0x8e, 0xd8, 0x8e, 0xc0,                /* mov ds, ax; mov es, ax */
                 0x8e, 0xe0, 0x8e, 0xe8, 0x8e, 0xd0,    /* mov fs, ax; mov gs, ax; mov ss, ax */
                 0xbc, WORD(STACK_POINTER),             /* mov sp, STACK_POINTER */
                 0xea, WORD(0), WORD(SEGMENT + 0x20),   /* jmp SEGMENT + 20h:0 */
                 0xcd, 0x18,                            /* failed: int 18h */
        [TABLE + 0x10] = 0xff, 0xff, 0, 0, 0, 0x93,     /* source: the loaded segment */
        [TABLE + 0x18] = 0xff, 0xff, BYTE(HWACCL_SETUP_SEGMENT, 0), BYTE(HWACCL_SETUP_SEGMENT, 1),
                         BYTE(HWACCL_SETUP_SEGMENT, 2), 0x93, 0, BYTE(HWACCL_SETUP_SEGMENT, 3),
};
/* clang-format on */

_Static_assert(sizeof(code) <= TABLE + 0x30 && TABLE + 0x30 < HWACCL_SETUP_ROM_SIZE, "the checksum is behind it");

static uint8_t checksum(const uint8_t *bytes, unsigned size)
{
        unsigned sum = 0;

        for (unsigned i = 0; i < size; i++)
                sum += bytes[i];
        return (uint8_t)-sum;
}

void hwaccl_setup_rom_make(uint64_t address, uint8_t rom[static HWACCL_SETUP_ROM_SIZE])
{
        hwaccl_assert(address + HWACCL_SETUP_SEGMENT_SIZE <= UINT32_MAX);
        memset(rom, 0, HWACCL_SETUP_ROM_SIZE);
        memcpy(rom, code, sizeof(code));
        for (unsigned i = 0; i < 3; i++)
                rom[SOURCE_BASE + i] = BYTE(address, i);
        rom[SOURCE_BASE_24] = BYTE(address, 3);
        rom[PNP + 9] = checksum(rom + PNP, 32);
        rom[HWACCL_SETUP_ROM_SIZE - 1] = checksum(rom, HWACCL_SETUP_ROM_SIZE);
}
