/*
 * Which table of the database holds which fields of the subject state. The sets follow from the groups of the field
 * table; the SQL files name them in placeholders, writer and reader bind and read columns in the same order.
 */
#ifndef HWACCL_TRACER_FIELD_SETS_H
#define HWACCL_TRACER_FIELD_SETS_H

#include "hwaccl/subject_fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_set_name {
        FIELD_SET_PAGE,    /* exit information and general registers: columns of exit and keyframe */
        FIELD_SET_HANDLED, /* page without RIP and RAX: columns of handler_change */
        FIELD_SET_SYSTEM,  /* control registers, EFER, SYSENTER, FS, GS, TR, LDTR, GDTR, IDTR: change with the mode or
                              task */
        FIELD_SET_SEGMENT, /* CS, SS, DS, ES: change with every real-mode interrupt */
        FIELD_SET_GENERAL, /* general registers without RIP and RAX, for views */
        FIELD_SET_INFORMATION, /* exit information, for views */
        FIELD_SET_REGISTERS,   /* all, for views */
        FIELD_SET_COUNT
};

struct field_set {
        unsigned count;
        uint8_t index[HWACCL_FIELD_COUNT]; /* enum hwaccl_field_index, ascending */
};

/** field_sets_init - fill sets[FIELD_SET_COUNT] */
void field_sets_init(struct field_set *sets);

/** field_set_by_name - the set that a placeholder names, or FIELD_SET_COUNT */
enum field_set_name field_set_by_name(const char *name, size_t length);

/** field_set_equal - do two states agree in all fields of a set? */
bool field_set_equal(const struct field_set *set, const struct hwaccl_subject_state *a,
                     const struct hwaccl_subject_state *b);

#endif
