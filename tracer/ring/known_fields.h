/* Sets of fields of the subject state: which of them a recording knows at a moment. */
#ifndef HWACCL_TRACER_KNOWN_FIELDS_H
#define HWACCL_TRACER_KNOWN_FIELDS_H

#include "hwaccl/recording.h"
#include "hwaccl/subject_fields.h"

#include <stdbool.h>
#include <stdint.h>

#define KNOWN_WORDS ((HWACCL_FIELD_COUNT + 63) / 64)

_Static_assert(KNOWN_WORDS == 2, "two words hold the field table");

static inline struct hwaccl_known_fields known_none(void)
{
        return (struct hwaccl_known_fields){{0, 0}};
}

static inline struct hwaccl_known_fields known_all(void)
{
        return (struct hwaccl_known_fields){{~UINT64_C(0), (UINT64_C(1) << (HWACCL_FIELD_COUNT - 64)) - 1}};
}

static inline bool known_has(const struct hwaccl_known_fields *known, unsigned field)
{
        return known->bits[field / 64] >> (field % 64) & 1;
}

static inline void known_add(struct hwaccl_known_fields *known, unsigned field)
{
        known->bits[field / 64] |= UINT64_C(1) << (field % 64);
}

static inline struct hwaccl_known_fields known_both(struct hwaccl_known_fields a, struct hwaccl_known_fields b)
{
        return (struct hwaccl_known_fields){{a.bits[0] & b.bits[0], a.bits[1] & b.bits[1]}};
}

static inline struct hwaccl_known_fields known_either(struct hwaccl_known_fields a, struct hwaccl_known_fields b)
{
        return (struct hwaccl_known_fields){{a.bits[0] | b.bits[0], a.bits[1] | b.bits[1]}};
}

/** known_without - what is in @a but not in @b */
static inline struct hwaccl_known_fields known_without(struct hwaccl_known_fields a, struct hwaccl_known_fields b)
{
        return (struct hwaccl_known_fields){{a.bits[0] & ~b.bits[0], a.bits[1] & ~b.bits[1]}};
}

static inline bool known_any(struct hwaccl_known_fields known)
{
        return (known.bits[0] | known.bits[1]) != 0;
}

static inline bool known_equal(struct hwaccl_known_fields a, struct hwaccl_known_fields b)
{
        return a.bits[0] == b.bits[0] && a.bits[1] == b.bits[1];
}

#endif
