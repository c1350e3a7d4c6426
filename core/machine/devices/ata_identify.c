/* IDENTIFY DEVICE (ATA/ATAPI-6, 8.15): what a disk says of itself. Words are little endian, texts have their bytes
 * swapped. */
#include "core/machine/devices/ata_internal.h"

#include <stdio.h>
#include <string.h>

#define CAPACITY_28_BIT 0x0fffffffu
#define CYLINDERS_MAX   16383u

/* Words 82 to 87: what there is, and what is on. Bit 14 says that the words are valid. */
#define COMMANDS_LOOK_AHEAD  0x0040u
#define COMMANDS_WRITE_CACHE 0x0020u
#define COMMANDS_POWER       0x0008u
#define COMMANDS_FLUSH       0x3000u /* FLUSH CACHE and FLUSH CACHE EXT */
#define COMMANDS_48_BIT      0x0400u
#define COMMANDS_VALID       0x4000u

static void put_word(uint8_t *data, unsigned word, uint64_t value)
{
        data[word * 2] = (uint8_t)value;
        data[word * 2 + 1] = (uint8_t)(value >> 8);
}

static void put_words(uint8_t *data, unsigned word, unsigned count, uint64_t value)
{
        for (unsigned i = 0; i < count; i++)
                put_word(data, word + i, value >> (i * 16));
}

/* Padded with blanks; the first character of a pair is in the high byte. */
static void put_text(uint8_t *data, unsigned word, unsigned words, const char *text)
{
        size_t length = strlen(text);

        for (size_t i = 0; i < (size_t)words * 2; i++)
                data[word * 2 + (i ^ 1)] = i < length ? (uint8_t)text[i] : ' ';
}

/* Word 93: what the reset found; bits 12-8 are device 1's, 7-0 device 0's. */
static unsigned reset_result(const struct hwaccl_ata *ata, unsigned drive)
{
        const unsigned valid = 0x4000, passed_1 = 0x0b00, passed_0 = 0x000b, answers_for_1 = 0x0040;

        if (drive)
                return valid | passed_1;
        return valid | passed_0 | (ata->disk_count > 1 ? 0 : answers_for_1);
}

static void put_geometry(uint8_t *data, const struct hwaccl_disk *disk, const struct hwaccl_ata_drive *drive)
{
        unsigned cylinders = ata_cylinders(disk, drive->heads, drive->sectors, 65535);
        uint64_t capacity = (uint64_t)cylinders * drive->heads * drive->sectors;

        put_word(data, 1, ata_cylinders(disk, ATA_HEADS_DEFAULT, ATA_SECTORS_DEFAULT, CYLINDERS_MAX));
        put_word(data, 3, ATA_HEADS_DEFAULT);
        put_word(data, 6, ATA_SECTORS_DEFAULT);
        put_word(data, 53, 0x0003); /* words 54-58 and 64-70 are valid */
        put_word(data, 54, cylinders);
        put_word(data, 55, drive->heads);
        put_word(data, 56, drive->sectors);
        put_words(data, 57, 2, capacity < disk->sectors ? capacity : disk->sectors);
        put_words(data, 60, 2, disk->sectors < CAPACITY_28_BIT ? disk->sectors : CAPACITY_28_BIT);
        put_words(data, 100, 4, disk->sectors);
}

void ata_identify(const struct hwaccl_ata *ata, unsigned number, uint8_t *data)
{
        const struct hwaccl_disk *disk = ata_disk(ata, number);
        const struct hwaccl_ata_drive *drive = &ata->drive[number];
        const unsigned supported = COMMANDS_LOOK_AHEAD | COMMANDS_WRITE_CACHE | COMMANDS_POWER;
        unsigned enabled = COMMANDS_POWER | (drive->no_look_ahead ? 0 : COMMANDS_LOOK_AHEAD) |
                           (drive->write_through ? 0 : COMMANDS_WRITE_CACHE);
        char serial[20];

        memset(data, 0, ATA_SECTOR);
        (void)snprintf(serial, sizeof(serial), "HWACCL%04u", ata_disk_number(ata, number));
        put_word(data, 0, 0x0040); /* an ATA device that is not removable */
        put_text(data, 10, 10, serial);
        put_text(data, 23, 4, "1.0");
        put_text(data, 27, 20, "hwaccl disk");
        put_word(data, 47, 0x8000u | HWACCL_ATA_MULTIPLE_MAX);
        put_word(data, 49, 0x0a00); /* LBA, IORDY; no DMA */
        put_word(data, 50, 0x4000);
        put_word(data, 51, 0x0200); /* PIO mode 2 and, by word 64, modes 3 and 4, 120 ns a word */
        put_geometry(data, disk, drive);
        put_word(data, 59, drive->multiple ? 0x0100u | drive->multiple : 0);
        put_word(data, 64, 0x0003);
        put_word(data, 67, 120);
        put_word(data, 68, 120);
        put_word(data, 80, 0x0070); /* ATA-4 to ATA/ATAPI-6 */
        put_word(data, 82, supported);
        put_word(data, 83, COMMANDS_VALID | COMMANDS_FLUSH | COMMANDS_48_BIT);
        put_word(data, 84, COMMANDS_VALID);
        put_word(data, 85, enabled);
        put_word(data, 86, COMMANDS_FLUSH | COMMANDS_48_BIT);
        put_word(data, 87, COMMANDS_VALID);
        put_word(data, 93, reset_result(ata, number));

        unsigned sum = 0xa5;
        data[510] = 0xa5; /* signature of the checksum */
        for (unsigned i = 0; i < 510; i++)
                sum += data[i];
        data[511] = (uint8_t)(0x100 - (sum & 0xff));
}
