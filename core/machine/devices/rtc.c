/*
 * Motorola MC146818A real-time clock (datasheet ADI-1011, 1987) with 128 bytes of RAM, at ports 70h and 71h, line 8.
 * The century is kept at 32h, as PC firmware has it. Daylight saving (DSE) and the square wave are not connected.
 */
#include "core/machine/devices/rtc.h"

#include "core/machine/board/board.h"
#include "core/machine/board/clock.h"
#include "core/machine/board/ports.h"

#define RTC_LINE    8u
#define PORT_INDEX  0x70u
#define INDEX_MASK  0x7fu
#define OSCILLATOR  UINT64_C(32768)
#define DAY_SECONDS 86400u

/* Update in progress: 244 us of warning, then the update cycle of 1984 us, at whose end the new second shows. */
#define UPDATE_NS UINT64_C(2228000)

enum rtc_register {
        SECONDS = 0,
        SECONDS_ALARM = 1,
        MINUTES = 2,
        MINUTES_ALARM = 3,
        HOURS = 4,
        HOURS_ALARM = 5,
        WEEKDAY = 6,
        DAY = 7,
        MONTH = 8,
        YEAR = 9,
        REGISTER_A = 10,
        REGISTER_B = 11,
        REGISTER_C = 12,
        REGISTER_D = 13,
        CENTURY = 0x32,
};

#define A_UPDATING 0x80u
#define A_DIVIDER  0x70u
#define A_RATE     0x0fu
#define A_RUNNING  0x20u /* divider for a 32.768 kHz crystal */

#define B_SET      0x80u
#define B_PERIODIC 0x40u
#define B_ALARM    0x20u
#define B_UPDATE   0x10u
#define B_BINARY   0x04u
#define B_24_HOURS 0x02u

#define C_INTERRUPT 0x80u
#define C_SOURCES   0x70u /* the same bits as their enables in register B */
#define D_VALID     0x80u
#define HOUR_PM     0x80u
#define ALARM_ANY   0xc0u /* both high bits set: any value matches */
#define HALF_SECOND (HWACCL_NS_PER_SECOND / 2)

static bool counting(const struct hwaccl_rtc *rtc)
{
        return (rtc->cmos[REGISTER_A] & A_DIVIDER) == A_RUNNING;
}

static bool running(const struct hwaccl_rtc *rtc)
{
        return counting(rtc) && !(rtc->cmos[REGISTER_B] & B_SET);
}

static uint64_t clock_of(const struct hwaccl_rtc *rtc)
{
        return hwaccl_host_clock(rtc->device.board->host);
}

/* Whole seconds, and ns into the last, since @second_start; both 0 when that lies ahead. */
static uint64_t seconds_since(const struct hwaccl_rtc *rtc, uint64_t now)
{
        int64_t past = (int64_t)(now - rtc->second_start);
        return past < 0 ? 0 : (uint64_t)past / HWACCL_NS_PER_SECOND;
}

static uint64_t second_phase(const struct hwaccl_rtc *rtc, uint64_t now)
{
        int64_t past = (int64_t)(now - rtc->second_start);
        return past < 0 ? 0 : (uint64_t)past % HWACCL_NS_PER_SECOND;
}

static uint8_t encode(const struct hwaccl_rtc *rtc, unsigned value)
{
        return (uint8_t)(rtc->cmos[REGISTER_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static unsigned decode(const struct hwaccl_rtc *rtc, uint8_t value)
{
        return rtc->cmos[REGISTER_B] & B_BINARY ? value : (value >> 4) * 10u + (value & 15u);
}

static uint8_t encode_hour(const struct hwaccl_rtc *rtc, unsigned hour)
{
        if (rtc->cmos[REGISTER_B] & B_24_HOURS)
                return encode(rtc, hour);
        unsigned shown = hour % 12 ? hour % 12 : 12;
        return (uint8_t)(encode(rtc, shown) | (hour >= 12 ? HOUR_PM : 0));
}

static unsigned decode_hour(const struct hwaccl_rtc *rtc, uint8_t value)
{
        if (rtc->cmos[REGISTER_B] & B_24_HOURS)
                return decode(rtc, value);
        return decode(rtc, value & (uint8_t)~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

static void show_time(struct hwaccl_rtc *rtc, uint64_t seconds)
{
        struct hwaccl_calendar calendar = hwaccl_calendar_from_seconds(seconds);

        rtc->cmos[SECONDS] = encode(rtc, calendar.second);
        rtc->cmos[MINUTES] = encode(rtc, calendar.minute);
        rtc->cmos[HOURS] = encode_hour(rtc, calendar.hour);
        rtc->cmos[WEEKDAY] = encode(rtc, (calendar.weekday - 1 + rtc->weekday_shift) % 7 + 1);
        rtc->cmos[DAY] = encode(rtc, calendar.day);
        rtc->cmos[MONTH] = encode(rtc, calendar.month);
        rtc->cmos[YEAR] = encode(rtc, (unsigned)(calendar.year % 100));
        rtc->cmos[CENTURY] = encode(rtc, (unsigned)(calendar.year / 100 % 100));
}

/* The registers, as the guest wrote them, are the time from now on. */
static void take_time(struct hwaccl_rtc *rtc)
{
        struct hwaccl_calendar calendar = {
                .year = decode(rtc, rtc->cmos[CENTURY]) * 100u + decode(rtc, rtc->cmos[YEAR]),
                .month = decode(rtc, rtc->cmos[MONTH]),
                .day = decode(rtc, rtc->cmos[DAY]),
                .hour = decode_hour(rtc, rtc->cmos[HOURS]),
                .minute = decode(rtc, rtc->cmos[MINUTES]),
                .second = decode(rtc, rtc->cmos[SECONDS]),
        };
        uint64_t now = clock_of(rtc);

        rtc->seconds = hwaccl_calendar_to_seconds(&calendar);
        rtc->second_start = now - second_phase(rtc, now);
        unsigned weekday = hwaccl_calendar_from_seconds(rtc->seconds).weekday;
        rtc->weekday_shift = (uint8_t)((decode(rtc, rtc->cmos[WEEKDAY]) + 7 - weekday) % 7);
}

/* The time at the guest's start is an input: read when it is first needed. */
static void start(struct hwaccl_rtc *rtc)
{
        if (rtc->started)
                return;
        rtc->started = 1;
        rtc->seconds = hwaccl_host_wall_time(rtc->device.board->host);
        show_time(rtc, rtc->seconds + seconds_since(rtc, clock_of(rtc)));
}

static bool alarm_field_matches(const struct hwaccl_rtc *rtc, unsigned alarm, unsigned value)
{
        uint8_t wanted = rtc->cmos[alarm];
        if ((wanted & ALARM_ANY) == ALARM_ANY)
                return true;
        return (alarm == HOURS_ALARM ? decode_hour(rtc, wanted) : decode(rtc, wanted)) == value;
}

/* Seconds from @seconds to the next match of the alarm, 1 to a day; 0: its registers never match. */
static unsigned seconds_to_alarm(const struct hwaccl_rtc *rtc, uint64_t seconds)
{
        unsigned of_day = (unsigned)(seconds % DAY_SECONDS);

        for (unsigned ahead = 1; ahead <= DAY_SECONDS;) {
                unsigned at = (of_day + ahead) % DAY_SECONDS;
                if (!alarm_field_matches(rtc, HOURS_ALARM, at / 3600))
                        ahead += 3600 - at % 3600;
                else if (!alarm_field_matches(rtc, MINUTES_ALARM, at / 60 % 60))
                        ahead += 60 - at % 60;
                else if (!alarm_field_matches(rtc, SECONDS_ALARM, at % 60))
                        ahead++;
                else
                        return ahead;
        }
        return 0;
}

/* Periodic rate (datasheet, table 5): oscillator ticks between two interrupts; 0: none. */
static uint64_t periodic_ticks(const struct hwaccl_rtc *rtc)
{
        unsigned rate = rtc->cmos[REGISTER_A] & A_RATE;

        if (!rate || !counting(rtc))
                return 0;
        return UINT64_C(1) << (rate <= 2 ? rate + 6 : rate - 1);
}

/* Whole periods of that many ticks, not 0, since the guest started. */
static uint64_t periods(uint64_t ticks, uint64_t ns)
{
        return hwaccl_clock_ticks(ns, OSCILLATOR) / ticks;
}

static void update_line(struct hwaccl_rtc *rtc)
{
        uint8_t enabled = rtc->cmos[REGISTER_B] & rtc->cmos[REGISTER_C] & C_SOURCES;

        rtc->cmos[REGISTER_C] = (uint8_t)((rtc->cmos[REGISTER_C] & C_SOURCES) | (enabled ? C_INTERRUPT : 0));
        hwaccl_board_set_irq_line(rtc->device.board, RTC_LINE, enabled != 0);
}

/* Flags of what happened since the last time. */
static void synchronize(struct hwaccl_rtc *rtc)
{
        uint64_t now = clock_of(rtc);
        uint64_t before = rtc->synchronized_ns;

        if (now <= before)
                return;
        rtc->synchronized_ns = now;
        hwaccl_board_deadline_changed(rtc->device.board);
        uint64_t ticks = periodic_ticks(rtc);
        if (ticks && periods(ticks, now) != periods(ticks, before))
                rtc->cmos[REGISTER_C] |= B_PERIODIC;
        uint64_t second = seconds_since(rtc, now);
        uint64_t second_before = seconds_since(rtc, before);
        if (running(rtc) && second > second_before) {
                rtc->cmos[REGISTER_C] |= B_UPDATE;
                unsigned alarm = rtc->started ? seconds_to_alarm(rtc, rtc->seconds + second_before) : 0;
                if (alarm && alarm <= second - second_before)
                        rtc->cmos[REGISTER_C] |= B_ALARM;
        }
        update_line(rtc);
}

static bool is_time(unsigned index)
{
        return index == CENTURY ||
               (index <= YEAR && index != SECONDS_ALARM && index != MINUTES_ALARM && index != HOURS_ALARM);
}

static uint8_t read_a(const struct hwaccl_rtc *rtc)
{
        bool updating = running(rtc) && second_phase(rtc, clock_of(rtc)) >= HWACCL_NS_PER_SECOND - UPDATE_NS;
        return rtc->cmos[REGISTER_A] | (updating ? A_UPDATING : 0);
}

static uint8_t read_c(struct hwaccl_rtc *rtc)
{
        uint8_t flags = rtc->cmos[REGISTER_C];

        rtc->cmos[REGISTER_C] = 0;
        update_line(rtc);
        hwaccl_board_deadline_changed(rtc->device.board);
        return flags;
}

static uint8_t read_data(struct hwaccl_rtc *rtc, unsigned index)
{
        if (is_time(index) || index == REGISTER_C) {
                start(rtc);
                synchronize(rtc);
        }
        if (is_time(index) && running(rtc))
                show_time(rtc, rtc->seconds + seconds_since(rtc, clock_of(rtc)));
        switch (index) {
        case REGISTER_A: return read_a(rtc);
        case REGISTER_C: return read_c(rtc);
        default: return rtc->cmos[index];
        }
}

/* The clock stops with its registers showing the time, or starts from what they show. */
static void write_a(struct hwaccl_rtc *rtc, uint8_t value)
{
        bool was_counting = counting(rtc);

        if (running(rtc))
                show_time(rtc, rtc->seconds + seconds_since(rtc, clock_of(rtc)));
        rtc->cmos[REGISTER_A] = value & (uint8_t)~A_UPDATING;
        if (!was_counting && counting(rtc)) {
                rtc->second_start = clock_of(rtc) - HALF_SECOND; /* the first update comes half a second later */
                if (running(rtc))
                        take_time(rtc);
        }
}

static void write_b(struct hwaccl_rtc *rtc, uint8_t value)
{
        bool was_running = running(rtc);

        if (was_running)
                show_time(rtc, rtc->seconds + seconds_since(rtc, clock_of(rtc)));
        if (value & B_SET)
                value &= (uint8_t)~B_UPDATE;
        rtc->cmos[REGISTER_B] = value;
        if (!was_running && running(rtc))
                take_time(rtc);
        update_line(rtc);
}

static void write_data(struct hwaccl_rtc *rtc, unsigned index, uint8_t value)
{
        if (index > REGISTER_D && index != CENTURY) {
                rtc->cmos[index] = value;
                return;
        }
        start(rtc);
        synchronize(rtc);
        if (is_time(index)) {
                if (running(rtc))
                        show_time(rtc, rtc->seconds + seconds_since(rtc, clock_of(rtc)));
                rtc->cmos[index] = value;
                if (running(rtc))
                        take_time(rtc);
        } else if (index == REGISTER_A) {
                write_a(rtc, value);
        } else if (index == REGISTER_B) {
                write_b(rtc, value);
        } else if (index < REGISTER_A) {
                rtc->cmos[index] = value; /* the alarm; registers C and D are read-only */
        }
        hwaccl_board_deadline_changed(rtc->device.board);
}

static uint8_t read_byte(struct hwaccl_device *device, uint16_t port)
{
        struct hwaccl_rtc *rtc = (struct hwaccl_rtc *)device;
        return port == PORT_INDEX ? 0xff : read_data(rtc, rtc->index & INDEX_MASK);
}

static void write_byte(struct hwaccl_device *device, uint16_t port, uint8_t value)
{
        struct hwaccl_rtc *rtc = (struct hwaccl_rtc *)device;

        if (port == PORT_INDEX)
                rtc->index = value;
        else
                write_data(rtc, rtc->index & INDEX_MASK, value);
}

static uint32_t rtc_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        return hwaccl_ports_read(device, port, size, read_byte);
}

static void rtc_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        hwaccl_ports_write(device, port, size, value, write_byte);
}

static void rtc_advance(struct hwaccl_device *device)
{
        synchronize((struct hwaccl_rtc *)device);
}

/* Only what would raise the line counts: flags without an interrupt are made up for when register C is read. */
static uint64_t rtc_deadline(const struct hwaccl_device *device)
{
        const struct hwaccl_rtc *rtc = (const struct hwaccl_rtc *)device;
        uint64_t from = rtc->synchronized_ns;
        uint8_t enabled = rtc->cmos[REGISTER_B];
        uint64_t deadline = UINT64_MAX;

        if (rtc->cmos[REGISTER_C] & C_INTERRUPT)
                return UINT64_MAX; /* the line is up until register C is read */
        uint64_t ticks = periodic_ticks(rtc);
        if (enabled & B_PERIODIC && ticks)
                deadline = hwaccl_clock_tick_ns((periods(ticks, from) + 1) * ticks, OSCILLATOR);
        if (!running(rtc) || !(enabled & (B_UPDATE | B_ALARM)))
                return deadline;
        uint64_t ahead = 1;
        if (!(enabled & B_UPDATE))
                ahead = seconds_to_alarm(rtc, rtc->seconds + seconds_since(rtc, from));
        uint64_t update = rtc->second_start + (seconds_since(rtc, from) + ahead) * HWACCL_NS_PER_SECOND;
        return ahead && update < deadline ? update : deadline;
}

static bool rtc_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_rtc *rtc = (const struct hwaccl_rtc *)device;

        if (rtc->started > 1 || rtc->weekday_shift > 6)
                return hwaccl_error_set(error, "a flag or the weekday is out of range");
        if (rtc->synchronized_ns > INT64_MAX || (int64_t)(rtc->synchronized_ns - rtc->second_start) < 0)
                return hwaccl_error_set(error, "the current second starts in the future");
        if (rtc->cmos[REGISTER_A] & A_UPDATING || rtc->cmos[REGISTER_D] != D_VALID)
                return hwaccl_error_set(error, "register A or D holds a value that it cannot have");
        return true;
}

static void rtc_restored(struct hwaccl_device *device)
{
        hwaccl_board_deadline_changed(device->board);
}

static const struct hwaccl_device_field rtc_fields[] = {
        HWACCL_DEVICE_FIELD(struct hwaccl_rtc, index),           HWACCL_DEVICE_FIELD(struct hwaccl_rtc, started),
        HWACCL_DEVICE_FIELD(struct hwaccl_rtc, weekday_shift),   HWACCL_DEVICE_FIELD(struct hwaccl_rtc, cmos),
        HWACCL_DEVICE_FIELD(struct hwaccl_rtc, seconds),         HWACCL_DEVICE_FIELD(struct hwaccl_rtc, second_start),
        HWACCL_DEVICE_FIELD(struct hwaccl_rtc, synchronized_ns),
};

static const struct hwaccl_device_ops rtc_ops = {
        .name = "rtc",
        .size = sizeof(struct hwaccl_rtc),
        .fields = rtc_fields,
        .field_count = sizeof(rtc_fields) / sizeof(rtc_fields[0]),
        .port_read = rtc_read,
        .port_write = rtc_write,
        .advance = rtc_advance,
        .deadline = rtc_deadline,
        .valid = rtc_valid,
        .restored = rtc_restored,
};

void hwaccl_rtc_init(struct hwaccl_rtc *rtc, struct hwaccl_board *board)
{
        hwaccl_cmos_fill(rtc->cmos, board->memory_size);
        hwaccl_cmos_fill_disks(rtc->cmos, board->disk, board->disk_count);
        rtc->cmos[REGISTER_A] = A_RUNNING | 6; /* 1024 Hz, as PC firmware leaves it */
        rtc->cmos[REGISTER_B] = B_24_HOURS;
        rtc->cmos[REGISTER_D] = D_VALID;
        hwaccl_board_add_timed_device(board, &rtc->device, &rtc_ops, RTC_LINE);
        hwaccl_bus_claim_ports(&board->bus, &rtc->device, PORT_INDEX, 2);
}
