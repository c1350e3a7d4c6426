/* What a guest that polls a register waits for, in words. */
#ifndef HWACCL_POSTMORTEM_POLLED_WORDS_H
#define HWACCL_POSTMORTEM_POLLED_WORDS_H

#include "replay/postmortem/rules/polled_device.h"

/* A status bit, and the level that software waits for. */
struct poll_bit {
        uint64_t mask;
        bool awaited; /* 1 */
        const char *name;
};

/** poll_awaited - the bit that is awaited; NULL where several may be, or none that has a name. A table ends with a bit
 * without name */
const struct poll_bit *poll_awaited(const struct poll_bit *bits, const struct poll *poll);

/** poll_say - fill answer->what: the register (format), the value that was read, and what is awaited; NULL: no bit has
 * a name */
void poll_say(const struct poll *poll, const struct poll_bit *bits, struct poll_answer *answer, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/** poll_all_ones - of a value with @size bytes */
uint64_t poll_all_ones(unsigned size);

#endif
