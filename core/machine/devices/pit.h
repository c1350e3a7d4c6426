/* The 8254 interval timer: channel 0 is IRQ 0, channel 2 the speaker's, whose gate and output are in port 61h. */
#ifndef HWACCL_MACHINE_PIT_H
#define HWACCL_MACHINE_PIT_H

#include "core/machine/board/device.h"

#define HWACCL_PIT_HZ            UINT64_C(1193182)
#define HWACCL_PIT_CHANNEL_COUNT 3

/*
 * A counter is not stepped: what it shows is computed from the tick at which it was loaded. A tick is one period of
 * the 1.193182 MHz clock since the guest started.
 */
struct hwaccl_pit_channel {
        uint64_t origin;  /* tick at which the counting element holds @count; in the future while a load is pending */
        uint64_t next_at; /* tick at which @next is loaded */
        uint32_t count;   /* 1 to 65536 (10000 in BCD), in modes 2 and 3 the period; 0: none since the mode was set */
        uint32_t next;    /* count written while modes 2 and 3 were counting; 0: none */
        uint32_t written; /* the count register; 0: none since the mode was set */
        uint16_t latch;   /* counter latched by command */
        uint8_t mode;     /* 0-5 */
        uint8_t access;   /* 1 low byte, 2 high byte, 3 low then high */
        uint8_t bcd;
        uint8_t gate;
        uint8_t counting;   /* a count runs; false while the gate holds it or a trigger is awaited */
        uint8_t expired;    /* modes 0 and 4: the count ran out before it was stopped by the gate */
        uint8_t fresh;      /* @written waits for the gate */
        uint8_t latched;    /* bytes of @latch that are left to read: 0-2 */
        uint8_t read_high;  /* access 3: the next byte read is the high one */
        uint8_t write_high; /* access 3: the next byte written is the high one */
        uint8_t write_low;  /* the low byte, while the high one is awaited */
        uint8_t status;     /* latched status byte */
        uint8_t status_latched;
};

/* pit_counter.c: one counter as the datasheet's mode definitions have it. Ticks never go backwards. */
void hwaccl_pit_counter_set_mode(struct hwaccl_pit_channel *channel, uint8_t mode, uint8_t access, uint8_t bcd);
void hwaccl_pit_counter_stop(struct hwaccl_pit_channel *channel, uint64_t now);
void hwaccl_pit_counter_load(struct hwaccl_pit_channel *channel, uint64_t now, uint16_t value);
void hwaccl_pit_counter_set_gate(struct hwaccl_pit_channel *channel, uint64_t now, bool gate);
void hwaccl_pit_counter_settle(struct hwaccl_pit_channel *channel, uint64_t now);
uint16_t hwaccl_pit_counter_value(const struct hwaccl_pit_channel *channel, uint64_t now);
bool hwaccl_pit_counter_output(const struct hwaccl_pit_channel *channel, uint64_t now);
bool hwaccl_pit_counter_null(const struct hwaccl_pit_channel *channel, uint64_t now);

/* The first tick behind @after at which the output rises, or changes in a way that lasts; UINT64_MAX: none. */
uint64_t hwaccl_pit_counter_next_rise(const struct hwaccl_pit_channel *channel, uint64_t after);
uint64_t hwaccl_pit_counter_next_change(const struct hwaccl_pit_channel *channel, uint64_t after);

struct hwaccl_pit {
        struct hwaccl_device device;
        struct hwaccl_pit_channel channel[HWACCL_PIT_CHANNEL_COUNT];
        uint64_t synchronized; /* tick up to which channel 0's output has reached line 0 */
};

void hwaccl_pit_init(struct hwaccl_pit *pit, struct hwaccl_board *board);

/** hwaccl_pit_set_gate, hwaccl_pit_output - the pins of a channel, now */
void hwaccl_pit_set_gate(struct hwaccl_pit *pit, unsigned channel, bool gate);
bool hwaccl_pit_output(const struct hwaccl_pit *pit, unsigned channel);

#endif
