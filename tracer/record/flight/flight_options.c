/* Parses the options for a flight recorder's window and triggers. */
#include "tracer/record/flight/flight_recorder.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PART_MAX 64

/* Next of several parts separated by commas. Returns 1; 0 at the end; -1 for a part that is empty or too long. */
static int next_part(const char **text, char part[PART_MAX])
{
        if (!**text)
                return 0;
        size_t size = strcspn(*text, ",");
        if (size == 0 || size >= PART_MAX || ((*text)[size] == ',' && !(*text)[size + 1]))
                return -1;
        memcpy(part, *text, size);
        part[size] = 0;
        *text += size + ((*text)[size] == ',');
        return 1;
}

static bool number(const char *text, int base, uint64_t *value, const char **rest)
{
        char *end;

        if (!isdigit((unsigned char)text[0]))
                return false;
        errno = 0;
        unsigned long long parsed = strtoull(text, &end, base);
        if (errno)
                return false;
        *value = parsed;
        *rest = end;
        return true;
}

static bool scale(uint64_t value, uint64_t unit, uint64_t *to)
{
        return !__builtin_mul_overflow(value, unit, to);
}

/* Parse one limit into @window; *kind is its kind. */
static bool window_part(const char *part, struct hwaccl_flight_window *window, const char **kind)
{
        uint64_t value;
        const char *unit;

        if (!number(part, 10, &value, &unit) || value == 0)
                return false;
        *kind = window->exits ? "exits" : NULL;
        if (strcmp(unit, "exits") == 0 || strcmp(unit, "exit") == 0) {
                window->exits = value;
                return value >= HWACCL_FLIGHT_EXITS_MIN;
        }
        *kind = window->ns ? "seconds" : NULL;
        if (strcmp(unit, "s") == 0)
                return scale(value, 1000000000, &window->ns);
        *kind = window->bytes ? "bytes" : NULL;
        unsigned shift;
        switch (toupper((unsigned char)unit[0])) {
        case 'K': shift = 10; break;
        case 'M': shift = 20; break;
        case 'G': shift = 30; break;
        default: return false;
        }
        return !unit[1] && scale(value, UINT64_C(1) << shift, &window->bytes) &&
               window->bytes >= HWACCL_FLIGHT_BYTES_MIN;
}

bool hwaccl_flight_window_parse(const char *text, struct hwaccl_flight_window *window, struct hwaccl_error *error)
{
        const char *rest = text;
        const char *twice = NULL;
        char part[PART_MAX];
        int more;

        memset(window, 0, sizeof(*window));
        while ((more = next_part(&rest, part)) == 1 && window_part(part, window, &twice))
                if (twice)
                        return hwaccl_error_set(error, "'%s': duplicate number of %s", text, twice);
        if (more != 0 || !*text)
                return hwaccl_error_set(
                        error,
                        "'%s': invalid window; expected for example 100000exits, 64M or 30s (at least 16exits, 4M, 1s)",
                        text);
        if (!window->exits && !window->bytes)
                window->bytes = HWACCL_FLIGHT_BYTES_DEFAULT;
        return true;
}

/* Decimal, or hexadecimal after 0x; never octal. */
static bool any_number(const char *text, uint64_t *value, const char **rest)
{
        return number(text, text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10, value, rest);
}

/* FIRST-LAST or one number. */
static bool range(const char *text, uint64_t max, uint64_t *first, uint64_t *last)
{
        const char *rest;

        if (!any_number(text, first, &rest))
                return false;
        *last = *first;
        if (*rest == '-' && !any_number(rest + 1, last, &rest))
                return false;
        return !*rest && *first <= *last && *last <= max;
}

static bool parse_verdict(const char *text, enum hwaccl_verdict *verdict)
{
        for (unsigned i = 0; i < HWACCL_VERDICT_COUNT; i++) {
                const char *name = hwaccl_verdict_name((enum hwaccl_verdict)i);
                size_t at = 0;
                while (name[at] && (tolower((unsigned char)text[at]) == name[at] ||
                                    (name[at] == ' ' && (text[at] == '_' || text[at] == '-'))))
                        at++;
                if (!name[at] && !text[at]) {
                        *verdict = (enum hwaccl_verdict)i;
                        return true;
                }
        }
        return false;
}

/* Parse one condition into @trigger. *twice: the kind is a duplicate. */
static bool trigger_part(const char *part, struct hwaccl_flight_trigger *trigger, bool *twice)
{
        const char *value = strchr(part, '=');
        uint64_t first, last;

        if (!value)
                return false;
        size_t length = (size_t)(value++ - part);
        if (length == 6 && memcmp(part, "reason", length) == 0) {
                *twice = trigger->by_reason;
                return trigger->by_reason = hwaccl_exit_reason_parse(value, &trigger->reason);
        }
        if (length == 7 && memcmp(part, "verdict", length) == 0) {
                *twice = trigger->by_verdict;
                return trigger->by_verdict = parse_verdict(value, &trigger->verdict);
        }
        if (length == 4 && memcmp(part, "port", length) == 0) {
                *twice = trigger->by_port;
                if (!range(value, UINT16_MAX, &first, &last))
                        return false;
                trigger->port_first = (uint16_t)first;
                trigger->port_last = (uint16_t)last;
                return trigger->by_port = true;
        }
        if (length == 3 && memcmp(part, "rip", length) == 0) {
                *twice = trigger->by_rip;
                return trigger->by_rip = range(value, UINT64_MAX, &trigger->rip_first, &trigger->rip_last);
        }
        return false;
}

bool hwaccl_flight_trigger_parse(const char *text, struct hwaccl_flight_trigger *trigger, struct hwaccl_error *error)
{
        const char *rest = text;
        bool twice = false;
        char part[PART_MAX];
        int more;

        memset(trigger, 0, sizeof(*trigger));
        trigger->text = text;
        while ((more = next_part(&rest, part)) == 1 && trigger_part(part, trigger, &twice))
                if (twice)
                        return hwaccl_error_set(error, "'%s': duplicate condition '%s'", text, part);
        if (more != 0 || !*text)
                return hwaccl_error_set(error,
                                        "'%s': invalid condition; expected for example reason=hlt, port=0x3f8-0x3ff, "
                                        "rip=0x7c00-0x7dff, verdict=triple-fault, or several separated by commas",
                                        more == 1 ? part : text);
        if (trigger->by_port && trigger->by_reason && trigger->reason != HWACCL_EXIT_IO_INSTRUCTION)
                return hwaccl_error_set(error, "'%s': can never be true; only I/O instructions have a port", text);
        return true;
}
