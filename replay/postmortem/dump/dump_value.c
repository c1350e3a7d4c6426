/* One part of a line: a pattern with its numbers, and where they go. */
#include "replay/postmortem/dump/dump_internal.h"

#include <ctype.h>

#define DESCRIPTOR_RIGHTS 0xf0ffu /* of bits 23:8 of a descriptor's second half */
#define RIGHTS_PRESENT    0x80u

static const char *skip_blanks(const char *text, const char *end)
{
        while (text < end && (*text == ' ' || *text == '\t' || *text == ','))
                text++;
        return text;
}

/* At most 16 digits. NULL: there is no number. */
static const char *take_number(const char *text, const char *end, unsigned base, uint64_t *value)
{
        const char *start;

        if (end - text > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
                text += 2;
                base = 16;
        }
        *value = 0;
        for (start = text; text < end && isalnum((unsigned char)*text); text++) {
                int letter = tolower((unsigned char)*text);
                unsigned digit = (unsigned)(isdigit(letter) ? letter - '0' : letter - 'a' + 10);
                if (digit >= base || text - start == 16)
                        return NULL;
                *value = *value * base + digit;
        }
        return text == start ? NULL : text;
}

const char *dump_match(const char *pattern, const char *text, const char *end, uint64_t value[PATTERN_VALUES],
                       bool *failed)
{
        unsigned count = 0;

        for (const char *at = pattern; *at; at++) {
                bool separator = *at == '=' || *at == ':';
                if (*at == '%') {
                        bool named = at > pattern && at[-1] == '=' && count == 0;
                        const char *number = skip_blanks(text, end);
                        text = take_number(number, end, *++at == 'x' ? 16 : 10, &value[count++]);
                        if (!text) {
                                *failed = named && number < end && *number != '{';
                                return NULL;
                        }
                } else if (*at == ' ') {
                        text = skip_blanks(text, end);
                } else {
                        if (separator)
                                text = skip_blanks(text, end);
                        if (text == end || *text != *at)
                                return NULL;
                        text++;
                        if (separator)
                                text = skip_blanks(text, end);
                }
        }
        return text;
}

void dump_put(struct hwaccl_dump *dump, unsigned target, uint64_t value)
{
        if (target == TARGET_NONE)
                return;
        if (target >= HWACCL_FIELD_COUNT && target < HWACCL_FIELD_COUNT + HWACCL_DUMP_WORD_COUNT) {
                unsigned word = target - HWACCL_FIELD_COUNT;
                if (!(dump->words_known >> word & 1))
                        dump->word[word] = value;
                dump->words_known |= UINT32_C(1) << word;
                return;
        }
        if (target >= TARGET_ATTRIBUTES) {
                target -= TARGET_ATTRIBUTES;
                value = (value & 0xff) | (value & 0xf00) << 4;
                value |= value & RIGHTS_PRESENT ? 0 : HWACCL_SEGMENT_UNUSABLE;
        } else if (target >= TARGET_DESCRIPTORS) {
                target -= TARGET_DESCRIPTORS;
                value = value >> 8 & DESCRIPTOR_RIGHTS;
                value |= value & RIGHTS_PRESENT ? 0 : HWACCL_SEGMENT_UNUSABLE;
        }
        if (hwaccl_known_fields_has(&dump->known, target))
                return;
        hwaccl_field_put(&dump->state, (enum hwaccl_field_index)target, value);
        hwaccl_known_fields_add(&dump->known, target);
}

const char *hwaccl_dump_format_name(enum hwaccl_dump_format format)
{
        static const char *const names[HWACCL_DUMP_FORMAT_COUNT] = {
                [HWACCL_DUMP_NONE] = "messages only",      [HWACCL_DUMP_VMCS] = "VMCS (Linux or Xen)",
                [HWACCL_DUMP_VMCB] = "VMCB (Linux)",       [HWACCL_DUMP_QEMU] = "QEMU",
                [HWACCL_DUMP_VIRTUALBOX] = "VirtualBox",   [HWACCL_DUMP_BHYVE] = "bhyve",
                [HWACCL_DUMP_MUEN] = "Muen subject state", [HWACCL_DUMP_JSON] = "JSON of 'hwaccl state'",
        };
        return names[format];
}

const char *hwaccl_dump_word_name(enum hwaccl_dump_word word)
{
        static const char *const names[HWACCL_DUMP_WORD_COUNT] = {
#define X(identifier, name) name,
                HWACCL_DUMP_WORDS(X)
#undef X
        };
        return names[word];
}

bool hwaccl_dump_is_guest_view(const struct hwaccl_dump *dump)
{
        return dump->format == HWACCL_DUMP_QEMU || dump->format == HWACCL_DUMP_VIRTUALBOX;
}
