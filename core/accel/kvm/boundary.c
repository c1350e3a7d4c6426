/*
 * Where the instruction starts that ends at RIP: the kernel's own emulator has moved RIP past what it executed, and the
 * last bytes of the instruction before may look like a prefix, or like an instruction of their own. Code is followed
 * from an instruction boundary; a wrong start falls into step within a few instructions.
 */
#include "core/accel/kvm/kvm.h"
#include "core/exit/guest_access.h"

#define FOLLOWED 64u /* bytes before RIP */

/* Follow the code from @start to the end of @bytes: the length of the last instruction; 0 when none ends there. */
static unsigned follow(struct kvm_accel *kvm, const uint8_t *bytes, size_t start, size_t size)
{
        unsigned code_bits = hwaccl_context_code_bits(&kvm->context);
        struct instruction instruction = {.length = 0};

        while (start < size) {
                if (!decoder_decode(&kvm->decoder, bytes + start, size - start, code_bits, &instruction))
                        return 0;
                start += instruction.length;
        }
        return instruction.length;
}

unsigned kvm_choose_length(struct kvm_accel *kvm, uint64_t rip, uint32_t lengths)
{
        uint8_t bytes[FOLLOWED];
        unsigned votes[INSTRUCTION_SIZE_MAX + 1] = {0};
        unsigned best = (unsigned)__builtin_ctz(lengths);
        size_t size = FOLLOWED;

        if (!(lengths & (lengths - 1)))
                return best;
        while (size && (rip < size || kvm_code_read(kvm, rip - size, bytes, size) != size))
                size--;
        /* the entry was at a boundary, and often in the same straight piece of code */
        if (kvm->left.cs.base == kvm->context.segment[HWACCL_CS].base && rip > kvm->left.rip &&
            rip - kvm->left.rip <= size) {
                unsigned length = follow(kvm, bytes, size - (size_t)(rip - kvm->left.rip), size);
                if (lengths >> length & 1u)
                        return length;
        }
        for (size_t start = 0; start + INSTRUCTION_SIZE_MAX < size; start++)
                votes[follow(kvm, bytes, start, size)]++;
        for (unsigned length = 1; length <= INSTRUCTION_SIZE_MAX; length++)
                if (lengths >> length & 1u && votes[length] > votes[best])
                        best = length;
        return best;
}
