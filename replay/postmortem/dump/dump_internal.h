/* The dump reader's parts. */
#ifndef HWACCL_POSTMORTEM_DUMP_INTERNAL_H
#define HWACCL_POSTMORTEM_DUMP_INTERNAL_H

#include "replay/postmortem/dump/dump.h"

/* Where in a text a line is: what its names mean. */
enum dump_section {
        SECTION_NONE,
        SECTION_VMCS_GUEST,
        SECTION_VMCS_CONTROL,
        SECTION_VMCB_CONTROL,
        SECTION_VMCB_SAVE,
        SECTION_QEMU,
        SECTION_VIRTUALBOX,
        SECTION_VIRTUALBOX_OTHER, /* of the host, the disassembly … */
        SECTION_BHYVE,
        SECTION_COUNT
};

/* Text that begins a section; with @restarts also a new dump, when the one before has registers. */
struct dump_anchor {
        const char *text;
        enum dump_section section;
        enum hwaccl_dump_format format;
        bool restarts;
};

#define PATTERN_VALUES 4

/*
 * A line's part with numbers. A blank stands for any blanks and commas; before and behind '=' and ':' blanks are
 * optional; %x is a hexadecimal number with or without 0x, %u a decimal one, where 0x… is hexadecimal too.
 */
struct dump_pattern {
        const char *text;
        uint16_t target[PATTERN_VALUES]; /* an index of a field, WORD() or TARGET_… */
        enum dump_section section;
};

#define WORD(identifier) (HWACCL_FIELD_COUNT + HWACCL_DUMP_##identifier)
/* The flags of a descriptor's second half (QEMU), or SVM's attributes, for a segment's access rights. */
#define TARGET_DESCRIPTORS         256
#define TARGET_ATTRIBUTES          512
#define TARGET_DESCRIPTOR(segment) (TARGET_DESCRIPTORS + HWACCL_FIELD_INDEX_##segment##_access_rights)
#define TARGET_ATTRIBUTE(segment)  (TARGET_ATTRIBUTES + HWACCL_FIELD_INDEX_##segment##_access_rights)
#define TARGET_NONE                UINT16_MAX

/* Both end with a NULL text. */
extern const struct dump_anchor dump_anchors[];
extern const struct dump_pattern dump_patterns[];

/** dump_match - at @text, which ends at @end; returns what is behind the match, or NULL. *failed: the words match, and
 * what should be a number is none */
const char *dump_match(const char *pattern, const char *text, const char *end, uint64_t value[PATTERN_VALUES],
                       bool *failed);

/** dump_put - store a value, unless there is one */
void dump_put(struct hwaccl_dump *dump, unsigned target, uint64_t value);

/** dump_read_json - of `hwaccl state --json`: the state after the exit, or an object of fields */
bool dump_read_json(const char *text, size_t size, struct hwaccl_dump *dump, struct hwaccl_error *error);

#endif
