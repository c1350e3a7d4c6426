/* ATA commands (ATA/ATAPI-6, 8). Blocks of PIO data pass through the channel's buffer: one sector, or as many as SET
 * MULTIPLE MODE says; each block is one access to the disk's image. */
#include "core/machine/board/board.h"
#include "core/machine/devices/ata_internal.h"

#include <string.h>

enum ata_command {
        NOP = 0x00,
        RECALIBRATE = 0x10,
        READ_SECTORS = 0x20,
        READ_SECTORS_ONCE = 0x21,
        READ_SECTORS_EXT = 0x24,
        READ_MULTIPLE_EXT = 0x29,
        WRITE_SECTORS = 0x30,
        WRITE_SECTORS_ONCE = 0x31,
        WRITE_SECTORS_EXT = 0x34,
        WRITE_MULTIPLE_EXT = 0x39,
        READ_VERIFY_SECTORS = 0x40,
        READ_VERIFY_SECTORS_ONCE = 0x41,
        READ_VERIFY_SECTORS_EXT = 0x42,
        SEEK = 0x70,
        EXECUTE_DEVICE_DIAGNOSTIC = 0x90,
        INITIALIZE_DEVICE_PARAMETERS = 0x91,
        READ_MULTIPLE = 0xc4,
        WRITE_MULTIPLE = 0xc5,
        SET_MULTIPLE_MODE = 0xc6,
        STANDBY_IMMEDIATE = 0xe0,
        IDLE_IMMEDIATE = 0xe1,
        STANDBY = 0xe2,
        IDLE = 0xe3,
        CHECK_POWER_MODE = 0xe5,
        SLEEP = 0xe6,
        FLUSH_CACHE = 0xe7,
        FLUSH_CACHE_EXT = 0xea,
        IDENTIFY_DEVICE = 0xec,
        SET_FEATURES = 0xef,
};

enum ata_feature {
        FEATURE_WRITE_CACHE_ON = 0x02,
        FEATURE_TRANSFER_MODE = 0x03,
        FEATURE_LOOK_AHEAD_OFF = 0x55,
        FEATURE_REVERTING_OFF = 0x66,
        FEATURE_WRITE_CACHE_OFF = 0x82,
        FEATURE_LOOK_AHEAD_ON = 0xaa,
        FEATURE_REVERTING_ON = 0xcc,
};

#define POWER_REPLY_STANDBY 0x00u
#define POWER_REPLY_IDLE    0x80u
#define POWER_REPLY_ACTIVE  0xffu

static struct hwaccl_host *host_of(struct hwaccl_ata *ata)
{
        return ata->device.board->host;
}

static unsigned selected(const struct hwaccl_ata *ata)
{
        return ata->select & ATA_DEVICE_DEV ? 1 : 0;
}

static void finish(struct hwaccl_ata *ata, unsigned number, uint8_t error)
{
        struct hwaccl_ata_drive *drive = &ata->drive[number];

        ata->direction = HWACCL_ATA_IDLE;
        drive->status = (uint8_t)(ATA_STATUS_DRDY | ATA_STATUS_DSC | (error ? ATA_STATUS_ERR : 0u));
        drive->error = error;
        drive->interrupt = 1;
}

static bool uses_lba(const struct hwaccl_ata *ata)
{
        return ata->select & ATA_DEVICE_LBA;
}

/* The sector that the registers name; UINT64_MAX when cylinder, head and sector are outside of the translation. */
static uint64_t address_of(const struct hwaccl_ata *ata, bool extended)
{
        const struct hwaccl_ata_drive *drive = &ata->drive[selected(ata)];
        uint64_t low = drive->lba_low[0], middle = drive->lba_middle[0], high = drive->lba_high[0];
        unsigned head = ata->select & 0x0f;

        if (extended)
                return low | middle << 8 | high << 16 | (uint64_t)drive->lba_low[1] << 24 |
                       (uint64_t)drive->lba_middle[1] << 32 | (uint64_t)drive->lba_high[1] << 40;
        if (uses_lba(ata))
                return low | middle << 8 | high << 16 | (uint64_t)head << 24;
        if (!low || low > drive->sectors || head >= drive->heads)
                return UINT64_MAX;
        return ((middle | high << 8) * drive->heads + head) * drive->sectors + low - 1;
}

/* The reverse: where it went wrong. */
static void put_address(struct hwaccl_ata *ata, unsigned number, uint64_t sector, uint32_t rest)
{
        struct hwaccl_ata_drive *drive = &ata->drive[number];
        uint64_t value = sector;
        uint8_t head = (uint8_t)(sector >> 24 & 0x0f);

        if (!ata->extended && !uses_lba(ata)) {
                uint64_t heads = drive->heads ? drive->heads : 1;
                uint64_t sectors = drive->sectors ? drive->sectors : 1;
                uint64_t track = sector / sectors;
                head = (uint8_t)(track % heads);
                value = (sector % sectors + 1) | (track / heads & 0xffff) << 8;
        }
        if (!ata->extended)
                ata->select = (uint8_t)((ata->select & 0xf0) | head);
        drive->lba_low[0] = (uint8_t)value;
        drive->lba_middle[0] = (uint8_t)(value >> 8);
        drive->lba_high[0] = (uint8_t)(value >> 16);
        drive->count[0] = (uint8_t)rest;
        if (ata->extended) {
                drive->lba_low[1] = (uint8_t)(value >> 24);
                drive->lba_middle[1] = (uint8_t)(value >> 32);
                drive->lba_high[1] = (uint8_t)(value >> 40);
                drive->count[1] = (uint8_t)(rest >> 8);
        }
}

static void fail_at(struct hwaccl_ata *ata, unsigned number, uint64_t sector, uint32_t rest, uint8_t error)
{
        put_address(ata, number, sector, rest);
        finish(ata, number, error);
}

static uint32_t count_of(const struct hwaccl_ata *ata, bool extended)
{
        const struct hwaccl_ata_drive *drive = &ata->drive[selected(ata)];
        uint32_t count = drive->count[0] | (extended ? (uint32_t)drive->count[1] << 8 : 0);

        return count ? count : extended ? 65536 : 256;
}

static uint32_t least(uint64_t a, uint64_t b)
{
        return (uint32_t)(a < b ? a : b);
}

/* Sectors of a block: what the buffer has room for, whatever a state that was loaded says. */
static uint32_t block_of(const struct hwaccl_ata *ata)
{
        return least(ata->block, HWACCL_ATA_MULTIPLE_MAX);
}

/* A block could not be read whole: its first bad sector is where it went wrong. */
static uint64_t find_bad_sector(struct hwaccl_ata *ata, uint64_t sector, uint32_t count)
{
        unsigned disk = ata_disk_number(ata, ata->owner);

        for (uint32_t i = 0; count > 1 && i < count; i++)
                if (!hwaccl_host_disk_read(host_of(ata), disk, (sector + i) * ATA_SECTOR, ata->buffer, ATA_SECTOR))
                        return sector + i;
        return sector;
}

/* The next block into the buffer: ata->sector, ata->rest. The end of the disk ends a block early. */
static void read_block(struct hwaccl_ata *ata)
{
        uint64_t end = ata_disk(ata, ata->owner)->sectors;

        if (ata->sector >= end) {
                fail_at(ata, ata->owner, ata->sector, ata->rest, ATA_ERROR_IDNF);
                return;
        }
        uint32_t count = least(least(block_of(ata), ata->rest), end - ata->sector);
        if (!hwaccl_host_disk_read(host_of(ata), ata_disk_number(ata, ata->owner), ata->sector * ATA_SECTOR,
                                   ata->buffer, (size_t)count * ATA_SECTOR)) {
                uint64_t bad = find_bad_sector(ata, ata->sector, count);
                fail_at(ata, ata->owner, bad, ata->rest - (uint32_t)(bad - ata->sector), ATA_ERROR_UNC);
                return;
        }
        ata->direction = HWACCL_ATA_TO_HOST;
        ata->position = 0;
        ata->size = (uint16_t)(count * ATA_SECTOR);
        ata->sector += count;
        ata->rest -= count;
        ata->drive[ata->owner].interrupt = 1;
}

/* The buffer is to be filled for sectors from ata->sector on. */
static void expect_block(struct hwaccl_ata *ata)
{
        uint64_t end = ata_disk(ata, ata->owner)->sectors;

        if (ata->sector >= end) {
                fail_at(ata, ata->owner, ata->sector, ata->rest, ATA_ERROR_IDNF);
                return;
        }
        uint32_t count = least(least(block_of(ata), ata->rest), end - ata->sector);
        ata->direction = HWACCL_ATA_FROM_HOST;
        ata->position = 0;
        ata->size = (uint16_t)(count * ATA_SECTOR);
        ata->rest -= count;
}

static bool flush(struct hwaccl_ata *ata, unsigned number)
{
        return hwaccl_host_disk_flush(host_of(ata), ata_disk_number(ata, number));
}

static void write_block(struct hwaccl_ata *ata)
{
        struct hwaccl_ata_drive *drive = &ata->drive[ata->owner];
        uint32_t count = ata->size / ATA_SECTOR;
        uint64_t end = ata_disk(ata, ata->owner)->sectors;

        /* not possible for the guest, but with a loaded state */
        if (ata_disk(ata, ata->owner)->read_only || ata->sector >= end || count > end - ata->sector) {
                finish(ata, ata->owner, ATA_ERROR_ABRT);
                return;
        }
        if (!hwaccl_host_disk_write(host_of(ata), ata_disk_number(ata, ata->owner), ata->sector * ATA_SECTOR,
                                    ata->buffer, ata->size) ||
            (drive->write_through && !flush(ata, ata->owner))) {
                fail_at(ata, ata->owner, ata->sector, ata->rest + count, ATA_ERROR_ABRT);
                return;
        }
        ata->sector += count;
        if (!ata->rest) {
                finish(ata, ata->owner, 0);
                return;
        }
        expect_block(ata);
        drive->interrupt = 1;
}

void ata_block_done(struct hwaccl_ata *ata)
{
        if (ata->direction == HWACCL_ATA_FROM_HOST)
                write_block(ata);
        else if (ata->rest)
                read_block(ata);
        else
                ata->direction = HWACCL_ATA_IDLE; /* the last block of a read interrupts when it is ready, not after */
}

/* Only the address is verified: no data passes, and whether the image can be read shows when it is. */
static void verify_sectors(struct hwaccl_ata *ata)
{
        uint64_t end = ata_disk(ata, ata->owner)->sectors;

        if (ata->sector >= end)
                fail_at(ata, ata->owner, ata->sector, ata->rest, ATA_ERROR_IDNF);
        else if (ata->rest > end - ata->sector)
                fail_at(ata, ata->owner, end, ata->rest - (uint32_t)(end - ata->sector), ATA_ERROR_IDNF);
        else
                finish(ata, ata->owner, 0);
}

/* What a command that moves sectors does with them. */
enum action { ACTION_READ, ACTION_WRITE, ACTION_VERIFY };

static void move_sectors(struct hwaccl_ata *ata, enum action action, bool multiple, bool extended)
{
        unsigned number = selected(ata);
        struct hwaccl_ata_drive *drive = &ata->drive[number];

        if ((multiple && !drive->multiple) || (extended && !uses_lba(ata)) ||
            (action == ACTION_WRITE && ata_disk(ata, number)->read_only)) {
                finish(ata, number, ATA_ERROR_ABRT);
                return;
        }
        uint64_t sector = address_of(ata, extended);
        if (sector == UINT64_MAX) {
                finish(ata, number, ATA_ERROR_IDNF);
                return;
        }
        drive->power = ATA_ACTIVE;
        ata->owner = (uint8_t)number;
        ata->extended = extended;
        ata->block = multiple ? drive->multiple : 1;
        ata->sector = sector;
        ata->rest = count_of(ata, extended);
        if (action == ACTION_READ) {
                read_block(ata);
                return;
        }
        if (action == ACTION_WRITE) {
                expect_block(ata); /* the first block is asked for without an interrupt */
                return;
        }
        verify_sectors(ata);
}

static void identify_device(struct hwaccl_ata *ata)
{
        ata->owner = (uint8_t)selected(ata);
        ata->block = 1;
        ata->extended = 0;
        ata->rest = 0;
        ata->sector = 0;
        ata->position = 0;
        ata->size = ATA_SECTOR;
        ata->direction = HWACCL_ATA_TO_HOST;
        ata_identify(ata, ata->owner, ata->buffer);
        ata->drive[ata->owner].interrupt = 1;
}

static uint8_t initialize_device_parameters(struct hwaccl_ata *ata)
{
        struct hwaccl_ata_drive *drive = &ata->drive[selected(ata)];

        if (!drive->count[0])
                return ATA_ERROR_ABRT;
        drive->sectors = drive->count[0];
        drive->heads = (uint8_t)((ata->select & 0x0f) + 1);
        return 0;
}

static uint8_t set_multiple_mode(struct hwaccl_ata_drive *drive)
{
        uint8_t count = drive->count[0];

        if (count > HWACCL_ATA_MULTIPLE_MAX || count & (count - 1))
                return ATA_ERROR_ABRT;
        drive->multiple = count;
        return 0;
}

/* PIO modes only: default, default without IORDY, and 0 to 4 with flow control. */
static uint8_t set_transfer_mode(uint8_t mode)
{
        return mode <= 0x01 || (mode >= 0x08 && mode <= 0x0c) ? 0 : ATA_ERROR_ABRT;
}

static uint8_t set_features(struct hwaccl_ata *ata)
{
        unsigned number = selected(ata);
        struct hwaccl_ata_drive *drive = &ata->drive[number];

        switch ((enum ata_feature)drive->feature[0]) {
        case FEATURE_TRANSFER_MODE: return set_transfer_mode(drive->count[0]);
        case FEATURE_WRITE_CACHE_ON: drive->write_through = 0; return 0;
        case FEATURE_WRITE_CACHE_OFF: drive->write_through = 1; return flush(ata, number) ? 0 : ATA_ERROR_ABRT;
        case FEATURE_LOOK_AHEAD_ON: drive->no_look_ahead = 0; return 0;
        case FEATURE_LOOK_AHEAD_OFF: drive->no_look_ahead = 1; return 0;
        case FEATURE_REVERTING_OFF: drive->reverting_off = 1; return 0;
        case FEATURE_REVERTING_ON: drive->reverting_off = 0; return 0;
        default: return ATA_ERROR_ABRT;
        }
}

/* The image is no disk that stops, so a spun-down one is as fast as any; only its answer to CHECK POWER MODE differs.
 */
static uint8_t set_power(struct hwaccl_ata *ata, enum ata_power power)
{
        unsigned number = selected(ata);

        ata->drive[number].power = (uint8_t)power;
        if (power == ATA_IDLING || ata_disk(ata, number)->read_only)
                return 0;
        return flush(ata, number) ? 0 : ATA_ERROR_ABRT;
}

static uint8_t check_power_mode(struct hwaccl_ata_drive *drive)
{
        drive->count[0] = drive->power == ATA_STANDBY  ? POWER_REPLY_STANDBY
                          : drive->power == ATA_IDLING ? POWER_REPLY_IDLE
                                                       : POWER_REPLY_ACTIVE;
        return 0;
}

static uint8_t flush_cache(struct hwaccl_ata *ata)
{
        unsigned number = selected(ata);

        return ata_disk(ata, number)->read_only || flush(ata, number) ? 0 : ATA_ERROR_ABRT;
}

static uint8_t seek(struct hwaccl_ata *ata)
{
        return address_of(ata, false) < ata_disk(ata, selected(ata))->sectors ? 0 : ATA_ERROR_IDNF;
}

/* Commands without data. Returns the error register. */
static uint8_t execute_without_data(struct hwaccl_ata *ata, uint8_t command)
{
        struct hwaccl_ata_drive *drive = &ata->drive[selected(ata)];

        switch ((enum ata_command)command) {
        case RECALIBRATE: return 0;
        case SEEK: return seek(ata);
        case INITIALIZE_DEVICE_PARAMETERS: return initialize_device_parameters(ata);
        case SET_MULTIPLE_MODE: return set_multiple_mode(drive);
        case SET_FEATURES: return set_features(ata);
        case IDLE:
        case IDLE_IMMEDIATE: return set_power(ata, ATA_IDLING);
        case STANDBY:
        case STANDBY_IMMEDIATE: return set_power(ata, ATA_STANDBY);
        case SLEEP: return set_power(ata, ATA_SLEEPING);
        case CHECK_POWER_MODE: return check_power_mode(drive);
        case FLUSH_CACHE:
        case FLUSH_CACHE_EXT: return flush_cache(ata);
        default: return ATA_ERROR_ABRT; /* NOP always; SMART, security, packets, DMA: not here */
        }
}

void ata_set_signature(struct hwaccl_ata *ata)
{
        for (unsigned i = 0; i < 2; i++) {
                struct hwaccl_ata_drive *drive = &ata->drive[i];
                memset(drive->count, 0, sizeof(drive->count));
                memset(drive->lba_low, 0, sizeof(drive->lba_low));
                memset(drive->lba_middle, 0, sizeof(drive->lba_middle));
                memset(drive->lba_high, 0, sizeof(drive->lba_high));
                drive->count[0] = 1;
                drive->lba_low[0] = 1;
                drive->error = ATA_ERROR_PASS;
                drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC;
        }
        ata->select = 0;
        ata->direction = HWACCL_ATA_IDLE;
}

void ata_execute(struct hwaccl_ata *ata, uint8_t command)
{
        struct hwaccl_ata_drive *drive = &ata->drive[selected(ata)];

        ata->direction = HWACCL_ATA_IDLE; /* abort the transfer */
        drive->status = ATA_STATUS_DRDY | ATA_STATUS_DSC;
        drive->error = 0;
        switch ((enum ata_command)command) {
        case READ_SECTORS:
        case READ_SECTORS_ONCE: move_sectors(ata, ACTION_READ, false, false); break;
        case READ_SECTORS_EXT: move_sectors(ata, ACTION_READ, false, true); break;
        case READ_MULTIPLE: move_sectors(ata, ACTION_READ, true, false); break;
        case READ_MULTIPLE_EXT: move_sectors(ata, ACTION_READ, true, true); break;
        case WRITE_SECTORS:
        case WRITE_SECTORS_ONCE: move_sectors(ata, ACTION_WRITE, false, false); break;
        case WRITE_SECTORS_EXT: move_sectors(ata, ACTION_WRITE, false, true); break;
        case WRITE_MULTIPLE: move_sectors(ata, ACTION_WRITE, true, false); break;
        case WRITE_MULTIPLE_EXT: move_sectors(ata, ACTION_WRITE, true, true); break;
        case READ_VERIFY_SECTORS:
        case READ_VERIFY_SECTORS_ONCE: move_sectors(ata, ACTION_VERIFY, false, false); break;
        case READ_VERIFY_SECTORS_EXT: move_sectors(ata, ACTION_VERIFY, false, true); break;
        case IDENTIFY_DEVICE: identify_device(ata); break;
        case EXECUTE_DEVICE_DIAGNOSTIC:
                ata_set_signature(ata);
                ata->drive[0].interrupt = 1;
                break;
        default: finish(ata, selected(ata), execute_without_data(ata, command)); break;
        }
}
