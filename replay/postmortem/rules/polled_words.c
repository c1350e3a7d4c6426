/* What a guest that polls a register waits for, in words. */
#include "replay/postmortem/rules/polled_words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* May the guest wait for this bit to get the level that software usually waits for? */
static bool is_awaited(const struct poll_bit *bit, const struct poll *poll)
{
        bool stuck = bit->awaited ? !(poll->ever & bit->mask) : (poll->always & bit->mask) == bit->mask;

        if (poll->test == POLL_TESTED)
                return bit->awaited == poll->awaited && bit->mask & poll->candidates && (poll->exact || stuck);
        return poll->test == POLL_UNKNOWN && stuck;
}

/* The bit that is awaited; NULL where several may be, or none that has a name. */
const struct poll_bit *poll_awaited(const struct poll_bit *bits, const struct poll *poll)
{
        const struct poll_bit *only = NULL;

        for (; bits->name; bits++) {
                if (!is_awaited(bits, poll))
                        continue;
                if (only)
                        return NULL;
                only = bits;
        }
        return only;
}

static const char *name_of(const struct poll_bit *bits, uint64_t mask)
{
        for (; bits && bits->name; bits++)
                if (bits->mask == mask)
                        return bits->name;
        return NULL;
}

static void append(char *text, size_t room, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t room, const char *format, ...)
{
        size_t used = strlen(text);
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(text + used, room - used, format, arguments);
        va_end(arguments);
}

/* Bits that have a name, and are rarely awaited at this level. */
static void say_unlikely(const struct poll *poll, const struct poll_bit *bits, const char *before, char *text,
                         size_t room)
{
        uint64_t said = 0;

        for (const struct poll_bit *bit = bits; bit && bit->name; bit++)
                if (is_awaited(bit, poll))
                        said |= bit->mask;
        for (const struct poll_bit *bit = bits; bit && bit->name; bit++) {
                if (said & bit->mask || !(poll->candidates & bit->mask))
                        continue;
                append(text, room, "%s bit %u (%s) to become %d", before, (unsigned)__builtin_ctzll(bit->mask),
                       bit->name, poll->awaited);
                before = ", or";
                said |= bit->mask;
        }
}

/* "for bit 5 (OUT of counter 2) to become 1", "for one of: bit 6 (DRDY) to become 1, bit 3 (DRQ) to become 1" */
static void say_bits(const struct poll *poll, const struct poll_bit *bits, char *text, size_t room)
{
        unsigned count = 0, listed = 0;

        for (const struct poll_bit *bit = bits; bit && bit->name; bit++)
                count += is_awaited(bit, poll);
        for (const struct poll_bit *bit = bits; bit && bit->name; bit++)
                if (is_awaited(bit, poll))
                        append(text, room, "%sbit %u (%s) to become %d",
                               listed++    ? ", "
                               : count > 1 ? " for one of: "
                                           : " for ",
                               (unsigned)__builtin_ctzll(bit->mask), bit->name, bit->awaited);
        if (poll->wanted_known && poll->candidates == poll_all_ones(poll->access.size))
                append(text, room, " until it is %s%" PRIx64 "h", poll->wanted_other ? "not " : "", poll->wanted);
        else if (poll->wanted_known)
                append(text, room, " until its bits %" PRIx64 "h are %s%" PRIx64 "h", poll->candidates,
                       poll->wanted_other ? "not " : "", poll->wanted);
        if (poll->test != POLL_TESTED)
                return;
        uint64_t left = poll->candidates;
        if (count || __builtin_popcountll(left) > 4) {
                if (!poll->exact)
                        say_unlikely(poll, bits, count ? ", or" : " perhaps for", text, room);
                return;
        }
        append(text, room, " for %sbit%s", left & (left - 1) ? "one of " : "", left & (left - 1) ? "s" : "");
        for (const char *comma = " "; left; left &= left - 1, comma = ", ") {
                const char *name = name_of(bits, left & -left);
                append(text, room, "%s%u%s%s%s", comma, (unsigned)__builtin_ctzll(left), name ? " (" : "",
                       name ? name : "", name ? ")" : "");
        }
        append(text, room, " to become %d", poll->awaited);
}

/* " (reads 60h)"; "" where the value is not known */
static const char *reads(const struct poll *poll, char text[32])
{
        text[0] = '\0';
        if (poll->reads)
                (void)snprintf(text, 32, " (reads %" PRIx64 "h)", poll->last);
        return text;
}

uint64_t poll_all_ones(unsigned size)
{
        return size >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
}

/* Register, value, and what is awaited. */
void poll_say(const struct poll *poll, const struct poll_bit *bits, struct poll_answer *answer, const char *format, ...)
{
        va_list arguments;
        char value[32];

        va_start(arguments, format);
        (void)vsnprintf(answer->what, sizeof(answer->what), format, arguments);
        va_end(arguments);
        append(answer->what, sizeof(answer->what), "%s", reads(poll, value));
        say_bits(poll, bits, answer->what, sizeof(answer->what));
}
