#include "hwaccl/exit_reason.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define REASON_TABLE_SIZE 70

static const struct {
        const char *name;
        const char *identifier;
        enum hwaccl_verdict verdict;
} reasons[REASON_TABLE_SIZE] = {
#define X(number, identifier, name, verdict) [number] = {name, #identifier, HWACCL_VERDICT_##verdict},
        HWACCL_EXIT_REASONS(X)
#undef X
};

const char *hwaccl_exit_reason_name(uint64_t basic_reason)
{
        return basic_reason < REASON_TABLE_SIZE ? reasons[basic_reason].name : NULL;
}

enum hwaccl_verdict hwaccl_exit_reason_verdict(uint64_t basic_reason)
{
        if (basic_reason >= REASON_TABLE_SIZE || !reasons[basic_reason].name)
                return HWACCL_VERDICT_UNKNOWN;
        return reasons[basic_reason].verdict;
}

/* "io-instruction" is IO_INSTRUCTION */
static bool same_identifier(const char *text, const char *identifier)
{
        for (; *text && *identifier; text++, identifier++) {
                char letter = *text == '-' ? '_' : *text;
                if (toupper((unsigned char)letter) != *identifier)
                        return false;
        }
        return !*text && !*identifier;
}

bool hwaccl_exit_reason_parse(const char *text, uint32_t *basic_reason)
{
        if (isdigit((unsigned char)*text)) {
                char *end;
                errno = 0;
                unsigned long number = strtoul(text, &end, 0);
                if (errno || *end || number > HWACCL_EXIT_REASON_BASIC_MASK)
                        return false;
                *basic_reason = (uint32_t)number;
                return true;
        }
        for (uint32_t i = 0; i < REASON_TABLE_SIZE; i++) {
                if (reasons[i].name &&
                    (strcasecmp(text, reasons[i].name) == 0 || same_identifier(text, reasons[i].identifier))) {
                        *basic_reason = i;
                        return true;
                }
        }
        return false;
}
