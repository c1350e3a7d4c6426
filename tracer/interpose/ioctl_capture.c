#include "tracer/interpose/ioctl_capture.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Above the frame of a function of ours there are its callers': so much of a stack is taken to be mapped. */
#define STACK_NEAR 8192u

static _Atomic bool filtered;
static _Atomic uint32_t xsave_size;

void memory_note_filter(void)
{
        atomic_store_explicit(&filtered, true, memory_order_relaxed);
}

void ioctl_note_xsave_size(uint32_t size)
{
        atomic_store_explicit(&xsave_size, size, memory_order_relaxed);
}

bool memory_read(void *to, const void *from, size_t size)
{
        const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);

        if ((uintptr_t)from - frame < STACK_NEAR && size <= STACK_NEAR - ((uintptr_t)from - frame)) {
                memcpy(to, from, size);
                return true;
        }
        if (atomic_load_explicit(&filtered, memory_order_relaxed))
                return false;
        struct iovec local = {to, size}, remote = {(void *)(uintptr_t)from, size};
        int before = errno;
        ssize_t result = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
        errno = before;
        return result == (ssize_t)size;
}

static uint32_t word_at(const uint8_t *bytes, size_t offset)
{
        uint32_t word;

        memcpy(&word, bytes + offset, sizeof(word));
        return word;
}

static uint64_t long_at(const uint8_t *bytes, size_t offset)
{
        uint64_t word;

        memcpy(&word, bytes + offset, sizeof(word));
        return word;
}

/* @offset: of the count in the argument */
static uint64_t count_of(enum ioctl_count count, const struct ioctl_call *call, const uint8_t *argument, size_t offset)
{
        switch (count) {
        case IOCTL_COUNT_WORD: return word_at(argument, offset);
        case IOCTL_COUNT_LONG: return long_at(argument, offset);
        case IOCTL_COUNT_TOTAL: {
                uint32_t total = word_at(argument, offset);
                return total > call->entry->size ? total - call->entry->size : 0;
        }
        case IOCTL_COUNT_BITS: return ((uint64_t)word_at(argument, offset) + 63) / 64 * 8;
        case IOCTL_COUNT_REGISTER: return UINT64_C(1) << (long_at(argument, offset) >> 52 & 0xf);
        case IOCTL_COUNT_ATTRIBUTE:
                return ioctl_attribute_size(call->role, word_at(argument, offset), long_at(argument, offset + 4));
        case IOCTL_COUNT_SLOT_PAGES: return (call->slot_pages + 63) / 64 * 8;
        case IOCTL_COUNT_XSAVE: {
                uint32_t known = atomic_load_explicit(&xsave_size, memory_order_relaxed);
                return known > call->entry->size ? known - call->entry->size : 0;
        }
        case IOCTL_COUNT_NONE: break;
        }
        return 0;
}

static void mask_bytes(const struct ioctl_span *span, uint8_t *bytes)
{
        uint8_t *at = bytes + span->offset;

        if (span->kind == IOCTL_SPAN_PADDING) {
                memset(at, 0, span->size);
        } else if (span->kind == IOCTL_SPAN_POINTER) {
                const uint64_t address = long_at(at, 0) != 0;
                memcpy(at, &address, sizeof(address));
        }
}

static bool applies(const struct ioctl_span *span, const uint8_t *argument)
{
        return !span->conditional || (word_at(argument, span->condition) & span->mask) == span->value;
}

struct capture {
        const struct ioctl_call *call;
        uint8_t *buffer;
        size_t room;
        struct ioctl_captured captured;
        bool proven; /* the kernel has just read or written the memory */
};

static bool take(struct capture *capture, const void *from, size_t size, bool proven)
{
        capture->captured.whole += size;
        if (size > capture->room - capture->captured.size)
                return false;
        uint8_t *to = capture->buffer + capture->captured.size;
        if (proven)
                memcpy(to, from, size);
        else if (!memory_read(to, from, size))
                return false;
        capture->captured.size += size;
        return true;
}

/* Whether memory of this direction means something now. */
static bool is_wanted(const struct capture *capture, enum ioctl_direction direction)
{
        const struct ioctl_call *call = capture->call;

        return direction == IOCTL_IN || direction == IOCTL_INOUT ||
               (direction == IOCTL_OUT && call->after && call->success);
}

static void take_array(struct capture *capture)
{
        const struct ioctl_call *call = capture->call;
        const struct ioctl_array *array = call->entry->array;

        if (!array || !is_wanted(capture, array->direction))
                return;
        uint64_t count = count_of(array->count, call, capture->buffer, array->offset);
        if (count > array->maximum)
                count = array->maximum; /* the kernel takes no more */
        const size_t begin = capture->captured.size;
        const uint8_t *from = (const uint8_t *)call->argument + call->entry->size;
        if (!take(capture, from, (size_t)count * array->element_size,
                  capture->proven && array->count != IOCTL_COUNT_XSAVE))
                return;
        for (size_t i = 0; i < count; i++)
                for (unsigned k = 0; k < array->span_count; k++)
                        mask_bytes(&array->spans[k], capture->buffer + begin + i * array->element_size);
}

static void take_memory(struct capture *capture, const struct ioctl_memory *memory, unsigned number,
                        const void *pointer)
{
        const struct ioctl_call *call = capture->call;
        const size_t shift = (size_t)number * memory->stride;

        if (!pointer || !is_wanted(capture, memory->direction))
                return;
        uint64_t size = count_of(memory->count, call, capture->buffer, memory->offset + shift);
        if (size > memory->maximum)
                size = memory->maximum;
        if (size == 0)
                return;
        const struct ioctl_captured_memory header = {(uint32_t)(memory->pointer + shift), (uint32_t)size};
        const size_t before = capture->captured.size;
        if (take(capture, &header, sizeof(header), true) && !take(capture, pointer, (size_t)size, capture->proven))
                capture->captured.size = before;
}

/* The fixed part is in the buffer, with its pointers. */
static void take_memories(struct capture *capture)
{
        const struct ioctl_entry *entry = capture->call->entry;

        for (unsigned i = 0; i < entry->memory_count; i++) {
                const struct ioctl_memory *memory = &entry->memory[i];
                for (unsigned k = 0; k < (memory->repeat ? memory->repeat : 1u); k++) {
                        const uint64_t pointer = long_at(capture->buffer, memory->pointer + (size_t)k * memory->stride);
                        take_memory(capture, memory, k,
                                    (const void *)(uintptr_t)pointer); /* NOLINT(performance-no-int-to-ptr) */
                }
        }
}

static void mask_argument(const struct ioctl_entry *entry, uint8_t *bytes)
{
        for (unsigned i = 0; i < entry->span_count; i++)
                if (applies(&entry->spans[i], bytes))
                        mask_bytes(&entry->spans[i], bytes);
}

struct ioctl_captured ioctl_capture(const struct ioctl_call *call, void *buffer, size_t size)
{
        const struct ioctl_entry *entry = call->entry;
        struct capture capture = {.call = call, .buffer = buffer, .room = size, .proven = call->after && call->success};

        if (!entry || entry->size == 0 || !call->argument || !is_wanted(&capture, entry->direction) ||
            !take(&capture, call->argument, entry->size, capture.proven))
                return capture.captured;
        take_array(&capture);
        take_memories(&capture);
        mask_argument(entry, buffer);
        return capture.captured;
}

size_t ioctl_argument_size(const struct ioctl_entry *entry, size_t size)
{
        return entry->array || size < entry->size ? size : entry->size; /* no row has an array and pointers */
}
