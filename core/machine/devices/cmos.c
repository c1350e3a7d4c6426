/* What firmware finds in CMOS memory, in the layout of QEMU's PC (hw/i386/pc.c, pc_cmos_init) that SeaBIOS reads. */
#include "core/host/guest_memory.h"
#include "core/machine/devices/rtc.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

#define CMOS_EQUIPMENT     0x14
#define CMOS_BASE_MEMORY   0x15 /* KiB below 640 KiB */
#define CMOS_EXTENDED      0x17 /* KiB above 1 MiB */
#define CMOS_CHECKSUM      0x2e /* of 10h-2dh, high byte first */
#define CMOS_EXTENDED_POST 0x30 /* the same as 17h, as POST found it */
#define CMOS_ABOVE_16M     0x34 /* 64 KiB above 16 MiB */
#define CMOS_BOOT_THIRD    0x38
#define CMOS_TRANSLATION   0x39 /* two bits a disk: 0 none, 1 logical blocks */
#define CMOS_BOOT_FIRST    0x3d
#define CMOS_ABOVE_4G      0x5b /* 64 KiB above 4 GiB, three bytes */
#define CMOS_CPUS          0x5f /* processors beside the first */

#define EQUIPMENT_FPU   0x02u
#define CYLINDERS_PLAIN 1024u /* as many as INT 13h has numbers for */
#define BOOT_FLOPPY     1u
#define BOOT_DISK       2u
#define BOOT_CDROM      3u

static void put_word(uint8_t *cmos, unsigned index, uint64_t value)
{
        uint64_t capped = value > 0xffff ? 0xffff : value;

        cmos[index] = (uint8_t)capped;
        cmos[index + 1] = (uint8_t)(capped >> 8);
}

void hwaccl_cmos_fill(uint8_t *cmos, uint64_t memory_size)
{
        cmos[CMOS_EQUIPMENT] = EQUIPMENT_FPU;
        put_word(cmos, CMOS_BASE_MEMORY, 640);
        put_word(cmos, CMOS_EXTENDED, (memory_size - MIB) / KIB);
        put_word(cmos, CMOS_EXTENDED_POST, (memory_size - MIB) / KIB);
        put_word(cmos, CMOS_ABOVE_16M, memory_size > 16 * MIB ? (memory_size - 16 * MIB) / (64 * KIB) : 0);
        put_word(cmos, CMOS_ABOVE_4G, 0); /* RAM ends below the PCI hole */
        cmos[CMOS_ABOVE_4G + 2] = 0;
        cmos[CMOS_CPUS] = 0;
        cmos[CMOS_BOOT_FIRST] = BOOT_FLOPPY << 4 | BOOT_DISK;
        cmos[CMOS_BOOT_THIRD] = BOOT_CDROM << 4;

        unsigned sum = 0;
        for (unsigned i = 0x10; i <= 0x2d; i++)
                sum += cmos[i];
        cmos[CMOS_CHECKSUM] = (uint8_t)(sum >> 8);
        cmos[CMOS_CHECKSUM + 1] = (uint8_t)sum;
}

void hwaccl_cmos_fill_disks(uint8_t *cmos, const struct hwaccl_disk *disk, size_t count)
{
        cmos[CMOS_TRANSLATION] = 0;
        for (size_t i = 0; i < count; i++)
                if (disk[i].sectors > UINT64_C(16) * 63 * CYLINDERS_PLAIN)
                        cmos[CMOS_TRANSLATION] |= (uint8_t)(1u << (2 * i));
}
