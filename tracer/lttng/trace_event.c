#include "tracer/lttng/trace_event.h"

#include "core/assert.h"
#include "tracer/lttng/trace_reader.h"

#include <string.h>

const char *trace_event_name(enum trace_event_kind kind)
{
        static const char *const names[] = {
#define X(identifier, name) #name,
                TRACE_EVENTS(X)
#undef X
        };
        hwaccl_assert((unsigned)kind < TRACE_EVENT_COUNT);
        return names[kind];
}

#define PART(member, bytes, is_text)                                                                                   \
        (struct trace_part)                                                                                            \
        {                                                                                                              \
                (const void **)(void *)&event->as.member, (bytes), (is_text)                                           \
        }

unsigned trace_event_parts(struct trace_event *event, struct trace_part *parts)
{
        const uint32_t word = sizeof(uint64_t);
        const uint32_t page = sizeof(struct hwaccl_subject_state);

        switch (event->kind) {
        case TRACE_BEGIN: parts[0] = PART(begin.version, 0, true); return 1;
        case TRACE_MARKER:
                parts[0] = PART(marker.name, 0, true);
                parts[1] = PART(marker.value, 0, true);
                return 2;
        case TRACE_DEVICE_FIELD:
                parts[0] = PART(device_field.device, 0, true);
                parts[1] = PART(device_field.field, 0, true);
                return 2;
        case TRACE_KEYFRAME: parts[0] = PART(keyframe.state, page, false); return 1;
        case TRACE_TRANSFER_IN:
        case TRACE_TRANSFER_OUT: parts[0] = PART(transfer.words, event->as.transfer.count * word, false); return 1;
        case TRACE_VM_EXIT:
                parts[0] = PART(vm_exit.state, page, false);
                parts[1] = PART(vm_exit.pending, event->as.vm_exit.pending_count * word, false);
                return 2;
        case TRACE_INPUT:
        case TRACE_EFFECT: parts[0] = PART(value.data, event->as.value.size, false); return 1;
        case TRACE_EMULATE: parts[0] = PART(emulate.code, event->as.emulate.size, false); return 1;
        case TRACE_DEVICE_STATE: parts[0] = PART(device_state.data, event->as.device_state.size, false); return 1;
        case TRACE_END: parts[0] = PART(end.message, 0, true); return 1;
        case TRACE_RECORD: parts[0] = PART(record.data, event->as.record.size, false); return 1;
        case TRACE_VMM_EXIT: parts[0] = PART(vmm_exit.state, page, false); return 1;
        default: return 0;
        }
}

size_t trace_event_pack(const struct trace_event *event, uint8_t *body)
{
        struct trace_event copy = *event;
        struct trace_part parts[TRACE_PART_MAX];
        unsigned count = trace_event_parts(&copy, parts);
        size_t used = sizeof(copy);

        memcpy(body, &copy, sizeof(copy));
        for (unsigned i = 0; i < count; i++) {
                const void *from = *parts[i].pointer;
                uint64_t size = parts[i].text ? strlen(from) + 1 : parts[i].size;
                memcpy(body + used, &size, sizeof(size));
                used += sizeof(size);
                if (size)
                        memcpy(body + used, from, size);
                memset(body + used + size, 0, -size & 7);
                used += (size + 7) & ~(size_t)7;
        }
        return used;
}
