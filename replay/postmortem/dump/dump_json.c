/* JSON of `hwaccl state --json`, or an object with fields of the subject state alone. */
#include "replay/postmortem/dump/dump_internal.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* A number, or text such as "0x7c00". */
static bool value_of(const json_t *json, uint64_t *value)
{
        if (json_is_integer(json)) {
                *value = (uint64_t)json_integer_value(json);
                return true;
        }
        const char *text = json_string_value(json);
        char *end;
        if (!text)
                return false;
        errno = 0;
        *value = strtoull(text, &end, 0);
        return *text && *text != '-' && !*end && !errno;
}

/* The state after the exit; where that is not known, that before the entry. */
static const json_t *moment_of(const json_t *json)
{
        const json_t *exit = json_object_get(json, "exit");

        if (!json_is_object(json))
                return json;
        return json_is_null(exit) || !exit ? json_object_get(json, "entry") : exit;
}

static bool read_fields(const json_t *registers, struct hwaccl_dump *dump, struct hwaccl_error *error)
{
        for (unsigned field = 0; field < HWACCL_FIELD_COUNT; field++) {
                const char *name = hwaccl_subject_fields[field].name;
                const json_t *json = moment_of(json_object_get(registers, name));
                uint64_t value;

                if (!json || json_is_null(json))
                        continue;
                if (!value_of(json, &value))
                        return hwaccl_error_set(error, "value of '%s': expected a number such as \"0x7c00\"", name);
                dump_put(dump, field, value);
        }
        return hwaccl_known_fields_any(dump->known) ||
               hwaccl_error_set(error, "the JSON object has no field of a subject state, such as 'rip'");
}

bool dump_read_json(const char *text, size_t size, struct hwaccl_dump *dump, struct hwaccl_error *error)
{
        json_error_t problem;
        json_t *document = json_loadb(text, size, JSON_DISABLE_EOF_CHECK, &problem);

        if (!document)
                return hwaccl_error_set(error, "line %d: not JSON: %s", problem.line, problem.text);
        json_t *registers = json_object_get(document, "registers");
        dump->format = HWACCL_DUMP_JSON;
        bool good = read_fields(json_is_object(registers) ? registers : document, dump, error);
        json_decref(document);
        return good;
}
