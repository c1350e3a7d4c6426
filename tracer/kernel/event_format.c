#include "tracer/kernel/event_format.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LINE_ROOM 512u

/* Lines are short but for the last one, "print fmt", of which nothing is needed. */
static size_t next_line(const char *text, size_t size, size_t at, char line[LINE_ROOM])
{
        size_t length = 0;

        while (at < size && text[at] != '\n') {
                if (length < LINE_ROOM - 1)
                        line[length++] = text[at];
                at++;
        }
        line[length] = '\0';
        return at < size ? at + 1 : at;
}

static bool take_number(const char *line, const char *name, uint32_t most, uint32_t *value)
{
        const char *at = strstr(line, name);
        char *end;

        if (!at)
                return false;
        at += strlen(name);
        if (!isdigit((unsigned char)*at))
                return false;
        unsigned long number = strtoul(at, &end, 10);
        *value = (uint32_t)number;
        return number <= most && (*end == ';' || *end == '\0');
}

static bool copy_name(char to[EVENT_NAME_ROOM], const char *from, size_t length)
{
        if (length == 0 || length >= EVENT_NAME_ROOM)
                return false;
        memcpy(to, from, length);
        to[length] = '\0';
        return true;
}

/* "field:TYPE NAME;	offset:N;	size:N;	signed:N;" with any number of words in TYPE. False: leave it out */
static bool take_field(const char *line, struct event_field *field)
{
        const char *begin = strstr(line, "field:"), *end = begin ? strchr(begin, ';') : NULL;
        uint32_t is_signed = 0;

        if (!end)
                return false;
        const char *name = end;
        while (name > begin && (isalnum((unsigned char)name[-1]) || name[-1] == '_'))
                name--;
        if (!copy_name(field->name, name, (size_t)(end - name)))
                return false; /* an array: NAME[N] */
        if (!take_number(end, "offset:", EVENT_RAW_SIZE_MAX, &field->offset) ||
            !take_number(end, "size:", EVENT_RAW_SIZE_MAX, &field->size))
                return false;
        field->is_signed = take_number(end, "signed:", 1, &is_signed) && is_signed;
        return field->size == 1 || field->size == 2 || field->size == 4 || field->size == 8;
}

bool event_format_parse(struct event_format *format, const char *text, size_t size, struct hwaccl_error *error)
{
        static const char name[] = "name: ", id[] = "ID: ";
        char line[LINE_ROOM];
        bool has_id = false;

        memset(format, 0, sizeof(*format));
        for (size_t at = 0; at < size;) {
                at = next_line(text, size, at, line);
                if (strncmp(line, name, sizeof(name) - 1) == 0)
                        (void)copy_name(format->name, line + sizeof(name) - 1, strlen(line) - (sizeof(name) - 1));
                else if (strncmp(line, id, sizeof(id) - 1) == 0)
                        has_id = take_number(line, id, UINT16_MAX, &format->id);
                else if (strncmp(line, "print fmt:", 10) == 0)
                        break;
                else if (format->field_count < EVENT_FIELD_MAX && take_field(line, &format->field[format->field_count]))
                        format->field_count++;
        }
        return (format->name[0] && has_id && format->field_count) ||
               hwaccl_error_set(error, "this is no format of a trace point");
}

const struct event_field *event_format_find(const struct event_format *format, const char *name)
{
        for (unsigned i = 0; i < format->field_count; i++)
                if (strcmp(format->field[i].name, name) == 0)
                        return &format->field[i];
        return NULL;
}

bool event_field_read(const struct event_field *field, const uint8_t *raw, size_t size, uint64_t *value)
{
        uint64_t bits = 0;

        if (field->offset > size || field->size > size - field->offset || field->size > sizeof(bits))
                return false;
        memcpy(&bits, raw + field->offset, field->size); /* little endian */
        const unsigned width = 8 * field->size;
        if (field->is_signed && width && width < 64 && bits >> (width - 1) & 1)
                bits |= UINT64_MAX << width;
        *value = bits;
        return true;
}
