#include "replay/cli/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The number at the start of @text; *end is what follows. */
static bool leading_number(const char *text, uint64_t *number, const char **end)
{
        bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
        if (hexadecimal ? !isxdigit((unsigned char)text[2]) : !isdigit((unsigned char)text[0]))
                return false;

        char *rest;
        errno = 0;
        unsigned long long value = strtoull(text, &rest, hexadecimal ? 16 : 10);
        if (errno)
                return false;
        *number = value;
        *end = rest;
        return true;
}

bool cli_parse_number(const char *text, uint64_t *number)
{
        const char *end;
        return leading_number(text, number, &end) && !*end;
}

bool cli_parse_size(const char *text, uint64_t *size)
{
        const char *end;
        uint64_t number;
        if (!leading_number(text, &number, &end))
                return false;

        unsigned shift = 0;
        switch (toupper((unsigned char)*end)) {
        case '\0': break;
        case 'K': shift = 10; break;
        case 'M': shift = 20; break;
        case 'G': shift = 30; break;
        default: return false;
        }
        if ((shift && end[1]) || number > UINT64_MAX >> shift)
                return false;
        *size = number << shift;
        return true;
}

bool cli_parse_seconds(const char *text, uint64_t *nanoseconds)
{
        if (!isdigit((unsigned char)text[0]) && text[0] != '.')
                return false;
        char *end;
        errno = 0;
        double seconds = strtod(text, &end);
        if (errno || *end || strpbrk(text, "xXpPnN") || !(seconds >= 0 && seconds <= 366.0 * 24 * 3600))
                return false;
        *nanoseconds = (uint64_t)(seconds * 1e9);
        return true;
}

bool cli_parse_range(const char *text, uint64_t *first, uint64_t *last)
{
        const char *end = text;
        *first = 0;
        *last = UINT64_MAX;
        if (strncmp(text, "..", 2) != 0 && !leading_number(text, first, &end))
                return false;
        if (!*end) {
                *last = *first;
                return true;
        }
        if (strncmp(end, "..", 2) != 0)
                return false;
        if (!end[2])
                return end != text;
        return cli_parse_number(end + 2, last) && *first <= *last;
}

bool cli_parse_time(const char *text, uint64_t *seconds)
{
        if (cli_parse_number(text, seconds))
                return *seconds <= UINT64_C(253402300799); /* the end of the year 9999 */

        struct tm date;
        memset(&date, 0, sizeof(date));
        const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &date);
        if (!end || (*end && strcmp(end, "Z") != 0))
                return false;
        time_t value = timegm(&date);
        if (value < 0)
                return false;
        *seconds = (uint64_t)value;
        return true;
}
