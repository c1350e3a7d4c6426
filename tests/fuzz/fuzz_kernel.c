/*
 * Formats of trace points and records of a perf ring, as bytes: what is made of them are records that the decoder may
 * take. See tests/fixtures/kernel_file.h.
 */
#include "tests/fixtures/kernel_file.h"
#include "tracer/database/decoder.h"
#include "tracer/kernel/exit_stream.h"
#include "tracer/kernel/perf_record.h"
#include "tracer/ring/record_buffer.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lane_masks masks;

/* The decoder's phase alone: what the order of records depends on. */
static void follow(struct decoder *decoder, const struct ring_record *record)
{
        if (record->type == RING_RECORD_ENTRY)
                decoder->state.phase = DECODER_ENTERED;
        else if (record->type == RING_RECORD_EXIT)
                decoder->state.phase = DECODER_HANDLING;
        else if (record->type == RING_RECORD_HANDLED)
                decoder->state.phase = DECODER_BETWEEN;
}

static void check_records(const struct lane *lane, struct decoder *decoder)
{
        const struct ring_record *record;

        for (uint64_t at = 0; (record = record_buffer_at(&lane->producer, at)) != NULL;
             at += (uint64_t)record->words * 8) {
                const char *problem = ring_record_problem(decoder, record);
                if (problem) {
                        (void)fprintf(stderr, "fuzz_kernel: record type %u: %s\n", record->type, problem);
                        abort();
                }
                follow(decoder, record);
        }
}

static void put_all(struct exit_stream *stream, const struct kvm_formats *formats, const uint8_t *records, size_t size)
{
        struct perf_item item;
        size_t at = 0;

        while (perf_record_next(records, size, &at, &item)) {
                struct kvm_event event = {.kind = KERNEL_EVENT_LOST, .known = 1, .value = {item.lost}};
                if (item.kind == PERF_ITEM_SAMPLE && !kvm_event_decode(formats, item.raw, item.raw_size, &event))
                        continue;
                event.stamp = perf_time_to_tsc(item.time, 1, 1u << 20, 20);
                event.thread = item.thread;
                (void)exit_stream_put(stream, &event);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct kvm_formats formats;
        static struct decoder decoder;
        struct exit_stream stream = {.event = NULL};
        struct record_buffer buffer;
        struct lane lane = {.stopped = false};
        struct exit_item item;

        const uint8_t *records = kernel_file_read(&formats, data, &size);
        put_all(&stream, &formats, records, size);
        memset(&masks, 0, sizeof(masks));
        lane_init(&lane, STAMP_TSC, 16, UINT64_MAX);
        lane.masks = &masks;
        record_buffer_init(&buffer, &lane.producer, UINT64_C(1) << 30);
        while (exit_stream_next(&stream, true, &item)) {
                (void)exit_item_write(&item, &lane);
                exit_stream_drop(&stream, &item);
        }
        memset(&decoder, 0, sizeof(decoder));
        decoder.clock.stamp[1] = UINT64_MAX;
        check_records(&lane, &decoder);
        record_buffer_free(&buffer);
        exit_stream_free(&stream);
        return 0;
}
