/* Writes the window: passes its segments through the decoder into a new recording. */
#include "tracer/record/flight/flight_internal.h"

#include "hwaccl/event.h"
#include "tracer/database/decoder.h"
#include "tracer/database/writer_database.h"
#include "tracer/ring/steps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBER_MAX 10000u

/* Bytes to decode before the ring is served again during a dump. */
#define ABSORB_INTERVAL 256u /* records */

static bool take_segment(struct flight *flight, struct decoder *decoder, const struct flight_segment *segment,
                         uint64_t end, struct hwaccl_error *error)
{
        uint64_t position = segment->position;
        uint64_t last = position + segment->bytes;
        size_t mapped;
        const uint8_t *records = flight_segment_map(flight, segment, &mapped, error);
        bool good = records != NULL;

        if (last > end)
                last = end;
        for (unsigned count = 1; good && position < last; count++) {
                const struct ring_record *record =
                        (const struct ring_record *)(const void *)(records + (position - segment->position));
                if (record->mark != ring_mark(position) || record->words == 0 ||
                    (uint64_t)record->words * 8 > last - position)
                        good = hwaccl_error_set(error, "%s/%012" PRIu64 ": a torn record at %" PRIu64,
                                                flight->directory, segment->number, position - segment->position);
                else
                        good = decoder_take(decoder, record, error);
                if (good)
                        position += (uint64_t)record->words * 8;
                if (good && count % ABSORB_INTERVAL == 0)
                        good = flight_absorb(flight) || hwaccl_error_set(error, "%s", flight->error.message);
        }
        if (records)
                flight_segment_unmap(records, mapped);
        return good;
}

/* Copies the description of each segment: while the ring is absorbed the list grows at its end and loses dumped
 * segments. */
static bool take_segments(struct flight *flight, struct decoder *decoder, uint64_t end, struct hwaccl_error *error)
{
        if (flight->segment_count == 0)
                return true;
        uint64_t next = flight->segment[0].position;
        decoder_start_at(decoder, flight->segment[0].first);
        while (next < end) {
                size_t i = 0;
                while (flight->segment[i].position != next)
                        i++;
                struct flight_segment segment = flight->segment[i];
                flight->dumped = next;
                if (!take_segment(flight, decoder, &segment, end, error))
                        return false;
                next += segment.bytes;
        }
        return true;
}

static bool add_option(struct decoder *decoder, const char *name, const char *value, struct hwaccl_error *error)
{
        return rows_option(&decoder->rows, name, value, error);
}

static bool fill_head(const struct flight *flight, sqlite3 *db, struct hwaccl_error *error)
{
        const struct hwaccl_recorder_config *config = &flight->config;
        const struct recording_head head = {config->vcpu, 1, config->keyframe_interval, config->options,
                                            config->option_count};

        return writer_database_fill(db, &head, error);
}

static bool fill(struct flight *flight, struct decoder *decoder, sqlite3 *db, const struct flight_dump *dump,
                 struct hwaccl_error *error)
{
        const struct hwaccl_recorder_config *config = &flight->config;
        char identity[24];

        (void)snprintf(identity, sizeof(identity), "%016" PRIx64, flight->ring->header->identity);
        if (!database_execute(db, "BEGIN", error) || !fill_head(flight, db, error) ||
            !decoder_init(decoder, db, config->vcpu, config->keyframe_interval, error) ||
            !decoder_declare_devices(decoder, config->devices, config->device_count, error) ||
            !add_option(decoder, "flight_recorder", flight->window_text, error) ||
            !add_option(decoder, "flight_recorder_written", dump->reason, error) ||
            !add_option(decoder, FLIGHT_OPTION_RING, identity, error))
                return false;
        for (size_t i = 0; i < flight->annotation_count; i++)
                if (!add_option(decoder, flight->annotation[i].name, flight->annotation[i].value, error))
                        return false;
        return take_segments(flight, decoder, dump->end, error) && decoder_flush(decoder, error) &&
               database_execute(db, "COMMIT", error);
}

static bool write_window(struct flight *flight, const struct flight_dump *dump, const char *path,
                         struct hwaccl_error *error)
{
        struct decoder *decoder = aligned_alloc(64, (sizeof(*decoder) + 63) & ~(size_t)63);

        if (!decoder)
                return hwaccl_error_set(error, "out of memory");
        memset(decoder, 0, sizeof(*decoder));
        sqlite3 *db = writer_database_create_whole(path, true, flight->config.mode, error);
        bool good = db != NULL;
        if (good) {
                stamp_clock_sample(&flight->clock);
                decoder->clock = flight->clock;
                good = fill(flight, decoder, db, dump, error) &&
                       database_execute(db, "PRAGMA synchronous = FULL", error) && /* all of the file, at the end */
                       writer_database_status(db, dump->how, NULL, true, error) &&
                       writer_database_memory(db, dump->how, error);
                decoder_finish(decoder);
                struct hwaccl_error ignored;
                good = writer_database_close(db, good ? error : &ignored) && good;
                if (!good)
                        writer_database_remove(path);
        }
        free(decoder);
        return good;
}

/* Written in the window's directory and renamed when complete, so that the final name always is a whole recording. */
bool flight_dump(struct flight *flight, const struct flight_dump *dump, struct hwaccl_error *error)
{
        size_t room = strlen(flight->directory) + sizeof("/" FLIGHT_NEW);
        char *path = malloc(room);

        if (!path)
                return hwaccl_error_set(error, "out of memory");
        (void)snprintf(path, room, "%s/" FLIGHT_NEW, flight->directory);
        STEP("flight window begun");
        bool good = write_window(flight, dump, path, error);
        STEP("flight window made");
        if (good && !writer_database_place(path, dump->path, dump->force, error)) {
                good = false;
                writer_database_remove(path);
        }
        free(path);
        STEP("flight window named");
        return good;
}

/* boot.db, 3: boot-3.db. NULL if out of memory. */
static char *beside(const char *path, unsigned number)
{
        const char *name = strrchr(path, '/');
        const char *dot = strrchr(name ? name : path, '.');
        size_t room = strlen(path) + 16;
        char *text = malloc(room);

        if (!dot || dot == (name ? name + 1 : path))
                dot = path + strlen(path);
        if (text)
                (void)snprintf(text, room, "%.*s-%u%s", (int)(dot - path), path, number, dot);
        return text;
}

static char *free_name(struct flight *flight)
{
        while (flight->dump_number < NUMBER_MAX) {
                char *path = beside(flight->config.path, ++flight->dump_number);
                if (!path || (access(path, F_OK) != 0 && errno == ENOENT))
                        return path;
                free(path);
        }
        return NULL;
}

void flight_dump_beside(struct flight *flight, const char *reason, uint64_t end)
{
        static const struct recording_end running = {.end = HWACCL_END_NONE};
        struct hwaccl_error error = {"no free file name for the window"};
        char text[1024];
        char *path = free_name(flight);
        uint64_t last = flight->exits;
        bool good = false;

        flight->dumping = true;
        if (path) {
                struct flight_dump dump = {path, reason, false, end, &running};
                good = flight_dump(flight, &dump, &error);
        }
        flight->dumping = false;
        (void)flight_segments_trim(flight); /* no segment was evicted during the dump; an error is in flight->error */
        if (good)
                (void)snprintf(text, sizeof(text), "%s: written at exit %" PRIu64 " (%s)", path, last ? last - 1 : 0,
                               last ? reason : "no exit yet");
        else
                (void)snprintf(text, sizeof(text), "cannot write the window (%s): %s", reason, error.message);
        if (flight->notice)
                flight->notice(flight->opaque, text);
        free(path);
}

/* The frame: a recording without exits, with everything that is not in the segments. A recovery in another process
 * needs it. */
bool flight_dump_frame(struct flight *flight, struct hwaccl_error *error)
{
        size_t room = strlen(flight->directory) + sizeof("/" FLIGHT_FRAME);
        char *path = malloc(room);
        struct decoder *decoder = aligned_alloc(64, (sizeof(*decoder) + 63) & ~(size_t)63);
        static const struct recording_end running = {.end = HWACCL_END_NONE};
        bool good = path && decoder;

        if (!good)
                hwaccl_error_set(error, "out of memory");
        if (good) {
                const struct hwaccl_recorder_config *config = &flight->config;
                (void)snprintf(path, room, "%s/" FLIGHT_FRAME, flight->directory);
                memset(decoder, 0, sizeof(*decoder));
                sqlite3 *db = writer_database_create_whole(path, false, config->mode, error);
                good = db != NULL;
                if (good) {
                        good = fill_head(flight, db, error) &&
                               decoder_init(decoder, db, config->vcpu, config->keyframe_interval, error) &&
                               decoder_declare_devices(decoder, config->devices, config->device_count, error) &&
                               add_option(decoder, "flight_recorder", flight->window_text, error);
                        decoder_finish(decoder);
                        good = good && writer_database_status(db, &running, NULL, true, error);
                        struct hwaccl_error ignored;
                        good = writer_database_close(db, good ? error : &ignored) && good;
                }
        }
        free(decoder);
        free(path);
        return good;
}
