/*
 * One counter of the Intel 8254 Programmable Interval Timer (order number 231164-005, "Mode Definitions"): what it
 * counts and puts out is a function of the tick, so that nothing has to be stepped.
 */
#include "core/machine/devices/pit.h"

static uint32_t modulus(const struct hwaccl_pit_channel *channel)
{
        return channel->bcd ? 10000 : 65536;
}

/* A written or loaded count as a number of ticks: 0 stands for the greatest. */
static uint32_t decode_count(const struct hwaccl_pit_channel *channel, uint16_t value)
{
        uint32_t count = value;

        if (channel->bcd)
                count = (value >> 12 & 15u) * 1000 + (value >> 8 & 15u) * 100 + (value >> 4 & 15u) * 10 + (value & 15u);
        count %= modulus(channel);
        return count ? count : modulus(channel);
}

static uint16_t encode_count(const struct hwaccl_pit_channel *channel, uint32_t count)
{
        count %= modulus(channel);
        if (channel->bcd)
                count = count / 1000 << 12 | count / 100 % 10 << 8 | count / 10 % 10 << 4 | count % 10;
        return (uint16_t)count;
}

static bool periodic(const struct hwaccl_pit_channel *channel)
{
        return channel->mode == 2 || channel->mode == 3;
}

static bool triggered(const struct hwaccl_pit_channel *channel)
{
        return channel->mode == 1 || channel->mode == 5;
}

/* Mode 3: the ticks of a period during which the output is high. */
static uint32_t high_part(uint32_t count)
{
        return (count + 1) / 2;
}

/* Ticks of a period. A count of 0 cannot be loaded: it stands for the largest. */
static uint32_t period_of(const struct hwaccl_pit_channel *channel)
{
        return channel->count ? channel->count : 65536;
}

static bool load_waits(const struct hwaccl_pit_channel *channel, uint64_t now)
{
        return channel->counting && (int64_t)(now - channel->origin) < 0;
}

/* Ticks that were counted since the load. In mode 3 the origin may lie before tick 0: differences are modular. */
static uint64_t elapsed(const struct hwaccl_pit_channel *channel, uint64_t now)
{
        return channel->counting && !load_waits(channel, now) ? now - channel->origin : 0;
}

static void start(struct hwaccl_pit_channel *channel, uint64_t now, bool counting)
{
        channel->count = channel->written;
        channel->next = 0;
        channel->expired = 0;
        channel->fresh = 0;
        channel->origin = now + 1; /* the count register is loaded with the next clock pulse */
        channel->counting = counting;
}

void hwaccl_pit_counter_set_mode(struct hwaccl_pit_channel *channel, uint8_t mode, uint8_t access, uint8_t bcd)
{
        *channel = (struct hwaccl_pit_channel){
                .mode = mode > 5 ? mode - 4 : mode, /* 6 and 7 are 2 and 3 */
                .access = access,
                .bcd = bcd,
                .gate = channel->gate,
        };
}

void hwaccl_pit_counter_settle(struct hwaccl_pit_channel *channel, uint64_t now)
{
        if (!channel->next || (int64_t)(now - channel->next_at) < 0)
                return;
        bool half = channel->mode == 3 && channel->next_at - channel->origin < channel->count;
        channel->origin = channel->next_at - (half ? high_part(channel->next) : 0);
        channel->count = channel->next;
        channel->next = 0;
}

/* Modes 2 and 3: a new count waits for the end of the period, of the half period in mode 3. */
static void queue(struct hwaccl_pit_channel *channel, uint64_t now)
{
        hwaccl_pit_counter_settle(channel, now);
        uint64_t into = elapsed(channel, now) % period_of(channel);
        channel->origin = now - into;
        channel->next = channel->written;
        bool half = channel->mode == 3 && into < high_part(channel->count);
        channel->next_at = channel->origin + (half ? high_part(channel->count) : channel->count);
}

void hwaccl_pit_counter_load(struct hwaccl_pit_channel *channel, uint64_t now, uint16_t value)
{
        channel->written = decode_count(channel, value);
        if (triggered(channel) || (periodic(channel) && !channel->gate))
                channel->fresh = 1;
        else if (periodic(channel) && channel->counting && !load_waits(channel, now))
                queue(channel, now);
        else
                start(channel, now, channel->gate);
}

/* Modes 0 and 4 keep what is left while the gate is low. */
void hwaccl_pit_counter_stop(struct hwaccl_pit_channel *channel, uint64_t now)
{
        if (!channel->counting)
                return;
        uint64_t past = elapsed(channel, now);
        uint32_t wrap = modulus(channel);

        if (past >= channel->count)
                channel->expired = 1;
        channel->count = (channel->count + wrap - (uint32_t)(past % wrap)) % wrap;
        if (!channel->count)
                channel->count = wrap;
        channel->counting = 0;
}

void hwaccl_pit_counter_set_gate(struct hwaccl_pit_channel *channel, uint64_t now, bool gate)
{
        if (channel->gate == gate)
                return;
        channel->gate = gate;
        if (!channel->written)
                return;
        if (gate && (triggered(channel) || periodic(channel))) {
                start(channel, now, true);
        } else if (gate) {
                channel->origin = now;
                channel->counting = 1;
        } else if (periodic(channel)) {
                channel->counting = 0;
                channel->next = 0;
        } else if (!triggered(channel)) {
                hwaccl_pit_counter_stop(channel, now);
        }
}

static uint32_t square_wave_value(const struct hwaccl_pit_channel *channel, uint64_t past)
{
        uint32_t into = (uint32_t)(past % period_of(channel));
        uint32_t high = high_part(channel->count);

        return (channel->count & ~1u) - 2 * (into < high ? into : into - high);
}

uint16_t hwaccl_pit_counter_value(const struct hwaccl_pit_channel *channel, uint64_t now)
{
        if (!channel->count)
                return 0;
        struct hwaccl_pit_channel settled = *channel;
        hwaccl_pit_counter_settle(&settled, now);
        uint64_t past = elapsed(&settled, now);
        uint32_t wrap = modulus(channel);

        if (channel->mode == 3)
                return encode_count(channel, square_wave_value(&settled, past));
        if (channel->mode == 2)
                return encode_count(channel, settled.count - (uint32_t)(past % period_of(&settled)));
        return encode_count(channel, settled.count + wrap - (uint32_t)(past % wrap));
}

bool hwaccl_pit_counter_output(const struct hwaccl_pit_channel *channel, uint64_t now)
{
        struct hwaccl_pit_channel settled = *channel;
        hwaccl_pit_counter_settle(&settled, now);
        uint64_t past = elapsed(&settled, now);
        bool counting = settled.counting && !load_waits(&settled, now);

        switch (channel->mode) {
        case 0: return channel->written && (channel->expired || past >= channel->count);
        case 1: return !channel->counting || past >= channel->count;
        case 2: return !counting || past % period_of(&settled) != settled.count - 1;
        case 3: return !counting || past % period_of(&settled) < high_part(settled.count);
        default: return !counting || channel->expired || past != channel->count;
        }
}

bool hwaccl_pit_counter_null(const struct hwaccl_pit_channel *channel, uint64_t now)
{
        bool queued = channel->next && (int64_t)(now - channel->next_at) < 0;
        return !channel->written || channel->fresh || queued || load_waits(channel, now);
}

/* The end of the period that holds the tick behind @after. */
static uint64_t period_end(const struct hwaccl_pit_channel *channel, uint64_t after)
{
        if ((int64_t)(after - channel->origin) < 0)
                return channel->origin + channel->count;
        return channel->origin + ((after - channel->origin) / period_of(channel) + 1) * period_of(channel);
}

uint64_t hwaccl_pit_counter_next_rise(const struct hwaccl_pit_channel *channel, uint64_t after)
{
        if (!channel->counting)
                return UINT64_MAX;
        struct hwaccl_pit_channel settled = *channel;
        hwaccl_pit_counter_settle(&settled, after);

        if (periodic(channel)) {
                if (settled.next)
                        hwaccl_pit_counter_settle(&settled, settled.next_at);
                bool starts_period =
                        channel->next && settled.origin == channel->next_at && (int64_t)(settled.origin - after) > 0;
                return starts_period ? settled.origin : period_end(&settled, after);
        }
        if (channel->expired)
                return UINT64_MAX;
        uint64_t end = channel->origin + channel->count + (channel->mode >= 4);
        return (int64_t)(end - after) > 0 ? end : UINT64_MAX;
}

uint64_t hwaccl_pit_counter_next_change(const struct hwaccl_pit_channel *channel, uint64_t after)
{
        if (channel->mode != 3 || !channel->counting)
                return hwaccl_pit_counter_next_rise(channel, after);
        struct hwaccl_pit_channel settled = *channel;
        hwaccl_pit_counter_settle(&settled, after);
        if (settled.next)
                return settled.next_at;
        uint64_t end = period_end(&settled, after);
        uint64_t fall = end - settled.count + high_part(settled.count);
        return (int64_t)(fall - after) > 0 ? fall : end;
}
