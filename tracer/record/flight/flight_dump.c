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

/* *beyond: the first event after @dump's last one was there. */
static bool take_segment(struct flight *flight, struct decoder *decoder, const struct flight_segment *segment,
                         uint64_t end, const struct flight_dump *dump, bool *beyond, struct hwaccl_error *error)
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
                else if (dump->last && ring_record_order(record) > dump->last)
                        *beyond = true;
                else
                        good = decoder_take(decoder, record, error);
                if (*beyond)
                        break;
                if (good)
                        position += (uint64_t)record->words * 8;
                if (good && count % ABSORB_INTERVAL == 0)
                        good = flight_absorb(flight) || hwaccl_error_set(error, "%s", flight->error.message);
        }
        if (records)
                flight_segment_unmap(records, mapped);
        return good;
}

/* Copies the description of each segment: while the rings are absorbed the list grows at its end and loses dumped
 * segments. */
static bool take_segments(struct flight *flight, struct flight_lane *lane, struct decoder *decoder,
                          const struct flight_dump *dump, struct hwaccl_error *error)
{
        bool beyond = false;
        uint64_t next = lane->segment_count ? lane->segment[0].position : lane->dump_end;

        if (lane->segment_count)
                decoder_start_at(decoder, lane->segment[0].first);
        while (next < lane->dump_end && !beyond) {
                size_t i = 0;
                while (lane->segment[i].position != next)
                        i++;
                struct flight_segment segment = lane->segment[i];
                lane->dumped = next;
                if (!take_segment(flight, decoder, &segment, lane->dump_end, dump, &beyond, error))
                        return false;
                next += segment.bytes;
        }
        lane->dumped = UINT64_MAX;
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
        bool good = writer_database_fill(db, &head, error);

        for (unsigned i = 1; good && i < flight->lane_count; i++)
                good = writer_database_add(db, flight->lane[i].vcpu, error);
        return good;
}

static bool fill_options(const struct flight *flight, struct decoder *decoder, const struct flight_dump *dump,
                         struct hwaccl_error *error)
{
        char identity[24];

        (void)snprintf(identity, sizeof(identity), "%016" PRIx64, flight->lane[0].ring->header->identity);
        return add_option(decoder, "flight_recorder", flight->window_text, error) &&
               add_option(decoder, "flight_recorder_written", dump->reason, error) &&
               add_option(decoder, FLIGHT_OPTION_RING, identity, error);
}

/* @cut: of the moment at which the dump began */
static bool fill_lane(struct flight *flight, unsigned index, sqlite3 *db, uint64_t cut, const struct flight_dump *dump,
                      struct hwaccl_error *error)
{
        const struct hwaccl_recorder_config *config = &flight->config;
        struct flight_lane *lane = &flight->lane[index];
        struct decoder *decoder = aligned_alloc(64, (sizeof(*decoder) + 63) & ~(size_t)63);

        if (!decoder)
                return hwaccl_error_set(error, "out of memory");
        memset(decoder, 0, sizeof(*decoder));
        decoder->clock = flight->clock;
        bool good = decoder_init(decoder, db, lane->vcpu, config->keyframe_interval, error) &&
                    decoder_declare_devices(decoder, index ? NULL : config->devices, index ? 0 : config->device_count,
                                            error) &&
                    (index > 0 || fill_options(flight, decoder, dump, error)) &&
                    flight_kept_take(flight, decoder, error);
        if (flight->lane_count > 1 && cut)
                decoder_cut(decoder, cut);
        good = good && take_segments(flight, lane, decoder, dump, error) && decoder_flush(decoder, error);
        decoder_finish(decoder);
        free(decoder);
        return good;
}

static bool fill(struct flight *flight, sqlite3 *db, const struct flight_dump *dump, struct hwaccl_error *error)
{
        const unsigned lanes = flight->lane_count; /* a vCPU that appears meanwhile is not in it */
        const uint64_t cut = flight->cut;

        for (unsigned i = 0; i < lanes; i++) {
                flight->lane[i].dump_end = flight->lane[i].position;
                flight->lane[i].dumped = 0;
        }
        if (!database_execute(db, "BEGIN", error) || !fill_head(flight, db, error))
                return false;
        for (unsigned i = 0; i < lanes; i++)
                if (!fill_lane(flight, i, db, cut, dump, error))
                        return false;
        return database_execute(db, "COMMIT", error);
}

static bool write_window(struct flight *flight, const struct flight_dump *dump, const char *path,
                         struct hwaccl_error *error)
{
        sqlite3 *db = writer_database_create_whole(path, true, flight->config.mode, error);

        if (!db)
                return false;
        stamp_clock_sample(&flight->clock);
        bool good = fill(flight, db, dump, error) &&
                    database_execute(db, "PRAGMA synchronous = FULL", error) && /* all of the file, at the end */
                    writer_database_status(db, dump->how, NULL, true, error) &&
                    writer_database_memory(db, dump->how, error);
        struct hwaccl_error ignored;
        good = writer_database_close(db, good ? error : &ignored) && good;
        if (!good)
                writer_database_remove(path);
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

void flight_last_exit(const struct flight *flight, const struct flight_lane *lane, char *text, size_t room)
{
        uint64_t exits = 0;
        unsigned vcpus = 0;

        for (unsigned i = 0; i < flight->lane_count; i++) {
                exits += flight->lane[i].exits;
                vcpus += flight->lane[i].vcpu < LANE_THREAD_FIRST;
        }
        if (vcpus == 1)
                (void)snprintf(text, room, "exit %" PRIu64, exits ? exits - 1 : 0);
        else if (lane)
                (void)snprintf(text, room, "exit %" PRIu64 " of vCPU %" PRIu32, lane->exits ? lane->exits - 1 : 0,
                               lane->vcpu);
        else
                (void)snprintf(text, room, "the end of %" PRIu64 " exits of %u vCPUs", exits, vcpus);
}

void flight_dump_beside(struct flight *flight, const char *reason, uint64_t last)
{
        static const struct recording_end running = {.end = HWACCL_END_NONE};
        struct hwaccl_error error = {"no free file name for the window"};
        char text[1024], at[96];
        char *path = free_name(flight);
        bool any = flight->newest != 0;
        bool good = false;

        flight_last_exit(flight, NULL, at, sizeof(at));
        if (path) {
                struct flight_dump dump = {path, reason, false, last, &running};
                good = flight_dump(flight, &dump, &error);
        }
        flight->dumping = false;
        (void)flight_segments_trim(flight); /* no segment was evicted during the dump; an error is in flight->error */
        if (good)
                (void)snprintf(text, sizeof(text), "%s: written at %s (%s)", path, at, any ? reason : "no exit yet");
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
