/*
 * ATA disks with PIO data transfers (AT Attachment with Packet Interface - 6, T13/1410D revision 3b): the registers of
 * a channel, resets, the interrupt line. Commands are carried out while the guest writes them, so BSY shows only while
 * a software reset is held. A channel without disks is like an empty cable: DD7 is pulled down, and reads give 7fh.
 * Device 0 answers for a device 1 that is absent (9.16.1).
 */
#include "core/machine/devices/ata.h"

#include "core/machine/board/board.h"
#include "core/machine/board/ports.h"
#include "core/machine/devices/ata_internal.h"

#include <string.h>

#define COMMAND_PORTS 8u
#define EMPTY_CABLE   0x7fu

enum ata_register {
        REGISTER_DATA = 0,
        REGISTER_ERROR_FEATURE = 1,
        REGISTER_COUNT = 2,
        REGISTER_LBA_LOW = 3,
        REGISTER_LBA_MIDDLE = 4,
        REGISTER_LBA_HIGH = 5,
        REGISTER_DEVICE = 6,
        REGISTER_STATUS_COMMAND = 7,
};

static struct hwaccl_ata *ata_of(struct hwaccl_device *device)
{
        return (struct hwaccl_ata *)device;
}

static unsigned selected(const struct hwaccl_ata *ata)
{
        return ata->select & ATA_DEVICE_DEV ? 1 : 0;
}

/* INTRQ of the selected drive to the interrupt line; device 1's counts only when it is there and selected. */
static void update_line(struct hwaccl_ata *ata)
{
        unsigned drive = selected(ata);
        bool asserted = drive < ata->disk_count && ata->drive[drive].interrupt && !(ata->control & ATA_CONTROL_NIEN);

        hwaccl_board_set_irq_line(ata->device.board, ata->line, asserted);
}

static void power_on(struct hwaccl_ata *ata)
{
        for (unsigned i = 0; i < 2; i++) {
                ata->drive[i].heads = ATA_HEADS_DEFAULT;
                ata->drive[i].sectors = ATA_SECTORS_DEFAULT;
        }
        ata_set_signature(ata);
}

/* SRST is set: both devices are busy, and their settings revert unless configured otherwise. */
static void begin_reset(struct hwaccl_ata *ata)
{
        ata_set_signature(ata);
        for (unsigned i = 0; i < 2; i++) {
                struct hwaccl_ata_drive *drive = &ata->drive[i];
                drive->interrupt = 0;
                if (drive->power == ATA_SLEEPING)
                        drive->power = ATA_STANDBY;
                if (drive->reverting_off)
                        continue;
                drive->multiple = 0;
                drive->write_through = 0;
                drive->no_look_ahead = 0;
                drive->heads = ATA_HEADS_DEFAULT;
                drive->sectors = ATA_SECTORS_DEFAULT;
        }
}

static uint8_t status_of(const struct hwaccl_ata *ata)
{
        unsigned drive = selected(ata);

        if (ata->control & ATA_CONTROL_SRST)
                return ATA_STATUS_BSY;
        if (drive >= ata->disk_count)
                return 0;
        bool waiting = ata->direction != HWACCL_ATA_IDLE && ata->owner == drive;
        return (uint8_t)(ata->drive[drive].status | (waiting ? ATA_STATUS_DRQ : 0u));
}

/* The drive whose registers are seen: device 0's for an absent device 1. */
static const struct hwaccl_ata_drive *answering(const struct hwaccl_ata *ata)
{
        unsigned drive = selected(ata);
        return &ata->drive[drive < ata->disk_count ? drive : 0];
}

static uint8_t read_register(struct hwaccl_device *device, uint16_t port)
{
        struct hwaccl_ata *ata = ata_of(device);
        const struct hwaccl_ata_drive *drive = answering(ata);
        unsigned order = ata->control & ATA_CONTROL_HOB ? 1 : 0;

        if (!ata->disk_count)
                return EMPTY_CABLE;
        if (port == ata->control_port)
                return status_of(ata);
        switch ((enum ata_register)(port - ata->base)) {
        case REGISTER_ERROR_FEATURE: return drive->error;
        case REGISTER_COUNT: return drive->count[order];
        case REGISTER_LBA_LOW: return drive->lba_low[order];
        case REGISTER_LBA_MIDDLE: return drive->lba_middle[order];
        case REGISTER_LBA_HIGH: return drive->lba_high[order];
        case REGISTER_DEVICE: return ata->select;
        case REGISTER_STATUS_COMMAND:
                if (selected(ata) < ata->disk_count) {
                        ata->drive[selected(ata)].interrupt = 0;
                        update_line(ata);
                }
                return status_of(ata);
        default: return 0xff; /* the data register is no byte register */
        }
}

static void write_control(struct hwaccl_ata *ata, uint8_t value)
{
        bool resets = value & ATA_CONTROL_SRST && !(ata->control & ATA_CONTROL_SRST);

        ata->control = value & (ATA_CONTROL_NIEN | ATA_CONTROL_SRST | ATA_CONTROL_HOB);
        if (resets)
                begin_reset(ata);
        update_line(ata);
}

static void push(uint8_t *registers, uint8_t value)
{
        registers[1] = registers[0];
        registers[0] = value;
}

/* The command of an absent drive is ignored, but for EXECUTE DEVICE DIAGNOSTIC, which is for both. */
static void write_command(struct hwaccl_ata *ata, uint8_t command)
{
        enum { EXECUTE_DEVICE_DIAGNOSTIC = 0x90 };

        if (command == EXECUTE_DEVICE_DIAGNOSTIC)
                ata->select &= (uint8_t)~ATA_DEVICE_DEV;
        unsigned drive = selected(ata);
        if (drive >= ata->disk_count || ata->drive[drive].power == ATA_SLEEPING)
                return;
        ata->drive[drive].interrupt = 0;
        ata_execute(ata, command);
        update_line(ata);
}

/* Both devices take what is written to the command block. */
static void write_register(struct hwaccl_device *device, uint16_t port, uint8_t value)
{
        struct hwaccl_ata *ata = ata_of(device);

        if (!ata->disk_count)
                return;
        if (port == ata->control_port) {
                write_control(ata, value);
                return;
        }
        if (ata->control & ATA_CONTROL_SRST || port == ata->base)
                return;
        ata->control &= (uint8_t)~ATA_CONTROL_HOB;
        for (unsigned i = 0; i < 2; i++) {
                struct hwaccl_ata_drive *drive = &ata->drive[i];
                switch ((enum ata_register)(port - ata->base)) {
                case REGISTER_ERROR_FEATURE: push(drive->feature, value); break;
                case REGISTER_COUNT: push(drive->count, value); break;
                case REGISTER_LBA_LOW: push(drive->lba_low, value); break;
                case REGISTER_LBA_MIDDLE: push(drive->lba_middle, value); break;
                case REGISTER_LBA_HIGH: push(drive->lba_high, value); break;
                default: break;
                }
        }
        if (port - ata->base == REGISTER_DEVICE) {
                ata->select = value;
                update_line(ata);
        } else if (port - ata->base == REGISTER_STATUS_COMMAND) {
                write_command(ata, value);
        }
}

/* Bytes of the block that wait for the selected drive in that direction. */
static unsigned waiting(const struct hwaccl_ata *ata, enum hwaccl_ata_direction direction)
{
        bool mine = ata->direction == direction && ata->owner == selected(ata) && !(ata->control & ATA_CONTROL_SRST);
        bool inside = ata->position < ata->size && ata->size <= HWACCL_ATA_BUFFER_SIZE && ata->owner < ata->disk_count;
        return mine && inside ? (unsigned)(ata->size - ata->position) : 0;
}

/* One or two words. Without a transfer it reads as ones. */
static uint32_t read_data(struct hwaccl_ata *ata, unsigned size)
{
        uint32_t value = UINT32_MAX;
        unsigned count = waiting(ata, HWACCL_ATA_TO_HOST);

        if (!ata->disk_count)
                return EMPTY_CABLE * 0x01010101u;
        if (!count)
                return value;
        if (count > size)
                count = size;
        memcpy(&value, ata->buffer + ata->position, count);
        ata->position = (uint16_t)(ata->position + count);
        if (ata->position == ata->size) {
                ata_block_done(ata);
                update_line(ata);
        }
        return value;
}

static void write_data(struct hwaccl_ata *ata, unsigned size, uint32_t value)
{
        unsigned count = waiting(ata, HWACCL_ATA_FROM_HOST);

        if (!count)
                return;
        if (count > size)
                count = size;
        memcpy(ata->buffer + ata->position, &value, count);
        ata->position = (uint16_t)(ata->position + count);
        if (ata->position == ata->size) {
                ata_block_done(ata);
                update_line(ata);
        }
}

static uint32_t ata_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        struct hwaccl_ata *ata = ata_of(device);

        if (port == ata->base && size > 1)
                return read_data(ata, size);
        return hwaccl_ports_read(device, port, size, read_register);
}

static void ata_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        struct hwaccl_ata *ata = ata_of(device);

        if (port == ata->base && size > 1)
                write_data(ata, size, value);
        else
                hwaccl_ports_write(device, port, size, value, write_register);
}

static bool valid_drive(const struct hwaccl_ata_drive *drive)
{
        return (drive->status & ~ATA_STATUS_ERR) == (ATA_STATUS_DRDY | ATA_STATUS_DSC) && drive->interrupt <= 1 &&
               drive->multiple <= HWACCL_ATA_MULTIPLE_MAX && !(drive->multiple & (drive->multiple - 1)) &&
               drive->heads >= 1 && drive->heads <= 16 && drive->sectors >= 1 && drive->power <= ATA_SLEEPING &&
               drive->write_through <= 1 && drive->no_look_ahead <= 1 && drive->reverting_off <= 1;
}

/* During a transfer: whole sectors, within the buffer, of an existing drive. */
static bool valid_block(const struct hwaccl_ata *ata)
{
        if (ata->position > HWACCL_ATA_BUFFER_SIZE || ata->size > HWACCL_ATA_BUFFER_SIZE || ata->size % ATA_SECTOR ||
            ata->direction > HWACCL_ATA_FROM_HOST)
                return false;
        return ata->direction == HWACCL_ATA_IDLE ||
               (ata->position < ata->size && ata->owner < ata->disk_count && ata->block >= 1 &&
                ata->block <= HWACCL_ATA_MULTIPLE_MAX && ata->rest <= 65536 && ata->extended <= 1);
}

static bool ata_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_ata *ata = (const struct hwaccl_ata *)device;

        if (!valid_drive(&ata->drive[0]) || !valid_drive(&ata->drive[1]))
                return hwaccl_error_set(error, "invalid status, geometry or settings of a drive");
        if (ata->control & ~(ATA_CONTROL_NIEN | ATA_CONTROL_SRST | ATA_CONTROL_HOB))
                return hwaccl_error_set(error, "the device control register has reserved bits set");
        if (!valid_block(ata))
                return hwaccl_error_set(error, "invalid state of the current transfer");
        return true;
}

#define DRIVE_FIELDS(number)                                                                                           \
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].feature),                                                 \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].count),                                           \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].lba_low),                                         \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].lba_middle),                                      \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].lba_high),                                        \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].error),                                           \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].status),                                          \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].interrupt),                                       \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].multiple),                                        \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].heads),                                           \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].sectors),                                         \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].power),                                           \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].write_through),                                   \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].no_look_ahead),                                   \
                HWACCL_DEVICE_FIELD(struct hwaccl_ata, drive[number].reverting_off)

static const struct hwaccl_device_field ata_fields[] = {
        DRIVE_FIELDS(0),
        DRIVE_FIELDS(1),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, select),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, control),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, direction),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, owner),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, extended),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, block),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, position),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, size),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, rest),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, sector),
        HWACCL_DEVICE_FIELD(struct hwaccl_ata, buffer),
};

#define ATA_OPS(device_name)                                                                                           \
        {                                                                                                              \
                .name = device_name, .size = sizeof(struct hwaccl_ata), .fields = ata_fields,                          \
                .field_count = sizeof(ata_fields) / sizeof(ata_fields[0]), .port_read = ata_read,                      \
                .port_write = ata_write, .valid = ata_valid,                                                           \
        }

void hwaccl_ata_init(struct hwaccl_ata *ata, unsigned channel, struct hwaccl_board *board)
{
        static const struct hwaccl_device_ops ops[HWACCL_ATA_CHANNELS] = {ATA_OPS("ata0"), ATA_OPS("ata1")};
        static const uint16_t base[HWACCL_ATA_CHANNELS] = {0x1f0, 0x170};
        static const uint16_t control[HWACCL_ATA_CHANNELS] = {0x3f6, 0x376};
        size_t before = channel * 2;
        size_t disks = board->disk_count > before ? board->disk_count - before : 0;

        ata->channel = channel;
        ata->line = 14 + channel;
        ata->base = base[channel];
        ata->control_port = control[channel];
        ata->disk = &board->disk[before];
        ata->disk_count = disks > 2 ? 2 : (unsigned)disks;
        hwaccl_board_add_device(board, &ata->device, &ops[channel]);
        power_on(ata);
        hwaccl_bus_claim_ports(&board->bus, &ata->device, ata->base, COMMAND_PORTS);
        hwaccl_bus_claim_ports(&board->bus, &ata->device, ata->control_port, 1);
}
