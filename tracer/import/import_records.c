/* Events of a trace as the ring's records, checked: the decoder trusts what it is given. */
#include "tracer/import/trace_import.h"

#include "core/host/inputs.h"
#include "core/host/probe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HELD_MAX (64u << 20) /* bytes of one exit */

/* Times run for so long at most: a power of two, so that the decoder's conversion is exact. */
#define TIME_SPAN (UINT64_C(1) << 52)

static void *hold(struct trace_import *import, size_t size, enum ring_record_type type, uint8_t extra,
                  struct hwaccl_error *error)
{
        struct import_held *held = &import->held;
        size_t rounded = (size + 7) & ~(size_t)7;
        size_t wanted = held->size + sizeof(uint64_t) + rounded;

        if (wanted > HELD_MAX) {
                hwaccl_error_set(error, "the events of one exit are larger than %u bytes", HELD_MAX);
                return NULL;
        }
        if (wanted > held->room) {
                size_t room = wanted + wanted / 2 + 4096;
                uint8_t *more = realloc(held->data, room);
                if (!more) {
                        hwaccl_error_set(error, "out of memory");
                        return NULL;
                }
                held->data = more;
                held->room = room;
        }
        uint64_t stored = rounded;
        memcpy(held->data + held->size, &stored, sizeof(stored));
        struct ring_record *record = (struct ring_record *)(void *)(held->data + held->size + sizeof(stored));
        memset(record, 0, rounded);
        record->type = (uint8_t)type;
        record->extra = extra;
        held->size = wanted;
        return record;
}

bool import_feed(struct trace_import *import, bool first_only, struct hwaccl_error *error)
{
        struct import_held *held = &import->held;
        size_t at = 0;

        while (at < held->size) {
                uint64_t size = 0;
                memcpy(&size, held->data + at, sizeof(size));
                const struct ring_record *record =
                        (const struct ring_record *)(const void *)(held->data + at + sizeof(size));
                if (!decoder_take(&import->decoder, record, error))
                        return false;
                at += sizeof(size) + size;
                if (first_only)
                        break;
        }
        held->size = 0;
        return true;
}

static bool check_time(const struct trace_import *import, const char *what, uint64_t time, struct hwaccl_error *error)
{
        uint64_t zero = import->stream->time;

        return (time >= zero && time - zero < TIME_SPAN) ||
               hwaccl_error_set(error, "%s: time %" PRIu64 " is not after %" PRIu64 ", where the recording begins",
                                what, time, zero);
}

static bool check_transfer(const struct trace_transfer *transfer, struct hwaccl_error *error)
{
        return transfer->count == (unsigned)state_delta_count(transfer->bitmap) ||
               hwaccl_error_set(error, "%u words with the bitmap 0x%" PRIx64, transfer->count, transfer->bitmap);
}

bool import_hold_entry(struct trace_import *import, const struct trace_transfer *transfer, struct hwaccl_error *error)
{
        struct ring_entry *record = NULL;
        size_t size = transfer->count * sizeof(uint64_t);

        if (check_transfer(transfer, error))
                record = hold(import, sizeof(*record) + size, RING_RECORD_ENTRY, 0, error);
        if (!record)
                return false;
        record->bitmap = transfer->bitmap;
        memcpy(record->words, transfer->words, size);
        return true;
}

bool import_hold_irq(struct trace_import *import, bool reclaim, const struct trace_irq *irq, struct hwaccl_error *error)
{
        struct ring_stamped *record = NULL;

        if (reclaim && (!import->offered || irq->taken > 1))
                return hwaccl_error_set(error, "no vector was offered, or taken is %u", irq->taken);
        import->offered = !reclaim;
        if (check_time(import, "vector", irq->time, error))
                record = hold(import, sizeof(*record), reclaim ? RING_RECORD_RECLAIM : RING_RECORD_OFFER,
                              reclaim ? irq->taken : irq->vector, error);
        if (!record)
                return false;
        record->stamp = irq->time;
        return true;
}

bool import_hold_exit(struct trace_import *import, const struct trace_transfer *transfer, struct hwaccl_error *error)
{
        const struct trace_vm_exit *left = &import->left;
        size_t words = transfer->count * sizeof(uint64_t);
        size_t pending = left->pending_count * sizeof(uint64_t);
        struct ring_exit *record = NULL;

        if (check_transfer(transfer, error) && check_time(import, "entry", left->entered, error) &&
            check_time(import, "exit", left->left, error))
                record = hold(import, sizeof(*record) + words + pending, RING_RECORD_EXIT, pending != 0, error);
        if (!record)
                return false;
        record->entry_stamp = left->entered;
        record->exit_stamp = left->left;
        record->bitmap = transfer->bitmap;
        memcpy(record->words, transfer->words, words);
        memcpy((uint8_t *)record->words + words, import->pending, pending);
        return true;
}

bool import_hold_value(struct trace_import *import, bool effect, const struct trace_value *value,
                       struct hwaccl_error *error)
{
        unsigned kinds = effect ? HWACCL_EFFECT_KIND_COUNT : HWACCL_INPUT_KIND_COUNT;
        uint32_t limit = effect ? HWACCL_EFFECT_SIZE_MAX : HWACCL_INPUT_SIZE_MAX;

        if (value->kind >= kinds || value->size > limit || value->has_data > 1 || (value->size && !value->has_data))
                return hwaccl_error_set(error, "kind %u with %" PRIu32 " bytes cannot be", value->kind, value->size);
        if (!effect && value->kind == HWACCL_INPUT_CLOCK && value->address == 0 && !value->has_data) {
                struct ring_clock *clock = hold(import, sizeof(*clock), RING_RECORD_CLOCK, 0, error);
                if (clock)
                        clock->value = value->value;
                return clock != NULL;
        }
        struct ring_event *record = hold(import, sizeof(*record) + value->size,
                                         effect ? RING_RECORD_EFFECT : RING_RECORD_INPUT, value->kind, error);
        if (!record)
                return false;
        record->address = value->address;
        record->value = value->value;
        record->size = value->size;
        record->has_data = value->has_data;
        if (value->size)
                memcpy(record->data, value->data, value->size);
        return true;
}

bool import_hold_handled(struct trace_import *import, const struct trace_handled *handled, struct hwaccl_error *error)
{
        bool finished = handled->outcome != TRACE_UNKNOWN;
        bool verdict = handled->verdict != TRACE_UNKNOWN;
        struct ring_handled *record = NULL;

        if ((verdict && handled->verdict >= HWACCL_VERDICT_COUNT) ||
            (finished && (handled->outcome >= HWACCL_OUTCOME_COUNT || !verdict)))
                return hwaccl_error_set(error, "verdict %u and outcome %u cannot be", handled->verdict,
                                        handled->outcome);
        if (check_time(import, "handled", handled->time, error))
                record = hold(import, sizeof(*record), finished ? RING_RECORD_HANDLED : RING_RECORD_UNHANDLED,
                              finished ? handled->outcome : verdict, error);
        if (!record)
                return false;
        record->stamp = handled->time;
        record->verdict = handled->verdict;
        return true;
}

bool import_hold_snapshot(struct trace_import *import, const uint8_t *data, uint32_t size, struct hwaccl_error *error)
{
        struct ring_bytes *record = hold(import, sizeof(*record) + size, RING_RECORD_SNAPSHOT, 0, error);

        if (!record)
                return false;
        record->size = size;
        if (size)
                memcpy(record->data, data, size);
        return true;
}
