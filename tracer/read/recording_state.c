/* The state at one exit of a recording. The statements are kept, and the states of the exit asked for last. */
#include "tracer/read/state_reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct state_lookup {
        struct state_reader reader;
        int64_t id; /* the exit whose states the reader has; -1: none */
};

static struct state_lookup *create_lookup(struct hwaccl_recording *recording, struct hwaccl_error *error)
{
        struct state_lookup *lookup = aligned_alloc(_Alignof(struct state_lookup), sizeof(*lookup));

        if (!lookup) {
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        memset(lookup, 0, sizeof(*lookup));
        lookup->id = -1;
        if (state_reader_prepare(&lookup->reader, recording, error))
                return lookup;
        state_lookup_destroy(lookup);
        return NULL;
}

void state_lookup_destroy(struct state_lookup *lookup)
{
        if (!lookup)
                return;
        state_reader_close(&lookup->reader);
        free(lookup);
}

static bool load(struct state_lookup *lookup, int64_t id, struct hwaccl_error *error)
{
        struct state_reader *reader = &lookup->reader;

        lookup->id = -1;
        int found = state_reader_seek(reader, id, error) ? state_reader_next(reader, error) : -1;
        bool good = found > 0 && state_reader_complete(reader, error);
        if (found == 0) /* deleted since the recording was opened */
                recording_error(reader->recording, error, "exit %" PRIu64 " is missing", exit_number(id));
        state_reader_rest(reader);
        if (good)
                lookup->id = id;
        return good;
}

bool hwaccl_recording_state(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t exit, enum hwaccl_moment moment,
                            struct hwaccl_subject_state *state, struct hwaccl_known_fields *known,
                            struct hwaccl_error *error)
{
        const struct recorded_vcpu *found = recording_vcpu(recording, vcpu, error);

        if (!found || !recording_has_exit(recording, found, exit, error))
                return false;
        if (!recording->lookup)
                recording->lookup = create_lookup(recording, error);
        struct state_lookup *lookup = recording->lookup;
        const int64_t id = exit_id(vcpu, exit);
        if (!lookup || (lookup->id != id && !load(lookup, id, error)))
                return false;

        const struct state_place *at = &lookup->reader.at;
        switch (moment) {
        case HWACCL_MOMENT_ENTRY:
                *state = at->entry.state;
                *known = at->entry_known;
                break;
        case HWACCL_MOMENT_EXIT:
                *state = at->at_exit.state;
                *known = at->exit_known;
                break;
        default:
                *state = at->next.state;
                *known = at->next_there ? at->next_known : hwaccl_known_fields_none();
                break;
        }
        return true;
}
