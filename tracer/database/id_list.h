/* Ids of a dictionary in the order in which they were first used: each has a place, from 1. */
#ifndef HWACCL_TRACER_ID_LIST_H
#define HWACCL_TRACER_ID_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_list {
        int64_t *id; /* by place - 1 */
        size_t count;
        uint32_t *slot; /* places, by a hash of the id; 0: empty */
        size_t slots;   /* a power of 2, or 0 */
};

/** id_list_place - of an id, which is added if it is new; 0: out of memory */
uint64_t id_list_place(struct id_list *list, int64_t id);

/** id_list_clear - without giving back its memory */
void id_list_clear(struct id_list *list);
void id_list_release(struct id_list *list);

#endif
