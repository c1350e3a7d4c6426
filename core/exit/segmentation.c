/* Logical to linear addresses, and what the segment registers say about the mode (SDM 3A, chapters 3 and 5). */
#include "core/exit/guest_access.h"

#include "core/exit/registers.h"

unsigned hwaccl_context_cpl(const struct hwaccl_machine_context *context)
{
        if (!(context->cr0 & HWACCL_CR0_PE))
                return 0;
        if (context->rflags & RFLAGS_VM)
                return 3;
        return (context->segment[HWACCL_SS].access_rights >> SEGMENT_DPL_SHIFT) & 3;
}

unsigned hwaccl_context_code_bits(const struct hwaccl_machine_context *context)
{
        uint32_t rights = context->segment[HWACCL_CS].access_rights;

        if ((context->efer & HWACCL_EFER_LMA) && (rights & SEGMENT_L))
                return 64;
        /* D counts in real mode too: between clearing CR0.PE and the far jump the code segment is still the old one */
        return rights & SEGMENT_D ? 32 : 16;
}

static bool segment_fault(const struct hwaccl_machine_context *context, enum hwaccl_segment_register segment,
                          struct hwaccl_exception *exception)
{
        *exception = (struct hwaccl_exception){
                .vector = segment == HWACCL_SS ? HWACCL_VECTOR_SS : HWACCL_VECTOR_GP,
                .has_error_code = context->cr0 & HWACCL_CR0_PE,
        };
        return false;
}

/* Present, usable, and of a type that allows the access. */
static bool type_allows(const struct hwaccl_segment *segment, unsigned access)
{
        uint32_t rights = segment->access_rights;
        if ((rights & HWACCL_SEGMENT_UNUSABLE) || !(rights & SEGMENT_P))
                return false;
        bool code = rights & SEGMENT_TYPE_CODE;
        if (access & HWACCL_ACCESS_EXECUTE)
                return code;
        if (access & HWACCL_ACCESS_WRITE)
                return !code && (rights & SEGMENT_TYPE_WRITABLE);
        return !code || (rights & SEGMENT_TYPE_READABLE);
}

static bool within_limit(const struct hwaccl_segment *segment, uint64_t offset, unsigned size)
{
        uint64_t last = offset + size - 1;
        bool expand_down =
                !(segment->access_rights & SEGMENT_TYPE_CODE) && (segment->access_rights & SEGMENT_TYPE_EXPAND_DOWN);

        if (!expand_down)
                return last <= segment->limit && last >= offset;
        uint64_t top = segment->access_rights & SEGMENT_D ? UINT32_MAX : UINT16_MAX;
        return offset > segment->limit && last <= top;
}

bool hwaccl_segment_allows(const struct hwaccl_segment *segment, bool typed, uint64_t offset, unsigned size,
                           unsigned access)
{
        return (!typed || type_allows(segment, access)) && within_limit(segment, offset, size);
}

bool hwaccl_segment_translate(const struct hwaccl_machine_context *context, enum hwaccl_segment_register segment,
                              uint64_t offset, unsigned size, unsigned access, uint64_t *linear,
                              struct hwaccl_exception *exception)
{
        const struct hwaccl_segment *cache = &context->segment[segment];

        if (hwaccl_context_code_bits(context) == 64) {
                uint64_t base = segment == HWACCL_FS || segment == HWACCL_GS ? cache->base : 0;
                *linear = base + offset;
                if (!address_is_canonical(*linear) || !address_is_canonical(*linear + size - 1))
                        return segment_fault(context, segment, exception);
                return true;
        }
        bool typed = (context->cr0 & HWACCL_CR0_PE) && !(context->rflags & RFLAGS_VM);
        if (!hwaccl_segment_allows(cache, typed, offset, size, access))
                return segment_fault(context, segment, exception);
        *linear = (uint32_t)(cache->base + offset);
        return true;
}
