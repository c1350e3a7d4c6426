/*
 * A flight recorder that died left its window in segments, the newest records in the ring, and everything else in a
 * frame. The recording is assembled from the three under a temporary name, and renamed after syncing. All of
 * them are untrusted.
 */
#include "tracer/recover/recover_internal.h"

#include "core/host/file.h"
#include "hwaccl/recording.h"
#include "tracer/database/writer_database.h"
#include "tracer/record/flight/flight_files.h"
#include "tracer/ring/exit_id.h"
#include "tracer/ring/steps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_SIZE_MAX (UINT64_C(4) << 30)
#define COPY_SIZE        65536

struct segment {
        char name[24];
        unsigned lane;
        uint64_t number;
        uint64_t position;
        uint64_t bytes;
        uint64_t first; /* exit */
};

struct window {
        struct recovery *recovery;
        char *directory;
        char *made; /* temporary path of the recording */
        int fd;     /* of the directory */
        struct segment *segment;
        size_t count;
};

static char *beside(const struct recovery *recovery, const char *suffix)
{
        char *name = NULL;

        return asprintf(&name, "%s%s", recovery->database, suffix) < 0 ? NULL : name;
}

bool recovery_has_window(const struct recovery *recovery)
{
        char *directory = beside(recovery, FLIGHT_SUFFIX);
        struct stat status;
        bool there = directory && lstat(directory, &status) == 0 && S_ISDIR(status.st_mode);

        free(directory);
        return there;
}

static bool refuse(const struct window *window, const char *name, const char *what, struct hwaccl_error *error)
{
        return hwaccl_error_set(error, "%s/%s: %s", window->directory, name, what);
}

/* Its reader; of the first one for a lane that there is not. */
static unsigned lane_of(const struct recovery *recovery, const struct flight_header *header)
{
        unsigned lane = 0;

        while (lane < recovery->lane_count && recovery->reader[lane].header.vcpu != header->vcpu)
                lane++;
        return lane < recovery->lane_count ? lane : 0;
}

/* Check that the segment belongs to this run (same recorder as the ring). */
static const char *header_problem(const struct window *window, const struct flight_header *header)
{
        const struct recovery *recovery = window->recovery;
        const struct ring_reader *reader = &recovery->reader[lane_of(recovery, header)];

        if (memcmp(header->magic, FLIGHT_MAGIC, sizeof(header->magic)) != 0 || header->version < FLIGHT_VERSION_MIN ||
            header->version > FLIGHT_VERSION)
                return "not a segment of this version";
        if (header->vcpu != reader->header.vcpu || header->stamp_origin != reader->header.stamp_origin ||
            header->stamp_kind != reader->header.stamp_kind ||
            header->keyframe_interval != reader->header.keyframe_interval)
                return "belongs to another ring";
        if (header->position & 7 || header->position > reader->head || header->first > EXIT_NUMBER_MAX ||
            header->stamp_khz > STAMP_KHZ_MAX)
                return "damaged: invalid header";
        return NULL;
}

/* 1: read; 0: the recorder died before completing it; -1: *error is set */
static int read_header(const struct window *window, struct segment *segment, struct hwaccl_error *error)
{
        struct flight_header header;
        struct stat status;
        int fd = openat(window->fd, segment->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        if (fd < 0 || fstat(fd, &status) != 0) {
                (void)refuse(window, segment->name, strerror(errno), error);
                if (fd >= 0)
                        (void)close(fd);
                return -1;
        }
        bool regular = S_ISREG(status.st_mode);
        bool whole = regular && status.st_size >= (off_t)sizeof(header);
        bool good = whole && (uint64_t)status.st_size < SEGMENT_SIZE_MAX &&
                    ring_reader_read(fd, &header, sizeof(header), 0);
        (void)close(fd);
        if (regular && !whole)
                return 0;
        const char *problem = good ? header_problem(window, &header) : "cannot be read";
        if (problem) {
                (void)refuse(window, segment->name, problem, error);
                return -1;
        }
        segment->lane = lane_of(window->recovery, &header);
        segment->position = header.position;
        segment->bytes = ((uint64_t)status.st_size - sizeof(header)) & ~UINT64_C(7);
        segment->first = header.first;
        return 1;
}

static int in_order(const void *a, const void *b)
{
        const struct segment *x = a;
        const struct segment *y = b;

        if (x->lane != y->lane)
                return x->lane < y->lane ? -1 : 1;
        return x->number < y->number ? -1 : x->number > y->number;
}

static bool add_segment(struct window *window, const char *name, struct hwaccl_error *error)
{
        struct segment segment = {.number = strtoull(name, NULL, 10)};

        memcpy(segment.name, name, strnlen(name, sizeof(segment.name) - 1)); /* shorter: flight_is_segment() says so */
        int found = read_header(window, &segment, error);
        if (found <= 0)
                return found == 0;
        struct segment *more = realloc(window->segment, (window->count + 1) * sizeof(*more));
        if (!more)
                return hwaccl_error_set(error, "out of memory");
        window->segment = more;
        more[window->count++] = segment;
        return true;
}

/* Of each vCPU keep the contiguous segments up to the newest; older ones were being evicted. */
static void keep_contiguous(struct window *window)
{
        size_t kept = window->count;

        for (size_t i = window->count; i-- > 0;) {
                const struct segment *segment = &window->segment[i];
                bool newest = kept == window->count || window->segment[kept].lane != segment->lane;
                if (newest || segment->position + segment->bytes == window->segment[kept].position)
                        window->segment[--kept] = *segment;
                else
                        while (i > 0 && window->segment[i - 1].lane == segment->lane)
                                i--;
        }
        window->count -= kept;
        memmove(window->segment, window->segment + kept, window->count * sizeof(*window->segment));
}

static bool find_segments(struct window *window, struct hwaccl_error *error)
{
        int copy = fcntl(window->fd, F_DUPFD_CLOEXEC, 0);
        DIR *files = copy < 0 ? NULL : fdopendir(copy);
        struct dirent *entry;
        bool good = true;

        if (!files) {
                if (copy >= 0)
                        (void)close(copy);
                return hwaccl_error_set(error, "%s: %s", window->directory, strerror(errno));
        }
        while (good && (entry = readdir(files)))
                good = !flight_is_segment(entry->d_name) || add_segment(window, entry->d_name, error);
        (void)closedir(files);
        if (window->count) {
                qsort(window->segment, window->count, sizeof(*window->segment), in_order);
                keep_contiguous(window);
        }
        return good;
}

static bool damaged(struct recovery *recovery, uint64_t position, const char *problem)
{
        recovery->result->damaged_at = position;
        (void)snprintf(recovery->result->damage, sizeof(recovery->result->damage), "%s", problem);
        return true;
}

/* Only records before the ring's tail: the ring has the others. */
static bool take_records(struct recovery *recovery, const struct segment *segment, const uint8_t *records,
                         struct hwaccl_error *error)
{
        uint64_t tail = recovery->reader[segment->lane].tail;
        uint64_t end = segment->position + segment->bytes;
        uint64_t position = segment->position;

        if (end > tail)
                end = tail;
        while (position < end) {
                const struct ring_record *record =
                        (const struct ring_record *)(const void *)(records + (position - segment->position));
                if (record->mark != ring_mark(position) || record->words == 0 ||
                    (uint64_t)record->words * 8 > end - position)
                        return damaged(recovery, position, "a record without a valid mark");
                const char *problem = ring_record_problem(&recovery->decoder, record);
                if (problem)
                        return damaged(recovery, position, problem);
                if (!decoder_take(&recovery->decoder, record, error))
                        return false;
                position += (uint64_t)record->words * 8;
                STEP("recovery decoded");
        }
        return true;
}

static bool take_segment(struct window *window, const struct segment *segment, struct hwaccl_error *error)
{
        uint8_t *records = malloc(segment->bytes + 1);
        int fd = openat(window->fd, segment->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        bool good = records && fd >= 0;

        if (!records)
                hwaccl_error_set(error, "out of memory");
        else if (fd < 0)
                (void)refuse(window, segment->name, strerror(errno), error);
        else if (!ring_reader_read(fd, records, segment->bytes, FLIGHT_HEADER_SIZE))
                good = refuse(window, segment->name, "cannot be read", error);
        if (good)
                good = take_records(window->recovery, segment, records, error);
        if (fd >= 0)
                (void)close(fd);
        free(records);
        return good;
}

static void start_clock(struct window *window, const struct ring_header *header)
{
        struct stamp_clock *clock = &window->recovery->decoder.clock;

        clock->kind = (enum stamp_kind)header->stamp_kind;
        clock->origin_stamp = clock->stamp[0] = clock->stamp[1] = clock->latest_stamp = header->stamp_origin;
        stamp_clock_resume(clock, header->stamp_khz); /* a segment's is older */
}

/* Without the file an older version's recorder died, or this one before it had made it. NULL with *error set. */
static uint8_t *read_kept(const struct window *window, size_t *size, struct hwaccl_error *error)
{
        int fd = openat(window->fd, FLIGHT_KEPT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        struct stat status;
        bool there = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);

        *size = there && (uint64_t)status.st_size <= FLIGHT_KEPT_MAX ? (size_t)status.st_size : 0;
        uint8_t *kept = malloc(*size + 1);
        if (!kept)
                hwaccl_error_set(error, "out of memory");
        else if (*size && !ring_reader_read(fd, kept, *size, 0)) {
                (void)refuse(window, FLIGHT_KEPT, "cannot be read", error);
                free(kept);
                kept = NULL;
        }
        if (fd >= 0)
                (void)close(fd);
        return kept;
}

/* Records that every window has. */
static bool take_kept(struct window *window, struct hwaccl_error *error)
{
        struct decoder *decoder = &window->recovery->decoder;
        size_t size = 0;
        uint8_t *kept = read_kept(window, &size, error);
        bool good = kept != NULL;

        for (size_t at = 0; good && size - at > sizeof(struct flight_kept) + sizeof(struct ring_record);) {
                const struct flight_kept *head = (const struct flight_kept *)(const void *)(kept + at);
                const struct ring_record *record = (const struct ring_record *)(const void *)(head + 1);
                at += sizeof(*head);
                if (head->size != (uint32_t)record->words * 8 || head->size == 0 || head->size > size - at)
                        break; /* the recorder died while it wrote this one: the ring has it too */
                if (head->vcpu == decoder->vcpu && ring_record_is_kept(record) && !ring_record_problem(decoder, record))
                        good = decoder_take(decoder, record, error);
                at += head->size;
        }
        free(kept);
        return good;
}

static bool take_lane(struct window *window, unsigned lane, struct hwaccl_error *error)
{
        struct recovery *recovery = window->recovery;
        struct ring_reader *reader = &recovery->reader[lane];
        const struct segment *segment = window->segment, *end = segment + window->count;

        while (segment < end && segment->lane < lane)
                segment++;
        const struct segment *first = segment < end && segment->lane == lane ? segment : NULL;
        const struct segment *last = first;
        while (last && last + 1 < end && last[1].lane == lane)
                last++;
        if ((last ? last->position + last->bytes : 0) < reader->tail)
                return hwaccl_error_set(error, "%s: the segment before the beginning of the ring is missing",
                                        window->directory);
        decoder_start_at(&recovery->decoder, first ? first->first : 0);
        if (recovery->lane_count > 1 && recovery->reader[0].header.window_begin)
                decoder_cut(&recovery->decoder, recovery->reader[0].header.window_begin);
        for (segment = first; segment && segment <= last && recovery->result->damaged_at == UINT64_MAX; segment++)
                if (!take_segment(window, segment, error))
                        return false;
        return recovery->result->damaged_at != UINT64_MAX ||
               recovery_take_records(recovery, reader, reader->tail, error);
}

static void count(struct recovery *recovery, unsigned lane)
{
        const struct decoder_state *state = &recovery->decoder.state;
        struct hwaccl_recovery *result = recovery->result;
        uint64_t completed = recovery->reader[lane].header.completed;
        bool unfinished = state->phase == DECODER_HANDLING;
        uint64_t whole = state->exits - unfinished;

        result->unfinished |= unfinished;
        result->exits = result->recovered += state->exits - state->first;
        result->lost += completed > whole ? completed - whole : 0;
}

static bool fill_lane(struct window *window, unsigned lane, struct hwaccl_error *error)
{
        struct recovery *recovery = window->recovery;
        const struct ring_header *header = &recovery->reader[lane].header;
        struct decoder *decoder = &recovery->decoder;
        char identity[24];

        (void)snprintf(identity, sizeof(identity), "%016" PRIx64, header->identity);
        memset(decoder, 0, sizeof(*decoder));
        start_clock(window, header);
        bool good =
                (lane == 0 || writer_database_add(recovery->db, header->vcpu, error)) &&
                decoder_init(decoder, recovery->db, header->vcpu, header->keyframe_interval, error) &&
                (lane == 0 ? decoder_find_devices(decoder, error) : decoder_declare_devices(decoder, NULL, 0, error)) &&
                (lane > 0 || (rows_option(&decoder->rows, FLIGHT_OPTION_RING, identity, error) &&
                              rows_option(&decoder->rows, "flight_recorder_written", "a recovery", error))) &&
                take_kept(window, error) && take_lane(window, lane, error) && decoder_flush(decoder, error);
        if (good) {
                count(recovery, lane);
                good = recovery_find_stop(recovery, error);
        }
        decoder_finish(decoder);
        return good;
}

static bool fill(struct window *window, struct hwaccl_error *error)
{
        struct recovery *recovery = window->recovery;
        bool known = false;

        for (unsigned i = 0; i < recovery->lane_count; i++)
                if (!fill_lane(window, i, error))
                        return false;
        return recovery_find_end(recovery, &known, error) && recovery_write_status(recovery, known, error);
}

/* The frame becomes the recording. Open it with the reader first: it rejects other files. */
static bool copy_frame(struct window *window, struct hwaccl_error *error)
{
        uint8_t buffer[COPY_SIZE];
        char *frame = NULL;
        ssize_t got = -1;

        if (asprintf(&frame, "%s/" FLIGHT_FRAME, window->directory) < 0)
                return hwaccl_error_set(error, "out of memory");
        struct hwaccl_recording *recording = hwaccl_recording_open(frame, error);
        hwaccl_recording_close(recording);
        int from = recording ? open(frame, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
        /* the recorder was given the permissions (--mode) */
        struct stat status;
        int to = from < 0 || fstat(from, &status) != 0
                         ? -1
                         : hwaccl_file_create(AT_FDCWD, window->made, O_WRONLY | O_EXCL, status.st_mode & 0666);
        bool good = to >= 0;
        STEP("recovery of a window begun");
        while (good && (got = read(from, buffer, sizeof(buffer))) > 0)
                good = write(to, buffer, (size_t)got) == got;
        good = good && got == 0;
        if (!good && recording)
                hwaccl_error_set(error, "%s: cannot copy to %s: %s", frame, window->made, strerror(errno));
        if (from >= 0)
                (void)close(from);
        if (to >= 0 && close(to) != 0 && good)
                good = hwaccl_error_set(error, "%s: %s", window->made, strerror(errno));
        free(frame);
        return good;
}

static void remove_made(const struct window *window)
{
        static const char *const suffix[] = {"", "-journal", "-wal", "-shm"};

        for (size_t i = 0; i < sizeof(suffix) / sizeof(suffix[0]); i++) {
                char *name = NULL;
                if (asprintf(&name, "%s%s", window->made, suffix[i]) >= 0)
                        (void)unlink(name);
                free(name);
        }
}

static bool write_recording(struct window *window, struct hwaccl_error *error)
{
        struct recovery *recovery = window->recovery;

        recovery->db = database_open(window->made, SQLITE_OPEN_READWRITE);
        if (!recovery->db)
                return hwaccl_error_set(error, "%s: cannot open for writing", window->made);
        bool good = database_execute(recovery->db,
                                     "PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; BEGIN IMMEDIATE", error) &&
                    fill(window, error);
        STEP("recovery commits");
        good = good && database_execute(recovery->db, "COMMIT", error) && database_leave_log(recovery->db, error);
        (void)sqlite3_close(recovery->db);
        recovery->db = NULL;
        STEP("recovery closed");
        good = good && writer_database_place(window->made, recovery->database, false, error);
        STEP("recovery of a window named");
        return good;
}

/* Sync the rename before the sources are removed. */
static bool sync_name(const struct recovery *recovery, struct hwaccl_error *error)
{
        char *copy = strdup(recovery->database);
        char *slash = copy ? strrchr(copy, '/') : NULL;

        if (!copy)
                return hwaccl_error_set(error, "out of memory");
        if (slash)
                slash[slash == copy] = 0;
        int fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        bool good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
        if (!good)
                hwaccl_error_set(error, "%s: cannot sync: %s", slash ? copy : ".", strerror(errno));
        if (fd >= 0)
                (void)close(fd);
        free(copy);
        return good;
}

/* The recording exists: it is of this run (its recorder or a recovery died after writing it), or belongs to another
 * run.
 */
static bool take_as_done(struct window *window, struct hwaccl_error *error)
{
        struct recovery *recovery = window->recovery;
        struct hwaccl_recording *recording = hwaccl_recording_open(recovery->database, error);
        char identity[24];
        const char *ring;

        if (!recording)
                return false;
        if (!hwaccl_recording_option(recording, FLIGHT_OPTION_RING, &ring, error)) {
                hwaccl_recording_close(recording);
                return false;
        }
        (void)snprintf(identity, sizeof(identity), "%016" PRIx64, recovery->reader[0].header.identity);
        bool same = ring && strcmp(ring, identity) == 0;
        recovery->result->exits = hwaccl_recording_info(recording)->exit_count;
        recovery->result->complete = hwaccl_recording_info(recording)->status == HWACCL_RECORDING_COMPLETE;
        recovery->result->outcome = HWACCL_RECOVERY_NOTHING;
        hwaccl_recording_close(recording);
        return same || hwaccl_error_set(error, "%s: belongs to another run; move it away to recover the window in %s",
                                        recovery->database, window->directory);
}

/* The rings of other vCPUs; the recorder may have died after it made one, and before it used it. */
static bool open_lanes(struct recovery *recovery, struct hwaccl_error *error)
{
        const struct ring_header *first = &recovery->reader[0].header;
        bool more = true;

        recovery->lane_count = 1;
        while (more && recovery->lane_count < RECOVERY_LANE_MAX) {
                unsigned lane = recovery->lane_count;
                if (!recovery_open_ring(recovery, lane, &more, error))
                        return false;
                const struct ring_header *header = &recovery->reader[lane].header;
                if (!more || recovery->reader[lane].head == 0)
                        return true;
                if (header->stamp_origin != first->stamp_origin || header->stamp_kind != first->stamp_kind)
                        return hwaccl_error_set(error, "%s: belongs to another recording", recovery->reader[lane].path);
                recovery->lane_count++;
        }
        return true;
}

static bool make_recording(struct window *window, struct hwaccl_error *error)
{
        struct recovery *recovery = window->recovery;
        struct stat status;

        if (lstat(recovery->database, &status) == 0)
                return take_as_done(window, error);
        if (!open_lanes(recovery, error))
                return false;
        if (recovery->reader[0].head == 0 && recovery->lane_count == 1) {
                recovery->result->outcome = HWACCL_RECOVERY_NO_EXITS;
                return true;
        }
        remove_made(window);
        if (find_segments(window, error) && copy_frame(window, error) && write_recording(window, error))
                return sync_name(recovery, error);
        remove_made(window);
        return false;
}

bool recovery_of_window(struct recovery *recovery, struct hwaccl_error *error)
{
        struct window window = {.recovery = recovery, .fd = -1};

        window.directory = beside(recovery, FLIGHT_SUFFIX);
        window.made = beside(recovery, FLIGHT_SUFFIX "/" FLIGHT_NEW);
        bool good = window.directory && window.made;
        if (!good)
                hwaccl_error_set(error, "out of memory");
        else if ((window.fd = open(window.directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
                good = hwaccl_error_set(error, "%s: %s", window.directory, strerror(errno));
        good = good && make_recording(&window, error);
        if (good)
                remove_made(&window);
        good = good && flight_directory_remove(window.directory, error);
        STEP("recovery of a window done");
        if (window.fd >= 0)
                (void)close(window.fd);
        free(window.segment);
        free(window.made);
        free(window.directory);
        return good;
}
