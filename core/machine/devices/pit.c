/*
 * Intel 8254 Programmable Interval Timer (order number 231164-005) at ports 40h-43h: command words, latches, and
 * channel 0's output on line 0. The counters themselves are in pit_counter.c.
 */
#include "core/machine/devices/pit.h"

#include "core/assert.h"
#include "core/machine/board/board.h"
#include "core/machine/board/clock.h"
#include "core/machine/board/ports.h"

#include <inttypes.h>

#define IRQ_LINE     0u
#define CONTROL_PORT 0x43u

/* Edges of channel 0 that follow each other closer than this coalesce, lest a guest that programs a period of a
 * microsecond makes no progress. 20 us. */
#define TICKS_MIN 24u

static uint64_t now_tick(const struct hwaccl_pit *pit)
{
        return hwaccl_clock_ticks(hwaccl_host_clock(pit->device.board->host), HWACCL_PIT_HZ);
}

/* Bring line 0 up to channel 0's output. A short low pulse is passed on as one, or its edge would be lost. */
static void synchronize(struct hwaccl_pit *pit)
{
        struct hwaccl_pit_channel *channel = &pit->channel[0];
        uint64_t now = now_tick(pit);
        bool rose = hwaccl_pit_counter_next_rise(channel, pit->synchronized) <= now;

        hwaccl_pit_counter_settle(channel, now);
        if (rose) {
                hwaccl_board_set_irq_line(pit->device.board, IRQ_LINE, false);
                hwaccl_board_set_irq_line(pit->device.board, IRQ_LINE, true);
        }
        hwaccl_board_set_irq_line(pit->device.board, IRQ_LINE, hwaccl_pit_counter_output(channel, now));
        pit->synchronized = now;
        hwaccl_board_deadline_changed(pit->device.board);
}

/* After a change of channel 0 that is not a tick: its output may have jumped. */
static void reprogrammed(struct hwaccl_pit *pit, const struct hwaccl_pit_channel *channel)
{
        if (channel != &pit->channel[0])
                return;
        hwaccl_board_set_irq_line(pit->device.board, IRQ_LINE, hwaccl_pit_counter_output(channel, pit->synchronized));
}

static void latch_count(struct hwaccl_pit_channel *channel, uint64_t now)
{
        if (channel->latched)
                return; /* the first latch stays until it is read */
        channel->latch = hwaccl_pit_counter_value(channel, now);
        channel->latched = channel->access == 3 ? 2 : 1;
        channel->read_high = channel->access == 2;
}

static void latch_status(struct hwaccl_pit_channel *channel, uint64_t now)
{
        if (channel->status_latched)
                return;
        channel->status =
                (uint8_t)(hwaccl_pit_counter_output(channel, now) << 7 | hwaccl_pit_counter_null(channel, now) << 6 |
                          channel->access << 4 | channel->mode << 1 | channel->bcd);
        channel->status_latched = 1;
}

static void read_back(struct hwaccl_pit *pit, uint8_t value, uint64_t now)
{
        for (unsigned i = 0; i < HWACCL_PIT_CHANNEL_COUNT; i++) {
                if (!(value & 2u << i))
                        continue;
                if (!(value & 0x20))
                        latch_count(&pit->channel[i], now);
                if (!(value & 0x10))
                        latch_status(&pit->channel[i], now);
        }
}

/* Control word: bits 7:6 channel (3: read-back), 5:4 access (0: latch), 3:1 mode, 0 BCD. */
static void write_control(struct hwaccl_pit *pit, uint8_t value)
{
        unsigned number = value >> 6;
        uint8_t access = value >> 4 & 3;

        if (number == 3) {
                read_back(pit, value, now_tick(pit));
        } else if (!access) {
                latch_count(&pit->channel[number], now_tick(pit));
        } else {
                hwaccl_pit_counter_set_mode(&pit->channel[number], value >> 1 & 7, access, value & 1);
                reprogrammed(pit, &pit->channel[number]);
        }
}

static void write_count(struct hwaccl_pit *pit, struct hwaccl_pit_channel *channel, uint8_t value)
{
        uint64_t now = now_tick(pit);
        uint16_t count = value;

        if (channel->access == 3 && !channel->write_high) {
                channel->write_low = value;
                channel->write_high = 1;
                if (channel->mode == 0) {
                        hwaccl_pit_counter_stop(channel, now); /* the first byte disables counting */
                        channel->expired = 0;
                        reprogrammed(pit, channel);
                }
                return;
        }
        if (channel->access == 3)
                count = (uint16_t)(value << 8 | channel->write_low);
        else if (channel->access == 2)
                count = (uint16_t)(value << 8);
        channel->write_high = 0;
        hwaccl_pit_counter_load(channel, now, count);
        reprogrammed(pit, channel);
}

static uint8_t read_byte(struct hwaccl_device *device, uint16_t port)
{
        struct hwaccl_pit *pit = (struct hwaccl_pit *)device;
        if (port == CONTROL_PORT)
                return 0xff; /* write-only */
        struct hwaccl_pit_channel *channel = &pit->channel[port & 3];

        if (channel->status_latched) {
                channel->status_latched = 0;
                return channel->status;
        }
        uint16_t value = channel->latch;
        if (channel->latched)
                channel->latched--;
        else
                value = hwaccl_pit_counter_value(channel, now_tick(pit));
        bool high = channel->access == 2 || (channel->access == 3 && channel->read_high);
        if (channel->access == 3)
                channel->read_high ^= 1;
        return (uint8_t)(high ? value >> 8 : value);
}

static uint32_t pit_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        return hwaccl_ports_read(device, port, size, read_byte);
}

static void write_byte(struct hwaccl_device *device, uint16_t port, uint8_t value)
{
        struct hwaccl_pit *pit = (struct hwaccl_pit *)device;

        synchronize(pit);
        if (port == CONTROL_PORT)
                write_control(pit, value);
        else
                write_count(pit, &pit->channel[port & 3], value);
}

static void pit_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        hwaccl_ports_write(device, port, size, value, write_byte);
}

void hwaccl_pit_set_gate(struct hwaccl_pit *pit, unsigned channel, bool gate)
{
        hwaccl_assert(channel > 0 && channel < HWACCL_PIT_CHANNEL_COUNT); /* channel 0's is tied high */
        hwaccl_pit_counter_set_gate(&pit->channel[channel], now_tick(pit), gate);
}

bool hwaccl_pit_output(const struct hwaccl_pit *pit, unsigned channel)
{
        return hwaccl_pit_counter_output(&pit->channel[channel], now_tick(pit));
}

static void pit_advance(struct hwaccl_device *device)
{
        synchronize((struct hwaccl_pit *)device);
}

static uint64_t pit_deadline(const struct hwaccl_device *device)
{
        const struct hwaccl_pit *pit = (const struct hwaccl_pit *)device;
        uint64_t tick = hwaccl_pit_counter_next_change(&pit->channel[0], pit->synchronized);
        bool fast = pit->channel[0].count < TICKS_MIN && tick != UINT64_MAX;

        if (fast && pit->channel[0].mode >= 2 && tick < pit->synchronized + TICKS_MIN)
                tick = pit->synchronized + TICKS_MIN;
        return hwaccl_clock_tick_ns(tick, HWACCL_PIT_HZ);
}

static bool channel_possible(const struct hwaccl_pit_channel *channel)
{
        bool flags = channel->bcd <= 1 && channel->gate <= 1 && channel->counting <= 1 && channel->expired <= 1 &&
                     channel->fresh <= 1 && channel->read_high <= 1 && channel->write_high <= 1 &&
                     channel->status_latched <= 1;
        bool counts = channel->count <= 65536 && channel->next <= 65536 && channel->written <= 65536 &&
                      (channel->count || !(channel->counting || channel->next));

        return flags && counts && channel->mode <= 5 && channel->access >= 1 && channel->access <= 3 &&
               channel->latched <= 2;
}

static bool pit_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_pit *pit = (const struct hwaccl_pit *)device;

        for (unsigned i = 0; i < HWACCL_PIT_CHANNEL_COUNT; i++)
                if (!channel_possible(&pit->channel[i]))
                        return hwaccl_error_set(error, "a value of channel %u is out of range", i);
        if (pit->synchronized > INT64_MAX / 2)
                return hwaccl_error_set(error, "tick %" PRIu64 " lies in the far future", pit->synchronized);
        return true;
}

static void pit_restored(struct hwaccl_device *device)
{
        hwaccl_board_deadline_changed(device->board);
}

#define CHANNEL_FIELD(number, member) HWACCL_DEVICE_FIELD(struct hwaccl_pit, channel[number].member)
#define CHANNEL_FIELDS(number)                                                                                         \
        CHANNEL_FIELD(number, origin), CHANNEL_FIELD(number, next_at), CHANNEL_FIELD(number, count),                   \
                CHANNEL_FIELD(number, next), CHANNEL_FIELD(number, written), CHANNEL_FIELD(number, latch),             \
                CHANNEL_FIELD(number, mode), CHANNEL_FIELD(number, access), CHANNEL_FIELD(number, bcd),                \
                CHANNEL_FIELD(number, gate), CHANNEL_FIELD(number, counting), CHANNEL_FIELD(number, expired),          \
                CHANNEL_FIELD(number, fresh), CHANNEL_FIELD(number, latched), CHANNEL_FIELD(number, read_high),        \
                CHANNEL_FIELD(number, write_high), CHANNEL_FIELD(number, write_low), CHANNEL_FIELD(number, status),    \
                CHANNEL_FIELD(number, status_latched)

static const struct hwaccl_device_field pit_fields[] = {
        CHANNEL_FIELDS(0),
        CHANNEL_FIELDS(1),
        CHANNEL_FIELDS(2),
        HWACCL_DEVICE_FIELD(struct hwaccl_pit, synchronized),
};

static const struct hwaccl_device_ops pit_ops = {
        .name = "pit",
        .size = sizeof(struct hwaccl_pit),
        .fields = pit_fields,
        .field_count = sizeof(pit_fields) / sizeof(pit_fields[0]),
        .port_read = pit_read,
        .port_write = pit_write,
        .advance = pit_advance,
        .deadline = pit_deadline,
        .valid = pit_valid,
        .restored = pit_restored,
};

void hwaccl_pit_init(struct hwaccl_pit *pit, struct hwaccl_board *board)
{
        /* The datasheet leaves the state after power-up undefined; here nothing counts and all outputs are low. */
        for (unsigned i = 0; i < HWACCL_PIT_CHANNEL_COUNT; i++)
                pit->channel[i] = (struct hwaccl_pit_channel){.access = 3, .gate = i != 2};
        hwaccl_board_add_timed_device(board, &pit->device, &pit_ops, IRQ_LINE);
        hwaccl_bus_claim_ports(&board->bus, &pit->device, 0x40, 4);
}
