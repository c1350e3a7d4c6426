/*
 * Intel 82093AA I/O APIC (order number 290566-001). Its messages reach the one local APIC at once. Lines of this board
 * say whether they are asserted: the polarity bit of an entry is kept and has no effect. Pin 0, which on other boards
 * has the 8259s' output, is not connected; the timer's line 0 is pin 2.
 */
#include "core/machine/devices/io_apic.h"

#include "core/assert.h"
#include "core/machine/devices/local_apic.h"

#include <inttypes.h>

#define WINDOW_SIZE   UINT64_C(0x1000)
#define OFFSET_SELECT 0x00u
#define OFFSET_WINDOW 0x10u

#define REGISTER_ID          0x00u
#define REGISTER_VERSION     0x01u
#define REGISTER_ARBITRATION 0x02u
#define REGISTER_REDIRECTION 0x10u

#define VERSION  (0x11u | (HWACCL_IO_APIC_PINS - 1) << 16)
#define ID_SHIFT 24
#define ID_MASK  0xfu

#define BROADCAST        0xffu
#define ENTRY_LOGICAL    UINT64_C(0x800)
#define ENTRY_REMOTE_IRR UINT64_C(0x4000)
#define ENTRY_LEVEL      UINT64_C(0x8000)
#define ENTRY_MASKED     UINT64_C(0x10000)
#define ENTRY_WRITABLE   UINT64_C(0xff0000000001afff)
#define ENTRY_POSSIBLE   (ENTRY_WRITABLE | ENTRY_REMOTE_IRR)

static uint8_t vector_of(uint64_t entry)
{
        return (uint8_t)entry;
}

static enum hwaccl_delivery_mode mode_of(uint64_t entry)
{
        return (enum hwaccl_delivery_mode)(entry >> 8 & 7);
}

/* Modes other than fixed and lowest priority are edges, whatever the entry says. */
static bool is_level(uint64_t entry)
{
        return entry & ENTRY_LEVEL && mode_of(entry) <= HWACCL_DELIVER_LOWEST_PRIORITY;
}

static bool is_for_processor(const struct hwaccl_io_apic *io_apic, uint64_t entry)
{
        uint32_t destination = (uint32_t)(entry >> 56);

        return hwaccl_local_apic_is_destination(
                io_apic->local_apic, destination == BROADCAST ? UINT32_MAX : destination, entry & ENTRY_LOGICAL);
}

/* Send the message of a pin that rose, or is asserted. */
static void send(struct hwaccl_io_apic *io_apic, unsigned pin)
{
        uint64_t *entry = &io_apic->redirection[pin];

        if (*entry & ENTRY_MASKED || *entry & ENTRY_REMOTE_IRR || !is_for_processor(io_apic, *entry))
                return;
        bool accepted =
                hwaccl_local_apic_deliver(io_apic->local_apic, mode_of(*entry), vector_of(*entry), is_level(*entry));
        if (accepted && is_level(*entry))
                *entry |= ENTRY_REMOTE_IRR;
}

static void offer_level(struct hwaccl_io_apic *io_apic, unsigned pin)
{
        if (is_level(io_apic->redirection[pin]) && io_apic->pins & 1u << pin)
                send(io_apic, pin);
}

bool hwaccl_io_apic_set_pin(struct hwaccl_io_apic *io_apic, unsigned pin, bool level)
{
        hwaccl_assert(pin < HWACCL_IO_APIC_PINS);
        uint32_t bit = UINT32_C(1) << pin;

        if (level == ((io_apic->pins & bit) != 0))
                return false;
        io_apic->pins ^= bit;
        if (level)
                send(io_apic, pin);
        return true;
}

void hwaccl_io_apic_end_of_interrupt(struct hwaccl_io_apic *io_apic, uint8_t vector)
{
        for (unsigned pin = 0; pin < HWACCL_IO_APIC_PINS; pin++) {
                uint64_t *entry = &io_apic->redirection[pin];
                if (!(*entry & ENTRY_REMOTE_IRR) || vector_of(*entry) != vector)
                        continue;
                *entry &= ~ENTRY_REMOTE_IRR;
                offer_level(io_apic, pin);
        }
}

void hwaccl_io_apic_offer(struct hwaccl_io_apic *io_apic)
{
        for (unsigned pin = 0; pin < HWACCL_IO_APIC_PINS; pin++)
                offer_level(io_apic, pin);
}

bool hwaccl_io_apic_would_interrupt(const struct hwaccl_io_apic *io_apic, unsigned pin, bool enabled)
{
        uint64_t entry = io_apic->redirection[pin];

        return !(entry & ENTRY_MASKED) && !(entry & ENTRY_REMOTE_IRR) && is_for_processor(io_apic, entry) &&
               hwaccl_local_apic_would_take(io_apic->local_apic, mode_of(entry), vector_of(entry), enabled);
}

static uint32_t read_window(const struct hwaccl_io_apic *io_apic)
{
        unsigned number = io_apic->select - REGISTER_REDIRECTION;

        switch (io_apic->select) {
        case REGISTER_ID:
        case REGISTER_ARBITRATION: return (uint32_t)io_apic->id << ID_SHIFT; /* loaded whenever the ID is written */
        case REGISTER_VERSION: return VERSION;
        default: break;
        }
        if (number >= 2 * HWACCL_IO_APIC_PINS)
                return 0;
        return (uint32_t)(io_apic->redirection[number / 2] >> (number % 2 ? 32 : 0));
}

/* An entry that becomes edge-triggered forgets its remote IRR. */
static void write_entry(struct hwaccl_io_apic *io_apic, unsigned number, uint32_t value)
{
        uint64_t *entry = &io_apic->redirection[number / 2];
        uint64_t kept = number % 2 ? UINT32_MAX : ~(uint64_t)UINT32_MAX | ENTRY_REMOTE_IRR;
        uint64_t written = (uint64_t)value << (number % 2 ? 32 : 0);

        *entry = (*entry & kept) | (written & ENTRY_WRITABLE & ~kept);
        if (!is_level(*entry))
                *entry &= ~ENTRY_REMOTE_IRR;
        offer_level(io_apic, number / 2);
}

static void write_window(struct hwaccl_io_apic *io_apic, uint32_t value)
{
        unsigned number = io_apic->select - REGISTER_REDIRECTION;

        if (io_apic->select == REGISTER_ID)
                io_apic->id = (uint8_t)(value >> ID_SHIFT & ID_MASK);
        else if (number < 2 * HWACCL_IO_APIC_PINS)
                write_entry(io_apic, number, value);
}

static uint64_t io_apic_read(struct hwaccl_device *device, uint64_t address, unsigned size)
{
        const struct hwaccl_io_apic *io_apic = (const struct hwaccl_io_apic *)device;

        switch (address - HWACCL_IO_APIC_BASE) {
        case OFFSET_SELECT: return io_apic->select;
        case OFFSET_WINDOW: return size == 4 ? read_window(io_apic) : 0;
        default: return 0;
        }
}

static void io_apic_write(struct hwaccl_device *device, uint64_t address, unsigned size, uint64_t value)
{
        struct hwaccl_io_apic *io_apic = (struct hwaccl_io_apic *)device;

        if (address == HWACCL_IO_APIC_BASE + OFFSET_SELECT)
                io_apic->select = (uint8_t)value;
        else if (address == HWACCL_IO_APIC_BASE + OFFSET_WINDOW && size == 4)
                write_window(io_apic, (uint32_t)value);
}

static bool io_apic_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_io_apic *io_apic = (const struct hwaccl_io_apic *)device;

        for (unsigned pin = 0; pin < HWACCL_IO_APIC_PINS; pin++) {
                uint64_t entry = io_apic->redirection[pin];
                if (entry & ~ENTRY_POSSIBLE || (entry & ENTRY_REMOTE_IRR && !is_level(entry)))
                        return hwaccl_error_set(error, "redirection entry %u is impossible: 0x%" PRIx64, pin, entry);
        }
        if (io_apic->pins >> HWACCL_IO_APIC_PINS || io_apic->id > ID_MASK)
                return hwaccl_error_set(error, "a pin or the ID is out of range");
        return true;
}

static const struct hwaccl_device_field io_apic_fields[] = {
        HWACCL_DEVICE_FIELD(struct hwaccl_io_apic, redirection),
        HWACCL_DEVICE_FIELD(struct hwaccl_io_apic, pins),
        HWACCL_DEVICE_FIELD(struct hwaccl_io_apic, select),
        HWACCL_DEVICE_FIELD(struct hwaccl_io_apic, id),
};

static const struct hwaccl_device_ops io_apic_ops = {
        .name = "io_apic",
        .size = sizeof(struct hwaccl_io_apic),
        .fields = io_apic_fields,
        .field_count = sizeof(io_apic_fields) / sizeof(io_apic_fields[0]),
        .mmio_read = io_apic_read,
        .mmio_write = io_apic_write,
        .valid = io_apic_valid,
};

void hwaccl_io_apic_init(struct hwaccl_io_apic *io_apic, struct hwaccl_local_apic *local_apic,
                         struct hwaccl_board *board)
{
        io_apic->local_apic = local_apic;
        for (unsigned pin = 0; pin < HWACCL_IO_APIC_PINS; pin++)
                io_apic->redirection[pin] = ENTRY_MASKED;
        hwaccl_board_add_device(board, &io_apic->device, &io_apic_ops);
        hwaccl_bus_claim_mmio(&board->bus, &io_apic->device, HWACCL_IO_APIC_BASE, WINDOW_SIZE);
}
