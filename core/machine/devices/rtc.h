/* The real-time clock with its CMOS memory: date, alarm, periodic interrupt, and what firmware wants to know. */
#ifndef HWACCL_MACHINE_RTC_H
#define HWACCL_MACHINE_RTC_H

#include "core/machine/board/board.h"

#define HWACCL_CMOS_SIZE 128

struct hwaccl_rtc {
        struct hwaccl_device device;
        uint8_t index;         /* as written to port 70h: bit 7 is the NMI mask */
        uint8_t started;       /* the time at the guest's start has been read */
        uint8_t weekday_shift; /* days by which the weekday register is ahead of the calendar, 0-6 */
        /* Registers by number. Those of the date (0, 2, 4, 6-9, 32h) hold what was last shown or written: while the
         * clock runs, a read brings them up to date. */
        uint8_t cmos[HWACCL_CMOS_SIZE];
        uint64_t seconds;         /* since 1970, at @second_start */
        uint64_t second_start;    /* guest clock, ns, modulo 2^64, at which that second began */
        uint64_t synchronized_ns; /* guest clock up to which the flags of register C hold */
};

void hwaccl_rtc_init(struct hwaccl_rtc *rtc, struct hwaccl_board *board);

/* rtc_calendar.c */
struct hwaccl_calendar {
        uint64_t year;    /* 1970 … */
        unsigned month;   /* 1-12 */
        unsigned day;     /* 1-31 */
        unsigned weekday; /* 1 = Sunday … 7 */
        unsigned hour;
        unsigned minute;
        unsigned second;
};

/** hwaccl_calendar_from_seconds, hwaccl_calendar_to_seconds - Gregorian date in UTC from and to seconds since 1970
 *
 * The second ignores the weekday, and takes numbers out of range as they count: minute 61 is minute 1 of the next hour.
 * A date before 1970 gives the start of 1970. */
struct hwaccl_calendar hwaccl_calendar_from_seconds(uint64_t seconds);
uint64_t hwaccl_calendar_to_seconds(const struct hwaccl_calendar *calendar);

/** hwaccl_cmos_fill - memory size, equipment, boot order and checksum as QEMU's PC firmware expects them
 * @cmos: HWACCL_CMOS_SIZE bytes */
void hwaccl_cmos_fill(uint8_t *cmos, uint64_t memory_size);

/** hwaccl_cmos_fill_disks - how the firmware is to translate the geometry of disks with 16 heads and 63 sectors */
void hwaccl_cmos_fill_disks(uint8_t *cmos, const struct hwaccl_disk *disk, size_t count);

#endif
