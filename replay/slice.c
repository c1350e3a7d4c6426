#include "replay/slice.h"

#include "hwaccl/replay.h"
#include "replay/replay_session.h"
#include "tracer/database/writer_database.h"
#include "tracer/derive/transcript.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct slicing {
        struct hwaccl_recording *recording;
        const struct hwaccl_slice_config *config;
        struct hwaccl_slice_result *result;
        char *made;       /* the slice, until it gets its name */
        uint64_t from_ns; /* host time of its first entry and its last exit */
        uint64_t to_ns;
        uint64_t divergences; /* of the original's replay */
        struct hwaccl_recorded_device_field *device;
        size_t device_count;
        uint8_t *state; /* what they point to */
};

/* The machine's devices, as a snapshot of now would have them. */
static bool take_devices(struct slicing *slicing, struct hwaccl_machine *machine, struct hwaccl_error *error)
{
        size_t count, fields = 0, bytes = 0;
        struct hwaccl_device *const *device = hwaccl_machine_devices(machine, &count);

        for (size_t i = 0; i < count; i++) {
                fields += device[i]->ops->field_count;
                bytes += hwaccl_device_state_size(device[i]);
        }
        slicing->device = calloc(fields + 1, sizeof(*slicing->device));
        uint8_t *state = slicing->state = malloc(bytes + 1);
        if (!slicing->device || !state)
                return hwaccl_error_set(error, "out of memory");
        for (size_t i = 0; i < count; i++) {
                const struct hwaccl_device_ops *ops = device[i]->ops;
                hwaccl_device_save(device[i], state);
                for (size_t f = 0; f < ops->field_count; f++) {
                        const uint32_t size = (uint32_t)ops->fields[f].size;
                        slicing->device[slicing->device_count++] =
                                (struct hwaccl_recorded_device_field){ops->name, ops->fields[f].name, state, size};
                        state += size;
                }
        }
        return true;
}

/* Of hwaccl's own exits: replay up to the first. */
static bool reach(struct slicing *slicing, struct hwaccl_error *error)
{
        const struct hwaccl_slice_config *config = slicing->config;
        struct replay_session *session = replay_session_open(slicing->recording, config->vcpu, error);
        struct hwaccl_machine *machine;

        if (!session)
                return false;
        bool good = replay_session_seek(session, slicing->result->first, error);
        if (good && slicing->result->first > 0) {
                machine = replay_session_machine(session);
                good = machine ? take_devices(slicing, machine, error)
                               : hwaccl_error_set(error, "no state of the devices before exit %" PRIu64,
                                                  slicing->result->first);
        }
        replay_session_close(session);
        return good;
}

/* Another VMM's handler begins where its state was recorded; without any, nothing of it replays. */
static bool find_vmm_state(struct slicing *slicing, uint64_t first, struct hwaccl_error *error)
{
        struct hwaccl_slice_result *result = slicing->result;
        uint64_t start;

        if (hwaccl_recording_vmm_state_before(slicing->recording, slicing->config->vcpu, result->first, &start,
                                              error)) {
                if (start >= first)
                        result->first = start;
                return true;
        }
        return error->message[0] == '\0';
}

static bool replay(struct slicing *slicing, struct hwaccl_recording *recording, struct hwaccl_replay_result *replayed,
                   struct hwaccl_error *error)
{
        const struct hwaccl_replay_config config = {
                .vcpu = slicing->config->vcpu, .first = slicing->result->first, .last = slicing->result->last};

        return hwaccl_replay_run(recording, &config, replayed, error);
}

/* Where the slice begins, and what holds there. */
static bool find_start(struct slicing *slicing, struct hwaccl_error *error)
{
        const struct hwaccl_slice_config *config = slicing->config;
        struct hwaccl_slice_result *result = slicing->result;
        struct hwaccl_replay_result replayed;
        uint64_t first, end;

        if (!hwaccl_recording_range(slicing->recording, config->vcpu, &first, &end, error))
                return false;
        if (config->first < first || config->first >= end || config->last < config->first)
                return hwaccl_error_set(error, "no such exits: the recording has %" PRIu64 " to %" PRIu64, first,
                                        end ? end - 1 : 0);
        result->first = config->first;
        result->last = config->last < end ? config->last : end - 1;
        if (hwaccl_recording_info(slicing->recording)->vmm)
                return find_vmm_state(slicing, first, error);
        if (!reach(slicing, error) || !replay(slicing, slicing->recording, &replayed, error))
                return false;
        result->replays = true;
        slicing->divergences = replayed.divergences;
        return true;
}

static bool time_of(struct slicing *slicing, uint32_t vcpu, uint64_t number, uint64_t *entry, uint64_t *left,
                    struct hwaccl_error *error)
{
        struct hwaccl_exit_cursor *cursor = hwaccl_exit_cursor_open(slicing->recording, vcpu, number, error);
        const struct hwaccl_recorded_exit *exit;
        int found = cursor ? hwaccl_exit_cursor_next(cursor, &exit, error) : -1;

        if (found == 1) {
                *entry = exit->entry_time_ns;
                *left = exit->entry_time_ns + exit->guest_ns + exit->handler_ns;
        } else if (found == 0) {
                (void)hwaccl_error_set(error, "exit %" PRIu64 " of vCPU %" PRIu32 " is missing", number, vcpu);
        }
        hwaccl_exit_cursor_close(cursor);
        return found == 1;
}

/* The first exit of another vCPU that was entered at @time or later; entries are in the order of time. */
static bool first_at(struct slicing *slicing, uint32_t vcpu, uint64_t first, uint64_t end, uint64_t time,
                     uint64_t *number, struct hwaccl_error *error)
{
        while (first < end) {
                const uint64_t middle = first + (end - first) / 2;
                uint64_t entry, left;
                if (!time_of(slicing, vcpu, middle, &entry, &left, error))
                        return false;
                if (entry < time)
                        first = middle + 1;
                else
                        end = middle;
        }
        *number = first;
        return true;
}

static bool take_other(struct slicing *slicing, struct transcript *transcript, uint32_t vcpu,
                       struct hwaccl_error *error)
{
        struct transcript_range range = {.vcpu = vcpu};
        uint64_t first, end, behind;

        if (!hwaccl_recording_range(slicing->recording, vcpu, &first, &end, error) ||
            !first_at(slicing, vcpu, first, end, slicing->from_ns, &range.first, error) ||
            !first_at(slicing, vcpu, range.first, end, slicing->to_ns, &behind, error))
                return false;
        slicing->result->exits += behind - range.first;
        range.count = behind - range.first;
        return transcript_take(transcript, &range, error);
}

static bool take_all(struct slicing *slicing, struct transcript *transcript, struct hwaccl_error *error)
{
        const struct hwaccl_recording_info *info = hwaccl_recording_info(slicing->recording);
        const struct hwaccl_slice_result *result = slicing->result;
        const struct transcript_range range = {
                .vcpu = slicing->config->vcpu,
                .first = result->first,
                .count = result->last - result->first + 1,
                .device = slicing->device,
                .device_count = slicing->device_count,
        };
        uint64_t ignored;

        if (!time_of(slicing, range.vcpu, result->first, &slicing->from_ns, &ignored, error) ||
            !time_of(slicing, range.vcpu, result->last, &ignored, &slicing->to_ns, error))
                return false;
        slicing->result->exits = range.count;
        for (uint32_t i = 0; i < info->vcpu_count; i++) {
                const uint32_t vcpu = hwaccl_recording_vcpu_number(slicing->recording, i);
                if (!(vcpu == range.vcpu ? transcript_take(transcript, &range, error)
                                         : take_other(slicing, transcript, vcpu, error)))
                        return false;
        }
        return true;
}

static bool make(struct slicing *slicing, struct hwaccl_error *error)
{
        const struct hwaccl_slice_result *result = slicing->result;
        char text[4096];
        struct transcript *transcript =
                transcript_create(slicing->recording, slicing->made, slicing->config->mode, error);

        if (!transcript)
                return false;
        (void)snprintf(text, sizeof(text), "exits %" PRIu64 " to %" PRIu64 " of vCPU %" PRIu32 " of %s", result->first,
                       result->last, slicing->config->vcpu, slicing->config->name);
        if (transcript_option(transcript, HWACCL_OPTION_SLICE, text, error) && take_all(slicing, transcript, error))
                return transcript_finish(transcript, error);
        transcript_abandon(transcript);
        return false;
}

/* What was written is what was meant. */
static bool verify(struct slicing *slicing, struct hwaccl_error *error)
{
        struct hwaccl_recording *slice = hwaccl_recording_open(slicing->made, error);
        struct hwaccl_replay_result replayed;

        if (!slice)
                return false;
        bool good = !slicing->result->replays || replay(slicing, slice, &replayed, error);
        if (good && slicing->result->replays && replayed.divergences != slicing->divergences)
                good = hwaccl_error_set(error,
                                        "the slice replays with %" PRIu64 " divergences, the original with %" PRIu64
                                        " (first at exit %" PRIu64 "): the recording does not hold all that its "
                                        "handling depends on",
                                        replayed.divergences, slicing->divergences, replayed.first_divergence);
        slicing->result->divergences = slicing->divergences;
        hwaccl_recording_close(slice);
        return good;
}

bool hwaccl_slice_run(struct hwaccl_recording *recording, const struct hwaccl_slice_config *config,
                      struct hwaccl_slice_result *result, struct hwaccl_error *error)
{
        struct slicing slicing = {.recording = recording, .config = config, .result = result};
        bool good;

        memset(result, 0, sizeof(*result));
        if (!config->force && access(config->output, F_OK) == 0)
                return hwaccl_error_set(error, "%s: already exists; use --force to replace it", config->output);
        if (asprintf(&slicing.made, "%s.slice-%ld", config->output, (long)getpid()) < 0)
                return hwaccl_error_set(error, "out of memory");
        good = find_start(&slicing, error) && make(&slicing, error);
        if (good &&
            !(verify(&slicing, error) && writer_database_place(slicing.made, config->output, config->force, error))) {
                writer_database_remove(slicing.made);
                good = false;
        }
        free(slicing.device);
        free(slicing.state);
        free(slicing.made);
        return good;
}
