/* The guest's code and data as the processor addresses them, read from its memory; the guest does not notice. */
#include "core/accel/kvm/kvm.h"
#include "core/exit/emulate/emulator.h"
#include "core/exit/guest_access.h"

#include <stdio.h>
#include <string.h>

#define PAGE ((uint64_t)HWACCL_PAGE_SIZE)

static bool physical_read(void *opaque, uint64_t address, void *buffer, size_t size)
{
        return hwaccl_guest_memory_read(opaque, address, buffer, size);
}

static bool physical_write(void *opaque, uint64_t address, const void *data, size_t size)
{
        (void)opaque, (void)address, (void)data, (void)size;
        return false; /* no walk here sets accessed bits */
}

bool kvm_translate(struct kvm_accel *kvm, uint64_t linear, uint64_t *physical)
{
        const struct hwaccl_physical_memory memory = {
                .read = physical_read, .write = physical_write, .opaque = kvm->config.memory};
        struct hwaccl_translation translation;
        struct hwaccl_exception exception;
        unsigned access = hwaccl_context_cpl(&kvm->context) == 3 ? HWACCL_ACCESS_USER : 0;

        if (!(kvm->context.efer & HWACCL_EFER_LMA))
                linear = (uint32_t)linear;
        if (!hwaccl_page_walk(&kvm->context, &memory, linear, access, &translation, &exception))
                return false;
        *physical = translation.physical;
        return true;
}

/* Returns how many bytes could be read. */
static size_t read_linear(struct kvm_accel *kvm, uint64_t linear, uint8_t *bytes, size_t size)
{
        size_t done = 0;

        while (done < size) {
                size_t part = (size_t)(PAGE - ((linear + done) & (PAGE - 1)));
                uint64_t physical;
                if (part > size - done)
                        part = size - done;
                if (!kvm_translate(kvm, linear + done, &physical) ||
                    !hwaccl_guest_memory_read(kvm->config.memory, physical, bytes + done, part))
                        break;
                done += part;
        }
        return done;
}

size_t kvm_code_read(struct kvm_accel *kvm, uint64_t rip, uint8_t *bytes, size_t size)
{
        bool wide = hwaccl_context_code_bits(&kvm->context) == 64;
        uint64_t base = wide ? 0 : kvm->context.segment[HWACCL_CS].base;

        return read_linear(kvm, base + rip, bytes, size);
}

uint64_t kvm_linear_address(const struct kvm_accel *kvm, enum hwaccl_segment_register segment, uint64_t offset)
{
        bool flat = hwaccl_context_code_bits(&kvm->context) == 64 && segment != HWACCL_FS && segment != HWACCL_GS;

        return flat ? offset : kvm->context.segment[segment].base + offset;
}

bool kvm_data_read(struct kvm_accel *kvm, enum hwaccl_segment_register segment, uint64_t offset, void *buffer,
                   unsigned size)
{
        return read_linear(kvm, kvm_linear_address(kvm, segment, offset), buffer, size) == size;
}

struct scanned kvm_scan(const struct kvm_accel *kvm, const uint8_t *bytes, size_t size)
{
        unsigned code_bits = hwaccl_context_code_bits(&kvm->context);
        struct scanned scanned = {.address_size = (uint8_t)(code_bits / 8), .segment = HWACCL_DS};
        size_t i = 0;

        for (; i < size; i++) {
                switch (bytes[i]) {
                case 0x66: scanned.operand_prefix = true; continue;
                case 0x67: scanned.address_size = code_bits == 32 ? 2 : 4; continue;
                case 0xf2:
                case 0xf3: scanned.repeat = true; continue;
                case 0x64: scanned.segment = HWACCL_FS; continue;
                case 0x65: scanned.segment = HWACCL_GS; continue;
                case 0xf0: continue;
                case 0x26:
                case 0x2e:
                case 0x36:
                case 0x3e:
                        if (code_bits != 64)
                                scanned.segment = (bytes[i] >> 3) & 3;
                        continue;
                default: break;
                }
                break;
        }
        if (code_bits == 64 && i < size && (bytes[i] & 0xf0) == 0x40)
                i++;
        if (i < size && bytes[i] == 0x0f) {
                scanned.two_byte = true;
                i++;
        }
        if (i >= size)
                return scanned;
        scanned.opcode = bytes[i++];
        bool immediate_port = !scanned.two_byte && scanned.opcode >= 0xe4 && scanned.opcode <= 0xe7;
        scanned.length = (uint8_t)(i + immediate_port);
        return scanned;
}

struct scanned kvm_scan_at_rip(struct kvm_accel *kvm)
{
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        size_t size = kvm_code_read(kvm, kvm->context.rip, bytes, sizeof(bytes));

        return kvm_scan(kvm, bytes, size);
}

void kvm_describe_at_rip(struct kvm_accel *kvm, char *text, size_t room)
{
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        size_t size = kvm_code_read(kvm, kvm->context.rip, bytes, sizeof(bytes));

        if (!size)
                (void)snprintf(text, room, "no memory there");
        else
                hwaccl_instruction_describe(bytes, size, kvm->context.rip, hwaccl_context_code_bits(&kvm->context),
                                            text, room);
}
