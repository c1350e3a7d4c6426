/* JSON on stdout, built with jansson. */
#ifndef HWACCL_CLI_JSON_H
#define HWACCL_CLI_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/** cli_json_text - a string; bytes that are no UTF-8 become '?'. Null for NULL */
json_t *cli_json_text(const char *text);

/** cli_json_hex - "0x…": registers are 64 bits, which JSON's numbers cannot be relied on to hold */
json_t *cli_json_hex(uint64_t value);

/** cli_json_count - an integer */
json_t *cli_json_count(uint64_t value);

/** cli_json_print - write a value on one line and give it up; false when it is NULL: memory ran out */
bool cli_json_print(json_t *value);

#endif
