#include "tracer/database/field_sets.h"

#include <string.h>

static bool belongs(enum field_set_name set, unsigned index)
{
        enum hwaccl_field_group group = hwaccl_subject_fields[index].group;
        bool page = group == HWACCL_FIELD_EXIT || group == HWACCL_FIELD_GENERAL;
        /* table exit has columns of its own for their change by handling */
        bool apart = index == HWACCL_FIELD_INDEX_rip || index == HWACCL_FIELD_INDEX_rax;
        bool memory_segment = index >= HWACCL_FIELD_INDEX_cs_selector && index < HWACCL_FIELD_INDEX_fs_selector;

        switch (set) {
        case FIELD_SET_PAGE: return page;
        case FIELD_SET_HANDLED: return page && !apart;
        case FIELD_SET_SYSTEM: return !page && !memory_segment;
        case FIELD_SET_SEGMENT: return memory_segment;
        case FIELD_SET_GENERAL: return group == HWACCL_FIELD_GENERAL && !apart;
        case FIELD_SET_INFORMATION: return group == HWACCL_FIELD_EXIT;
        case FIELD_SET_REGISTERS:
        case FIELD_SET_COUNT: break;
        }
        return true;
}

void field_sets_init(struct field_set *sets)
{
        for (unsigned set = 0; set < FIELD_SET_COUNT; set++) {
                sets[set].count = 0;
                for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++)
                        if (belongs((enum field_set_name)set, i))
                                sets[set].index[sets[set].count++] = (uint8_t)i;
        }
}

enum field_set_name field_set_by_name(const char *name, size_t length)
{
        static const char *const names[FIELD_SET_COUNT] = {"page",    "handled",     "system",   "segment",
                                                           "general", "information", "registers"};

        for (unsigned set = 0; set < FIELD_SET_COUNT; set++)
                if (strlen(names[set]) == length && memcmp(names[set], name, length) == 0)
                        return (enum field_set_name)set;
        return FIELD_SET_COUNT;
}

bool field_set_equal(const struct field_set *set, const struct hwaccl_subject_state *a,
                     const struct hwaccl_subject_state *b)
{
        for (unsigned i = 0; i < set->count; i++) {
                enum hwaccl_field_index index = (enum hwaccl_field_index)set->index[i];
                if (hwaccl_field_get(a, index) != hwaccl_field_get(b, index))
                        return false;
        }
        return true;
}
