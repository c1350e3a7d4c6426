#include "replay/cli/json.h"

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

bool cli_json_print(json_t *value)
{
        if (!value)
                return false;
        (void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        json_decref(value);
        return true;
}
