#include "tracer/kernel/exit_stream.h"

#include "tracer/kernel/vendor_exit.h"

#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_MIN 256u /* events */

void exit_stream_free(struct exit_stream *stream)
{
        free(stream->event);
        memset(stream, 0, sizeof(*stream));
}

static bool make_room(struct exit_stream *stream)
{
        if (stream->count < stream->room)
                return true;
        if (stream->first > stream->room / 2) { /* what was taken */
                memmove(stream->event, stream->event + stream->first,
                        (stream->count - stream->first) * sizeof(*stream->event));
                stream->count -= stream->first;
                stream->first = 0;
                return true;
        }
        size_t room = stream->room ? 2 * stream->room : KEEP_MIN;
        struct kvm_event *more = realloc(stream->event, room * sizeof(*more));
        if (!more)
                return false;
        stream->event = more;
        stream->room = room;
        return true;
}

/* Only a vCPU that two threads run in turn has events out of order. */
bool exit_stream_put(struct exit_stream *stream, const struct kvm_event *event)
{
        if (!make_room(stream))
                return false;
        size_t at = stream->count++;
        while (at > stream->first && stream->event[at - 1].stamp > event->stamp) {
                stream->event[at] = stream->event[at - 1];
                at--;
        }
        stream->event[at] = *event;
        return true;
}

/* Whether an item ends before this event. */
static bool begins_next(const struct exit_item *item, const struct kvm_event *event)
{
        switch (event->kind) {
        case KERNEL_EVENT_ENTRY: return item->exit || item->others; /* else the entry before was cancelled */
        case KERNEL_EVENT_EXIT: return item->exit || (item->others && !item->entry);
        case KERNEL_EVENT_LOST: return item->count > 0;
        default: return item->count == 1 && item->event->kind == KERNEL_EVENT_LOST;
        }
}

bool exit_stream_next(const struct exit_stream *stream, bool all, struct exit_item *item)
{
        *item = (struct exit_item){.event = stream->event + stream->first};
        for (size_t i = stream->first; i < stream->count; i++) {
                const struct kvm_event *event = &stream->event[i];
                if (begins_next(item, event)) {
                        item->end = event->stamp;
                        return true;
                }
                item->count++;
                item->end = event->stamp;
                if (event->kind == KERNEL_EVENT_ENTRY)
                        item->entry = event;
                else if (event->kind == KERNEL_EVENT_EXIT)
                        item->exit = event;
                else if (event->kind != KERNEL_EVENT_USERSPACE_EXIT)
                        item->others++;
                else {
                        item->user = event;
                        return true;
                }
        }
        return all && item->count > 0;
}

void exit_stream_drop(struct exit_stream *stream, const struct exit_item *item)
{
        stream->first += item->count;
        if (stream->first == stream->count)
                stream->first = stream->count = 0;
}

uint64_t exit_item_reason(const struct exit_item *item)
{
        struct hwaccl_trace_state state;

        if (!item->exit)
                return UINT64_MAX;
        vendor_exit_state(&state, item->exit);
        return hwaccl_trace_is_known(&state, HWACCL_FIELD_INDEX_exit_reason)
                       ? state.values.exit_reason & HWACCL_EXIT_REASON_BASIC_MASK
                       : UINT64_MAX;
}

bool exit_item_reached_user(const struct exit_item *item)
{
        const uint64_t reason = exit_item_reason(item);

        if (!item->exit || !item->user)
                return false;
        if (item->user->value[USER_EVENT_ERROR] !=
            0) /* EINTR: the interrupt that brought the signal, or any exit before */
                return reason == HWACCL_EXIT_EXTERNAL_INTERRUPT;
        switch (item->user->value[USER_EVENT_REASON]) {
        case KVM_EXIT_IO: return reason == HWACCL_EXIT_IO_INSTRUCTION;
        case KVM_EXIT_HLT: return reason == HWACCL_EXIT_HLT;
        case KVM_EXIT_INTR: return reason == HWACCL_EXIT_EXTERNAL_INTERRUPT;
        case KVM_EXIT_IRQ_WINDOW_OPEN: return reason == HWACCL_EXIT_INTERRUPT_WINDOW;
        case KVM_EXIT_MMIO: /* a fault of some kind, but no exit that cannot be an access */
                return reason != HWACCL_EXIT_EXTERNAL_INTERRUPT && reason != HWACCL_EXIT_HLT &&
                       reason != HWACCL_EXIT_INTERRUPT_WINDOW && reason != HWACCL_EXIT_IO_INSTRUCTION;
        default: return true;
        }
}

static bool write_lost(const struct kvm_event *event, struct lane *lane)
{
        char text[80];
        int length = snprintf(text, sizeof(text),
                              "the kernel had no room for %" PRIu64 " events: exits are missing here", event->value[0]);

        return lane_mark(lane, text, (size_t)length, event->stamp);
}

/* Entry and exit are in the exit's record. */
static bool write_events(const struct exit_item *item, struct lane *lane)
{
        for (size_t i = 0; i < item->count; i++) {
                const struct kvm_event *event = &item->event[i];
                if (event->kind == KERNEL_EVENT_ENTRY || event->kind == KERNEL_EVENT_EXIT ||
                    event->kind == KERNEL_EVENT_USERSPACE_EXIT)
                        continue;
                const struct lane_kernel_event what = {event->kind, event->thread, event->known, event->value};
                if ((event->kind == KERNEL_EVENT_LOST && !write_lost(event, lane)) ||
                    !lane_kernel_event(lane, &what, event->stamp))
                        return false;
        }
        return true;
}

/* The data of an access to a port that the kernel has handled. */
static bool write_port(const struct kvm_event *event, struct lane *lane)
{
        const uint64_t size = event->value[2];
        const bool write = event->value[0] != 0;

        if ((event->known & 0x1f) != 0x1f || event->value[3] != 1 || (size != 1 && size != 2 && size != 4))
                return true;
        const struct hwaccl_input input = {HWACCL_INPUT_PORT_WRITE, event->value[1], size,
                                           (const uint8_t *)&event->value[4], (uint32_t)size};
        const struct hwaccl_effect effect = {HWACCL_EFFECT_PORT_READ, event->value[1], size,
                                             (const uint8_t *)&event->value[4], (uint32_t)size};
        return write ? lane_input(lane, &input) : lane_effect(lane, &effect);
}

static bool write_mmio(const struct kvm_event *event, struct lane *lane)
{
        enum { UNSATISFIED_READ, READ, WRITE };
        const uint64_t size = event->value[1];

        if ((event->known & 0xf) != 0xf || size < 1 || size > 8)
                return true;
        const struct hwaccl_input input = {HWACCL_INPUT_MMIO_WRITE, event->value[2], 0,
                                           (const uint8_t *)&event->value[3], (uint32_t)size};
        const struct hwaccl_effect effect = {HWACCL_EFFECT_MMIO_READ, event->value[2], 0,
                                             (const uint8_t *)&event->value[3], (uint32_t)size};
        if (event->value[0] == WRITE)
                return lane_input(lane, &input);
        return event->value[0] != READ || lane_effect(lane, &effect);
}

static bool write_accesses(const struct exit_item *item, struct lane *lane)
{
        for (size_t i = 0; i < item->count; i++)
                if ((item->event[i].kind == KERNEL_EVENT_PORT && !write_port(&item->event[i], lane)) ||
                    (item->event[i].kind == KERNEL_EVENT_MMIO && !write_mmio(&item->event[i], lane)))
                        return false;
        return true;
}

static bool write_kernel_exit(const struct exit_item *item, struct lane *lane)
{
        const struct kvm_event *exit = item->exit;
        const bool has_event =
                exit->known >> EXIT_EVENT_INTERRUPT_INFORMATION & 1 && exit->known >> EXIT_EVENT_ERROR_CODE & 1;
        const struct ring_kernel_exit what = {
                .record = {.extra = (uint8_t)((has_event ? RING_KERNEL_EXIT_EVENT : 0) |
                                              (exit_item_reached_user(item) ? RING_KERNEL_EXIT_USER : 0))},
                .isa = (uint32_t)exit->value[EXIT_EVENT_ISA],
                .code = (uint32_t)exit->value[EXIT_EVENT_CODE],
                .info1 = exit->value[EXIT_EVENT_INFO1],
                .info2 = exit->value[EXIT_EVENT_INFO2],
                .interrupt_information = (uint32_t)exit->value[EXIT_EVENT_INTERRUPT_INFORMATION],
                .error_code = (uint32_t)exit->value[EXIT_EVENT_ERROR_CODE],
        };

        return lane_kernel_exit(lane, &what);
}

bool exit_item_write_details(const struct exit_item *item, struct lane *lane)
{
        return (!item->exit || write_kernel_exit(item, lane)) && write_events(item, lane);
}

static unsigned outcome_of(uint64_t reason)
{
        if (reason == UINT64_MAX)
                return RING_OUTCOME_UNKNOWN;
        if (reason == HWACCL_EXIT_HLT)
                return HWACCL_OUTCOME_HALTED;
        return hwaccl_exit_reason_verdict(reason) == HWACCL_VERDICT_RESUME ? HWACCL_OUTCOME_RESUMED
                                                                           : HWACCL_OUTCOME_COMPLETED;
}

static void find_address(const struct exit_item *item, struct hwaccl_trace_state *state)
{
        uint64_t address;

        for (size_t i = 0; i < item->count; i++)
                if (vendor_exit_address(state->values.exit_reason, &item->event[i], &address)) {
                        hwaccl_trace_put(state, guest_physical_address, address);
                        return;
                }
}

bool exit_item_open(const struct exit_item *item, struct lane *lane)
{
        struct hwaccl_trace_state state;

        if (!item->exit)
                return write_events(item, lane);
        vendor_exit_state(&state, item->exit);
        if (!hwaccl_trace_is_known(&state, HWACCL_FIELD_INDEX_guest_physical_address))
                find_address(item, &state);
        const struct hwaccl_known_fields known = hwaccl_known_fields_of_words(state.known);
        bool good = lane_entry(lane, (struct hwaccl_known_state){NULL, NULL});
        lane->entry_stamp = item->entry ? item->entry->stamp : item->exit->stamp;
        return good && lane_exit(lane, (struct hwaccl_known_state){&state.values, &known}, NULL, item->exit->stamp) &&
               write_accesses(item, lane) && exit_item_write_details(item, lane);
}

bool exit_item_close(struct lane *lane, uint64_t reason, uint64_t stamp)
{
        bool good = lane_handled(lane, outcome_of(reason), stamp);

        (void)lane_keyframe_due(lane);
        lane_complete(lane);
        return good;
}

bool exit_item_write(const struct exit_item *item, struct lane *lane)
{
        return exit_item_open(item, lane) && (!item->exit || exit_item_close(lane, exit_item_reason(item), item->end));
}
