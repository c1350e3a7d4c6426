#include "replay/postmortem/dump/dump_internal.h"

#include "core/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_SHOWN 60

/* A text that is being read, line by line. */
struct reader {
        struct hwaccl_dump *dump;
        enum dump_section section;
        unsigned long line;
        uint64_t skip;  /* dumps before the one that is wanted */
        bool done;      /* another dump begins: the rest only counts */
        bool code;      /* the line before was one of code bytes */
        bool code_open; /* … that lacks the byte at RIP so far */
        char *broken;   /* the first line with a value that is none */
        unsigned long broken_line;
};

static bool is_word(char character)
{
        return isalnum((unsigned char)character) || character == '_';
}

static bool contains(const char *line, const char *end, const char *text)
{
        return memmem(line, (size_t)(end - line), text, strlen(text)) != NULL;
}

/* Lines that begin a section. Longer anchors stand before those that they begin with. */
static const struct dump_anchor *find_anchor(const char *line, const char *end)
{
        for (const struct dump_anchor *anchor = dump_anchors; anchor->text; anchor++) {
                size_t size = strlen(anchor->text);
                const char *at = memmem(line, (size_t)(end - line), anchor->text, size);
                if (at && (at == line || !is_word(at[-1])))
                        return anchor;
        }
        return NULL;
}

static bool has_registers(const struct hwaccl_dump *dump)
{
        return hwaccl_known_fields_has(&dump->known, HWACCL_FIELD_INDEX_rip);
}

/* The first dump is read; what of another VMM stands beside it is another view of the same, and is passed over. */
static void enter_section(struct reader *reader, const struct dump_anchor *anchor)
{
        struct hwaccl_dump *dump = reader->dump;

        if (reader->section == SECTION_VIRTUALBOX_OTHER && anchor->format == HWACCL_DUMP_VIRTUALBOX &&
            anchor->text[0] != '!')
                return;
        if (has_registers(dump) && anchor->restarts && reader->skip) {
                reader->skip--;
                reader->code = reader->code_open = false;
                memset(dump, 0, sizeof(*dump));
        }
        if (has_registers(dump) && (anchor->restarts || anchor->format != dump->format)) {
                dump->further += anchor->restarts && !reader->done;
                reader->done = reader->done || anchor->format == dump->format;
                reader->section = SECTION_NONE;
                return;
        }
        dump->format = anchor->format;
        reader->section = anchor->section;
}

static void keep_broken(struct reader *reader, const char *line, const char *end)
{
        if (reader->broken)
                return;
        reader->broken = strndup(line, (size_t)(end - line) < LINE_MAX_SHOWN ? (size_t)(end - line) : LINE_MAX_SHOWN);
        reader->broken_line = reader->line;
}

/* Every pattern of the section at one place of a line. Returns how far to go on. */
static size_t match_at(struct reader *reader, const char *text, const char *end, bool *failed)
{
        for (const struct dump_pattern *pattern = dump_patterns; pattern->text; pattern++) {
                uint64_t value[PATTERN_VALUES];
                bool no_number = false;

                if (*pattern->text != *text ||
                    (pattern->section != reader->section && pattern->section != SECTION_NONE))
                        continue;
                const char *rest = dump_match(pattern->text, text, end, value, &no_number);
                *failed = *failed || no_number;
                if (!rest)
                        continue;
                unsigned count = 0;
                for (const char *at = strchr(pattern->text, '%'); at; at = strchr(at + 1, '%'), count++)
                        dump_put(reader->dump, pattern->target[count], value[count]);
                return (size_t)(rest - text);
        }
        return 0;
}

static void match_line(struct reader *reader, const char *line, const char *end)
{
        for (const char *text = line; text < end;) {
                bool failed = false;
                size_t step = text == line || !is_word(text[-1]) ? match_at(reader, text, end, &failed) : 0;
                if (step == 0 && failed)
                        keep_broken(reader, text, end);
                text += step ? step : 1;
        }
}

/* "00 66 <ea> 5b …": QEMU's code bytes, which mail programs wrap. Returns false where the line has something else. */
static bool take_code(struct reader *reader, const char *text, const char *end)
{
        struct hwaccl_code *code = &reader->dump->code;
        size_t before = code->size;

        while (text < end) {
                while (text < end && (isblank((unsigned char)*text) || *text == '\r'))
                        text++;
                bool marked = text < end && *text == '<';
                text += marked;
                if (end - text < 2 || !isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
                    (end - text > 2 && is_word(text[2])))
                        break;
                if (code->size == sizeof(code->byte))
                        break;
                if (marked) {
                        code->at = code->size;
                        reader->code_open = false;
                }
                const char digits[] = {text[0], text[1], '\0'};
                code->byte[code->size++] = (uint8_t)strtoul(digits, NULL, 16);
                text += 2;
                text += marked && text < end && *text == '>';
        }
        return code->size > before;
}

static void read_extra(struct reader *reader, const char *line, const char *end)
{
        static const char text[] = "extra data[%u]: %x";
        struct hwaccl_dump *dump = reader->dump;
        uint64_t value[PATTERN_VALUES];
        bool failed = false;
        const char *at = memmem(line, (size_t)(end - line), text, 11);

        if (!at || !dump_match(text, at, end, value, &failed)) {
                if (failed)
                        keep_broken(reader, at, end);
                return;
        }
        if (value[0] < HWACCL_DUMP_EXTRA_MAX && value[0] == dump->extra_count)
                dump->extra[dump->extra_count++] = value[1];
}

static void read_words(struct hwaccl_dump *dump, const char *line, const char *end)
{
        static const char *const refused[] = {"vmentry failure", "Failed vm entry", "VERR_VMX_INVALID_GUEST_STATE",
                                              "VERR_SVM_INVALID_GUEST", "VERR_SVM_VMEXIT_INVALID"};

        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
                dump->entry_refused = dump->entry_refused || contains(line, end, refused[i]);
        dump->triple_fault = dump->triple_fault || contains(line, end, "VINF_EM_TRIPLE_FAULT");
}

static void read_line(struct reader *reader, const char *line, const char *end)
{
        const struct dump_anchor *anchor = find_anchor(line, end);

        if (anchor)
                enter_section(reader, anchor);
        if (reader->done)
                return;
        read_words(reader->dump, line, end);
        const char *code = memmem(line, (size_t)(end - line), "Code=", 5);
        if (reader->section == SECTION_QEMU && code && !reader->dump->code.size) {
                reader->dump->code_unreadable = contains(code, end, "<?\?>");
                reader->code_open = true;
                reader->code = take_code(reader, code + 5, end);
                return;
        }
        reader->code = reader->code && !anchor && take_code(reader, line, end);
        if (reader->code)
                return;
        if (reader->section == SECTION_QEMU)
                read_extra(reader, line, end);
        match_line(reader, line, end);
}

/* Newer kernels give the bytes that were to be emulated: flag 0, then their number and 15 bytes in two words. */
static void take_emulated(struct hwaccl_dump *dump)
{
        struct hwaccl_code *code = &dump->code;

        if (code->size || !hwaccl_dump_has(dump, HWACCL_DUMP_SUBERROR) || dump->word[HWACCL_DUMP_SUBERROR] != 1 ||
            dump->extra_count < 3 || dump->extra[0] != 1)
                return;
        size_t size = dump->extra[1] & 0xff;
        for (size_t i = 1; i <= size && i < 2 * sizeof(uint64_t); i++)
                code->byte[code->size++] = (uint8_t)(dump->extra[1 + i / 8] >> i % 8 * 8);
}

static bool read_text(const char *text, size_t size, uint64_t number, struct hwaccl_dump *dump,
                      struct hwaccl_error *error)
{
        struct reader reader = {.dump = dump, .skip = number - 1};
        const char *end = text + size;

        while (text < end) {
                const char *newline = memchr(text, '\n', (size_t)(end - text));
                reader.line++;
                read_line(&reader, text, newline ? newline : end);
                text = newline ? newline + 1 : end;
        }
        if (reader.code_open)
                dump->code.size = dump->code.at = 0; /* which byte is at RIP is not marked */
        take_emulated(dump);
        bool understood = hwaccl_known_fields_any(dump->known) || dump->words_known;
        if (reader.broken) {
                hwaccl_text_make_safe(reader.broken);
                (void)hwaccl_error_set(error, "line %lu: expected a number in '%s'", reader.broken_line, reader.broken);
        } else if (!understood) {
                (void)hwaccl_error_set(error,
                                       "none of %lu lines is of a known format (supported: VMCS of Linux or Xen, VMCB "
                                       "of Linux, QEMU, VirtualBox, bhyve, a Muen subject state of 512 bytes, "
                                       "'hwaccl state --json')",
                                       reader.line);
        }
        if (understood && !reader.broken && reader.skip)
                (void)hwaccl_error_set(error, "no dump %" PRIu64 ": the text has %" PRIu64, number,
                                       number - reader.skip);
        understood = understood && !reader.broken && !reader.skip;
        free(reader.broken);
        return understood;
}

/* Binary: a text has no zero bytes. */
static bool is_muen(const void *text, size_t size)
{
        return size == sizeof(struct hwaccl_subject_state) && memchr(text, '\0', size);
}

bool hwaccl_dump_read(const void *text, size_t size, uint64_t number, struct hwaccl_dump *dump,
                      struct hwaccl_error *error)
{
        const char *start = text;

        memset(dump, 0, sizeof(*dump));
        if (size > HWACCL_DUMP_SIZE_MAX)
                return hwaccl_error_set(error, "the text is longer than %u MiB", HWACCL_DUMP_SIZE_MAX >> 20);
        if (is_muen(text, size)) {
                dump->format = HWACCL_DUMP_MUEN;
                memcpy(&dump->state, text, size);
                dump->known = hwaccl_known_fields_all();
                return true;
        }
        while (start < (const char *)text + size && isspace((unsigned char)*start))
                start++;
        size -= (size_t)(start - (const char *)text);
        if (size && *start == '{')
                return dump_read_json(start, size, dump, error);
        return read_text(text, size + (size_t)(start - (const char *)text), number, dump, error);
}
