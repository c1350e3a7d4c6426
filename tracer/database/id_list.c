#include "tracer/database/id_list.h"

#include <stdlib.h>
#include <string.h>

static size_t hash(const struct id_list *list, int64_t id)
{
        return (size_t)((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (list->slots - 1);
}

/* The slot of @id, or the empty one where it belongs. */
static uint32_t *find(const struct id_list *list, int64_t id)
{
        size_t at = hash(list, id);

        while (list->slot[at] && list->id[list->slot[at] - 1] != id)
                at = (at + 1) & (list->slots - 1);
        return &list->slot[at];
}

/* At most half of the slots are used. */
static bool grow(struct id_list *list)
{
        size_t slots = list->slots ? 2 * list->slots : 256;
        int64_t *id = realloc(list->id, slots / 2 * sizeof(*id));

        if (id)
                list->id = id;
        uint32_t *slot = id ? calloc(slots, sizeof(*slot)) : NULL;
        if (!slot)
                return false;
        free(list->slot);
        list->slot = slot;
        list->slots = slots;
        for (size_t i = 0; i < list->count; i++)
                *find(list, list->id[i]) = (uint32_t)i + 1;
        return true;
}

uint64_t id_list_place(struct id_list *list, int64_t id)
{
        uint32_t *slot = list->slots ? find(list, id) : NULL;

        if (slot && *slot)
                return *slot;
        if (2 * list->count >= list->slots) {
                if (!grow(list))
                        return 0;
                slot = find(list, id);
        }
        list->id[list->count++] = id;
        *slot = (uint32_t)list->count;
        return *slot;
}

void id_list_clear(struct id_list *list)
{
        if (list->count)
                memset(list->slot, 0, list->slots * sizeof(*list->slot));
        list->count = 0;
}

void id_list_release(struct id_list *list)
{
        free(list->id);
        free(list->slot);
        *list = (struct id_list){.id = NULL};
}
