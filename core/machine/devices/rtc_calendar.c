/* Gregorian calendar in integers. Days are counted in years that start in March, so that leap days come last. */
#include "core/machine/devices/rtc.h"

#define DAYS_TO_1970   UINT64_C(719468) /* from 0000-03-01 */
#define DAYS_400_YEARS UINT64_C(146097)
#define DAY_SECONDS    UINT64_C(86400)

struct hwaccl_calendar hwaccl_calendar_from_seconds(uint64_t seconds)
{
        uint64_t days = seconds / DAY_SECONDS + DAYS_TO_1970;
        uint64_t of_day = seconds % DAY_SECONDS;
        uint64_t cycle_day = days % DAYS_400_YEARS;
        uint64_t cycle_year = (cycle_day - cycle_day / 1460 + cycle_day / 36524 - cycle_day / 146096) / 365;
        uint64_t year_day = cycle_day - (365 * cycle_year + cycle_year / 4 - cycle_year / 100);
        uint64_t march_month = (5 * year_day + 2) / 153;
        unsigned month = (unsigned)(march_month < 10 ? march_month + 3 : march_month - 9);

        return (struct hwaccl_calendar){
                .year = days / DAYS_400_YEARS * 400 + cycle_year + (month <= 2),
                .month = month,
                .day = (unsigned)(year_day - (153 * march_month + 2) / 5 + 1),
                .weekday = (unsigned)((seconds / DAY_SECONDS + 4) % 7 + 1), /* 1970-01-01 was a Thursday */
                .hour = (unsigned)(of_day / 3600),
                .minute = (unsigned)(of_day / 60 % 60),
                .second = (unsigned)(of_day % 60),
        };
}

uint64_t hwaccl_calendar_to_seconds(const struct hwaccl_calendar *calendar)
{
        uint64_t months = calendar->year * 12 + calendar->month - 1 - 2; /* since March of year 0 */
        uint64_t year = months / 12;
        uint64_t year_day = (153 * (months % 12) + 2) / 5 + calendar->day;
        uint64_t cycle_year = year % 400;
        uint64_t days = year / 400 * DAYS_400_YEARS + cycle_year * 365 + cycle_year / 4 - cycle_year / 100 + year_day;

        if (calendar->year < 1970 || days < DAYS_TO_1970 + 1)
                return 0;
        return (days - 1 - DAYS_TO_1970) * DAY_SECONDS + calendar->hour * 3600u + calendar->minute * 60u +
               calendar->second;
}
