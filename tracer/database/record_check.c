/* Records of a ring file that is not trusted: is one what the decoder may take next? */
#include "tracer/database/decoder_internal.h"

#include "core/host/inputs.h"
#include "core/host/probe.h"
#include "tracer/ring/lane.h"

#include <string.h>

static size_t round_up(uint64_t size)
{
        return (size_t)((size + 7) & ~UINT64_C(7));
}

static const char *entry_problem(const struct decoder *decoder, const struct ring_entry *entry, size_t size)
{
        const size_t known =
                entry->record.extra == RING_ENTRY_PARTIAL ? HWACCL_KNOWN_FIELDS_WORDS * sizeof(uint64_t) : 0;

        if (size < sizeof(*entry) || entry->record.extra > RING_ENTRY_UNKNOWN ||
            size != sizeof(*entry) + state_delta_size(entry->bitmap) + known)
                return "a transfer of another length";
        if (decoder->state.phase == DECODER_HANDLING)
                return "an entry while an exit is handled";
        return NULL;
}

static const char *exit_problem(const struct decoder *decoder, const struct ring_exit *exit, size_t size)
{
        const unsigned extra = exit->record.extra;
        const size_t pending = extra & RING_EXIT_PENDING ? 4 * sizeof(uint64_t) : 0;
        const size_t known = extra & RING_EXIT_PARTIAL ? HWACCL_KNOWN_FIELDS_WORDS * sizeof(uint64_t) : 0;
        const size_t sequence = extra & RING_EXIT_SEQUENCE ? sizeof(uint64_t) : 0;

        if (size < sizeof(*exit) || extra > (RING_EXIT_PENDING | RING_EXIT_PARTIAL | RING_EXIT_SEQUENCE) ||
            size != sizeof(*exit) + state_delta_size(exit->bitmap) + pending + known + sequence)
                return "a transfer of another length";
        if (sequence && ((const uint64_t *)(const void *)exit)[size / sizeof(uint64_t) - 1] - 1 >= INT64_MAX)
                return "a number in the sequence that cannot be";
        if (decoder->state.phase != DECODER_ENTERED)
                return "an exit without an entry";
        if (!decoder_stamp_is_good(decoder, exit->entry_stamp) || !decoder_stamp_is_good(decoder, exit->exit_stamp))
                return "a time that cannot be";
        return NULL;
}

static const char *stamped_problem(const struct decoder *decoder, const struct ring_stamped *record, size_t size)
{
        const struct decoder_state *state = &decoder->state;

        if (size != sizeof(*record))
                return "an interrupt of another length";
        if (record->record.type == RING_RECORD_OFFER && state->phase != DECODER_ENTERED)
                return "an offer without an entry";
        if (record->record.type == RING_RECORD_RECLAIM &&
            (state->phase != DECODER_HANDLING || !state->handoff_open || record->record.extra > 1))
                return "the end of an offer that was not made";
        return decoder_stamp_is_good(decoder, record->stamp) ? NULL : "a time that cannot be";
}

static const char *event_problem(const struct decoder *decoder, const struct ring_event *event, size_t size)
{
        bool input = event->record.type == RING_RECORD_INPUT;

        if (size < sizeof(*event) || event->has_data > 1 || (!event->has_data && event->size) ||
            size != sizeof(*event) + round_up(event->size))
                return "an input or effect of another length";
        if (event->record.extra >= (input ? (unsigned)HWACCL_INPUT_KIND_COUNT : (unsigned)HWACCL_EFFECT_KIND_COUNT) ||
            event->size > (input ? HWACCL_INPUT_SIZE_MAX : HWACCL_EFFECT_SIZE_MAX))
                return "an input or effect that there is not";
        return decoder->state.phase == DECODER_HANDLING ? NULL : "an input or effect without an exit";
}

static const char *walk_problem(const struct decoder *decoder, const struct ring_walk *walk, size_t size)
{
        if (size < sizeof(*walk) + sizeof(walk->entry[0]) || (size - sizeof(*walk)) % sizeof(walk->entry[0]) != 0)
                return "a page walk of another length";
        if (walk->record.extra != 4 && walk->record.extra != 8)
                return "a page walk of entries that there are not";
        return decoder->state.phase == DECODER_HANDLING ? NULL : "a page walk without an exit";
}

static const char *fault_problem(const struct decoder *decoder, const struct ring_fault *fault, size_t size)
{
        if (size != sizeof(*fault))
                return "a fault of another length";
        if (fault->record.extra >= HWACCL_FAULT_CHAIN_MAX || !hwaccl_fault_link_is_valid(&fault->link))
                return "a fault that there is not";
        return decoder->state.phase == DECODER_HANDLING ? NULL : "a fault without an exit";
}

static bool verdict_is_good(const struct ring_handled *record)
{
        if (record->record.type == RING_RECORD_UNHANDLED)
                return record->record.extra == 0 ||
                       (record->record.extra == 1 && record->verdict < HWACCL_VERDICT_COUNT);
        return (record->verdict < HWACCL_VERDICT_COUNT || record->verdict == RING_VERDICT_UNKNOWN) &&
               (record->record.extra < HWACCL_OUTCOME_COUNT || record->record.extra == RING_OUTCOME_UNKNOWN);
}

static const char *handled_problem(const struct decoder *decoder, const struct ring_handled *record, size_t size)
{
        if (size != sizeof(*record) || !verdict_is_good(record))
                return "a verdict or outcome that there is not";
        if (decoder->state.phase != DECODER_HANDLING)
                return "an exit's end without the exit";
        return decoder_stamp_is_good(decoder, record->stamp) ? NULL : "a time that cannot be";
}

static const char *mark_problem(const struct decoder *decoder, const struct ring_text *record, size_t size)
{
        if (size < sizeof(*record) || record->size > size - sizeof(*record) ||
            size != sizeof(*record) + round_up(record->size))
                return "a mark of another length";
        return decoder_stamp_is_good(decoder, record->stamp) ? NULL : "a time that cannot be";
}

static const char *thread_time_problem(const struct decoder *decoder, const struct ring_thread_time *record,
                                       size_t size)
{
        const unsigned moment = record->record.extra;
        bool waits = moment == RING_THREAD_WAIT || moment == RING_THREAD_RESUMED;

        if (size != sizeof(*record) || moment > RING_THREAD_END || record->cpu > INT64_MAX / 4)
                return "a thread's time that there is not";
        if (waits != (decoder->state.phase == DECODER_HANDLING))
                return "a thread's time in the wrong place";
        return decoder_stamp_is_good(decoder, record->stamp) ? NULL : "a time that cannot be";
}

static const char *snapshot_problem(const struct decoder *decoder, const struct ring_bytes *record, size_t size)
{
        if (size < sizeof(*record) || record->size != decoder->device_bytes || record->record.extra > 1 ||
            size != sizeof(*record) + round_up(record->size))
                return "a snapshot of another length";
        const struct decoder_state *state = &decoder->state;
        if (record->record.extra)
                return state->phase != DECODER_HANDLING ? NULL : "the end in the middle of an exit";
        bool after_exit = state->row_open || (state->first > 0 && state->exits == state->first);
        return state->phase == DECODER_BETWEEN && after_exit ? NULL : "a snapshot without an exit";
}

static const char *kvm_run_problem(const struct decoder *decoder, const struct ring_kvm_run *record, size_t size)
{
        if (size != sizeof(*record))
                return "fields of kvm_run of another length";
        if (record->run.reserved)
                return "fields of kvm_run that there are not";
        return decoder->state.phase == DECODER_HANDLING ? NULL : "fields of kvm_run without an exit";
}

static const char *vmm_state_problem(const struct decoder *decoder, const struct ring_vmm_state *record, size_t size)
{
        const size_t name_size = record->record.extra;

        if (size < sizeof(*record) || record->size < 1 || record->size > RING_VMM_STATE_PIECE || record->total < 1 ||
            record->total > LANE_VMM_STATE_MAX || record->piece > LANE_VMM_STATE_MAX ||
            size != sizeof(*record) + round_up(name_size + record->size))
                return "a VMM's state of another length";
        if (name_size < 1 || name_size > LANE_VMM_STATE_NAME_MAX || memchr(record->data, 0, name_size))
                return "a VMM's state without a name";
        return decoder->state.phase == DECODER_BETWEEN ? NULL : "a VMM's state in the middle of an exit";
}

static const char *kernel_exit_problem(const struct decoder *decoder, const struct ring_kernel_exit *record,
                                       size_t size)
{
        if (size != sizeof(*record) || record->record.extra > (RING_KERNEL_EXIT_EVENT | RING_KERNEL_EXIT_USER))
                return "a kernel's exit of another length";
        return decoder->state.phase == DECODER_HANDLING ? NULL : "a kernel's exit without an exit";
}

static const char *kernel_event_problem(const struct decoder *decoder, const struct ring_kernel_event *record,
                                        size_t size)
{
        const unsigned kind = record->record.extra;

        if (size < sizeof(*record) || kind >= KERNEL_EVENT_COUNT || record->known >> kernel_event_values(kind) ||
            size != sizeof(*record) + sizeof(uint64_t) * (size_t)__builtin_popcount(record->known))
                return "a kernel's event of another length";
        return decoder_stamp_is_good(decoder, record->stamp) ? NULL : "a time that cannot be";
}

/* Two texts, each with its terminating zero. */
static const char *annotation_problem(const struct ring_bytes *record, size_t size)
{
        if (size < sizeof(*record) || record->size > size - sizeof(*record) ||
            size != sizeof(*record) + round_up(record->size))
                return "a text of another length";
        const uint8_t *end = record->data + record->size;
        const uint8_t *name_end = memchr(record->data, 0, (size_t)record->size);
        const uint8_t *value_end = name_end ? memchr(name_end + 1, 0, (size_t)(end - name_end - 1)) : NULL;

        return value_end && value_end + 1 == end ? NULL : "texts without an end";
}

static bool of_any_thread(unsigned type)
{
        return (type >= RING_RECORD_LANE && type <= RING_RECORD_CALLED) || type == RING_RECORD_KERNEL_EVENT ||
               type == RING_RECORD_ANNOTATION || type == RING_RECORD_MARK;
}

const char *ring_record_problem(const struct decoder *decoder, const struct ring_record *record)
{
        const void *body = record;
        size_t size = (size_t)record->words * 8;

        if (decoder->vcpu >= LANE_THREAD_FIRST && !of_any_thread(record->type))
                return "an exit of a thread that runs no vCPU";
        switch ((enum ring_record_type)record->type) {
        case RING_RECORD_ENTRY: return entry_problem(decoder, body, size);
        case RING_RECORD_EXIT: return exit_problem(decoder, body, size);
        case RING_RECORD_OFFER:
        case RING_RECORD_RECLAIM: return stamped_problem(decoder, body, size);
        case RING_RECORD_CLOCK:
                if (size != sizeof(struct ring_clock))
                        return "a clock of another length";
                return decoder->state.phase == DECODER_HANDLING ? NULL : "a clock without an exit";
        case RING_RECORD_INPUT:
        case RING_RECORD_EFFECT: return event_problem(decoder, body, size);
        case RING_RECORD_WALK: return walk_problem(decoder, body, size);
        case RING_RECORD_FAULT: return fault_problem(decoder, body, size);
        case RING_RECORD_HANDLED:
        case RING_RECORD_UNHANDLED: return handled_problem(decoder, body, size);
        case RING_RECORD_SNAPSHOT: return snapshot_problem(decoder, body, size);
        case RING_RECORD_ANNOTATION: return annotation_problem(body, size);
        case RING_RECORD_MARK: return mark_problem(decoder, body, size);
        case RING_RECORD_THREAD_TIME: return thread_time_problem(decoder, body, size);
        case RING_RECORD_KVM_RUN: return kvm_run_problem(decoder, body, size);
        case RING_RECORD_VMM_STATE: return vmm_state_problem(decoder, body, size);
        case RING_RECORD_LANE:
        case RING_RECORD_CALL:
        case RING_RECORD_CALL_DATA:
        case RING_RECORD_CALLED: return decoder_call_problem(decoder, record, size);
        case RING_RECORD_KERNEL_EXIT: return kernel_exit_problem(decoder, body, size);
        case RING_RECORD_KERNEL_EVENT: return kernel_event_problem(decoder, body, size);
        }
        return "a record of unknown type";
}
