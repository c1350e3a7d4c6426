/*
 * The data of exits that KVM describes in the union of struct kvm_run: which fields an exit reason has, and where they
 * are. KVM_EXIT_IO and KVM_EXIT_MMIO are not here: they are accesses, and have inputs and effects of their own.
 */
#ifndef HWACCL_TRACER_INTERPOSE_KVM_EXIT_FIELDS_H
#define HWACCL_TRACER_INTERPOSE_KVM_EXIT_FIELDS_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kvm_exit_side {
        KVM_EXIT_LEFT,     /* KVM left it for the VMM */
        KVM_EXIT_ANSWERED, /* the VMM writes it */
};

/* One field, or an array of such. A field that both write has two rows, with different numbers. */
struct kvm_exit_field {
        uint8_t reason;        /* KVM_EXIT_* */
        uint8_t side;          /* enum kvm_exit_side */
        uint8_t type;          /* the union's first word has this value, else the field is not there; 0: any */
        uint8_t number;        /* of the first element */
        uint8_t count;         /* of elements */
        uint8_t width;         /* bytes of one */
        uint16_t offset;       /* in struct kvm_run */
        uint16_t count_offset; /* of a 32-bit number of the elements that are there; 0: all are */
        const char *name;      /* with %u for an array's index */
};

#define KVM_EXIT_FIELD_ADDRESS(reason, number) ((uint64_t)(reason) << 8 | (number))
#define KVM_EXIT_VALUES_MAX                    32u

struct kvm_exit_value {
        uint64_t address; /* KVM_EXIT_FIELD_ADDRESS */
        uint64_t value;
};

/** kvm_exit_fields - all, ordered by reason */
const struct kvm_exit_field *kvm_exit_fields(size_t *count);

/** kvm_exit_has_data - whether the reason has fields in the table */
bool kvm_exit_has_data(uint32_t reason);

/** kvm_exit_values - the values of an exit; how many
 * @reason: of the exit, as KVM left it: the VMM may have written to @run since */
size_t kvm_exit_values(const struct kvm_run *run, uint32_t reason, enum kvm_exit_side side,
                       struct kvm_exit_value to[static KVM_EXIT_VALUES_MAX]);

/** kvm_exit_field_name - "data[3]" of element @index; its length */
size_t kvm_exit_field_name(const struct kvm_exit_field *field, unsigned index, char *to, size_t room);

#endif
