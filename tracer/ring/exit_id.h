/* Exits, marks and vCPUs as numbers: the key of a row is the vCPU's number above the exit's. */
#ifndef HWACCL_TRACER_EXIT_ID_H
#define HWACCL_TRACER_EXIT_ID_H

#include <stdint.h>

#define VCPU_SHIFT      40
#define VCPU_MAX        ((1u << (62 - VCPU_SHIFT)) - 1)
#define EXIT_NUMBER_MAX ((UINT64_C(1) << VCPU_SHIFT) - 1)

static inline int64_t exit_id(uint32_t vcpu, uint64_t number)
{
        return (int64_t)((uint64_t)vcpu << VCPU_SHIFT | number);
}

/** exit_number - the number in @id */
static inline uint64_t exit_number(int64_t id)
{
        return (uint64_t)id & EXIT_NUMBER_MAX;
}

#endif
