#include "hwaccl/subject_fields.h"

#include "core/assert.h"
#include "hwaccl/known_fields.h"

#include <string.h>

const struct hwaccl_field hwaccl_subject_fields[HWACCL_FIELD_COUNT] = {
#define X(name, member, width, group, vmcs) {#name, offsetof(struct hwaccl_subject_state, member), width, group, vmcs},
        HWACCL_SUBJECT_FIELDS(X)
#undef X
};

_Static_assert(HWACCL_FIELD_COUNT > 64 && HWACCL_FIELD_COUNT < 64 * HWACCL_KNOWN_FIELDS_WORDS, "a bit for each field");

#define X(name, member, width, group, vmcs)                                                                            \
        _Static_assert(sizeof(((struct hwaccl_subject_state *)NULL)->member) == (width), #name " is " #width " byte"   \
                                                                                               "s");
HWACCL_SUBJECT_FIELDS(X)
#undef X

uint64_t hwaccl_field_get(const struct hwaccl_subject_state *state, enum hwaccl_field_index index)
{
        hwaccl_assert((unsigned)index < HWACCL_FIELD_COUNT);
        const struct hwaccl_field *field = &hwaccl_subject_fields[index];
        const unsigned char *from = (const unsigned char *)state + field->offset;

        if (field->width == 4) {
                uint32_t value;
                memcpy(&value, from, sizeof(value));
                return value;
        }
        uint64_t value;
        memcpy(&value, from, sizeof(value));
        return value;
}

void hwaccl_field_put(struct hwaccl_subject_state *state, enum hwaccl_field_index index, uint64_t value)
{
        hwaccl_assert((unsigned)index < HWACCL_FIELD_COUNT);
        const struct hwaccl_field *field = &hwaccl_subject_fields[index];

        /* little endian: the low bytes come first */
        memcpy((unsigned char *)state + field->offset, &value, field->width);
}

bool hwaccl_field_find(const char *name, enum hwaccl_field_index *index)
{
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                if (strcmp(hwaccl_subject_fields[i].name, name) == 0) {
                        *index = (enum hwaccl_field_index)i;
                        return true;
                }
        }
        return false;
}
