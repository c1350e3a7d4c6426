/*
 * Stable ABI. Sets of fields of the subject state: which fields of a state are known. The core knows
 * all of them; another VMM (trace.h) or an imported trace may know only some. The value of an unknown field is
 * meaningless: it is NULL in the database and is not compared.
 */
#ifndef HWACCL_KNOWN_FIELDS_H
#define HWACCL_KNOWN_FIELDS_H

#include "hwaccl/subject_fields.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HWACCL_KNOWN_FIELDS_WORDS 2u

/* Field i of the field table: bit i % 64 of word i / 64. Bits after the last field are 0. */
struct hwaccl_known_fields {
        uint64_t bits[HWACCL_KNOWN_FIELDS_WORDS];
};

/* Bits of the second word with a field. */
#define HWACCL_KNOWN_FIELDS_LAST ((UINT64_C(1) << (HWACCL_FIELD_COUNT - 64)) - 1)

static inline struct hwaccl_known_fields hwaccl_known_fields_none(void)
{
        struct hwaccl_known_fields none = {{0, 0}};
        return none;
}

static inline struct hwaccl_known_fields hwaccl_known_fields_all(void)
{
        struct hwaccl_known_fields all = {{~UINT64_C(0), HWACCL_KNOWN_FIELDS_LAST}};
        return all;
}

/** hwaccl_known_fields_of_words - from two untrusted words: bits without a field are cleared */
static inline struct hwaccl_known_fields hwaccl_known_fields_of_words(const uint64_t words[HWACCL_KNOWN_FIELDS_WORDS])
{
        struct hwaccl_known_fields known = {{words[0], words[1] & HWACCL_KNOWN_FIELDS_LAST}};
        return known;
}

/** hwaccl_known_fields_has - whether @field (enum hwaccl_field_index) is known */
static inline bool hwaccl_known_fields_has(const struct hwaccl_known_fields *known, unsigned field)
{
        return known->bits[field / 64] >> (field % 64) & 1;
}

static inline void hwaccl_known_fields_add(struct hwaccl_known_fields *known, unsigned field)
{
        known->bits[field / 64] |= UINT64_C(1) << (field % 64);
}

static inline void hwaccl_known_fields_remove(struct hwaccl_known_fields *known, unsigned field)
{
        known->bits[field / 64] &= ~(UINT64_C(1) << (field % 64));
}

static inline struct hwaccl_known_fields hwaccl_known_fields_intersect(struct hwaccl_known_fields a,
                                                                       struct hwaccl_known_fields b)
{
        struct hwaccl_known_fields both = {{a.bits[0] & b.bits[0], a.bits[1] & b.bits[1]}};
        return both;
}

static inline struct hwaccl_known_fields hwaccl_known_fields_unite(struct hwaccl_known_fields a,
                                                                   struct hwaccl_known_fields b)
{
        struct hwaccl_known_fields either = {{a.bits[0] | b.bits[0], a.bits[1] | b.bits[1]}};
        return either;
}

/** hwaccl_known_fields_without - fields in @a but not in @b */
static inline struct hwaccl_known_fields hwaccl_known_fields_without(struct hwaccl_known_fields a,
                                                                     struct hwaccl_known_fields b)
{
        struct hwaccl_known_fields rest = {{a.bits[0] & ~b.bits[0], a.bits[1] & ~b.bits[1]}};
        return rest;
}

static inline bool hwaccl_known_fields_any(struct hwaccl_known_fields known)
{
        return (known.bits[0] | known.bits[1]) != 0;
}

static inline bool hwaccl_known_fields_equal(struct hwaccl_known_fields a, struct hwaccl_known_fields b)
{
        return a.bits[0] == b.bits[0] && a.bits[1] == b.bits[1];
}

/* A state and its known fields. */
struct hwaccl_known_state {
        const struct hwaccl_subject_state *state; /* NULL: nothing is known */
        const struct hwaccl_known_fields *known;  /* NULL: everything; values of the other fields are not looked at */
};

#ifdef __cplusplus
}
#endif

#endif
