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

/** cli_json_set, cli_json_append - add a value, which is released, to an object or array. Where memory runs out, and
 * where @value is NULL, the object or array is released and becomes NULL, so that one look at the end is enough */
void cli_json_set(json_t **object, const char *name, json_t *value);
void cli_json_append(json_t **array, json_t *value);

/** cli_json_print - write a value on a line of its own and release it; false when it is NULL: out of memory */
bool cli_json_print(json_t *value);

/*
 * One document on stdout whose size is not known beforehand: an array printed element by element, and members behind
 * it. Nothing is printed before the first element, so that whatever fails leaves stdout empty or a valid document.
 */
struct cli_json_list {
        const char *name; /* of the array in its object; NULL: the array is the document */
        uint64_t count;   /* elements printed */
        bool opened;
        bool failed; /* out of memory */
};

/** cli_json_list_add - print an element and release it; false when it is NULL, now or before: out of memory */
bool cli_json_list_add(struct cli_json_list *list, json_t *element);

/** cli_json_list_end - close the array, and the object with @members, which are released; false when out of memory */
bool cli_json_list_end(struct cli_json_list *list, json_t *members);

/** cli_json_list_fail - close what was begun with a member "error"; in an array without object, with an element
 * {"error": TEXT}. Does nothing where nothing was printed */
void cli_json_list_fail(struct cli_json_list *list, const char *error);

#endif
