#include "replay/cli/json.h"

#include "core/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *cli_json_text(const char *text)
{
        if (!text)
                return json_null();
        json_t *value = json_string(text);
        if (value)
                return value;

        char *plain = strdup(text);
        if (!plain)
                return NULL;
        for (char *c = plain; *c; c++)
                if ((unsigned char)*c >= 0x80)
                        *c = '?';
        value = json_string(plain);
        free(plain);
        return value;
}

json_t *cli_json_hex(uint64_t value)
{
        char text[24];
        (void)snprintf(text, sizeof(text), "0x%" PRIx64, value);
        return json_string(text);
}

json_t *cli_json_count(uint64_t value)
{
        return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static void release_unless(bool good, json_t **container)
{
        if (good)
                return;
        json_decref(*container);
        *container = NULL;
}

void cli_json_set(json_t **object, const char *name, json_t *value)
{
        release_unless(json_object_set_new(*object, name, value) == 0, object);
}

void cli_json_append(json_t **array, json_t *value)
{
        release_unless(json_array_append_new(*array, value) == 0, array);
}

/* JSON lets some characters stand for themselves that control a terminal: write them as escapes. All are below U+10000.
 */
static char *escape_unsafe(char *text)
{
        char *escaped = NULL;
        size_t length, size = 0;
        uint32_t code_point = 0;
        const char *from = text;
        const char *found = hwaccl_text_find_unsafe(text, &size, &code_point);
        FILE *out = found ? open_memstream(&escaped, &length) : NULL;

        if (!found)
                return text;
        for (; out && found; found = hwaccl_text_find_unsafe(from, &size, &code_point)) {
                (void)fprintf(out, "%.*s\\u%04" PRIx32, (int)(found - from), from, code_point);
                from = found + size;
        }
        bool good = out && fputs(from, out) >= 0;
        if (out && (fclose(out) != 0 || !good)) {
                free(escaped);
                escaped = NULL;
        }
        free(text);
        return escaped;
}

/* As text first: a value is printed as a whole or not at all. */
static char *dump(json_t *value)
{
        char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12)) : NULL;

        json_decref(value);
        return text ? escape_unsafe(text) : NULL;
}

bool cli_json_print(json_t *value)
{
        char *text = dump(value);

        if (!text)
                return false;
        (void)puts(text);
        free(text);
        return true;
}

static void open_list(struct cli_json_list *list)
{
        if (!list->opened && list->name)
                (void)printf("{\"%s\": ", list->name);
        if (!list->opened)
                (void)putchar('[');
        list->opened = true;
}

bool cli_json_list_add(struct cli_json_list *list, json_t *element)
{
        char *text = list->failed ? (json_decref(element), NULL) : dump(element);

        list->failed |= !text;
        if (!text)
                return false;
        open_list(list);
        (void)printf("%s%s", list->count++ ? ",\n" : "\n", text);
        free(text);
        return true;
}

bool cli_json_list_end(struct cli_json_list *list, json_t *members)
{
        char *text = list->name ? dump(members) : NULL;

        list->failed |= list->name && !text;
        if (!list->failed) {
                open_list(list);
                (void)fputs(list->count ? "\n]" : "]", stdout);
                if (text) /* the members take the array's place in front */
                        (void)printf("%s%s", strcmp(text, "{}") == 0 ? "" : ",\n", text + 1);
                (void)putchar('\n');
        }
        free(text);
        return !list->failed;
}

void cli_json_list_fail(struct cli_json_list *list, const char *error)
{
        char *text = dump(cli_json_text(error));
        const char *printed = text ? text : "\"out of memory\"";

        if (list->opened && list->name)
                (void)printf("\n],\n\"error\":%s}\n", printed);
        else if (list->opened)
                (void)printf("%s{\"error\":%s}\n]\n", list->count ? ",\n" : "\n", printed);
        free(text);
}
