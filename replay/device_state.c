#include "replay/device_state.h"

#include "core/machine/board/board.h"
#include "core/machine/board/device.h"
#include "core/machine/machine.h"
#include "replay/replay_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool allocate(struct hwaccl_device_states *states, size_t count, size_t bytes, struct hwaccl_error *error)
{
        states->value = calloc(count + 1, sizeof(*states->value));
        states->bytes = calloc(2, bytes + 1);
        return (states->value && states->bytes) || hwaccl_error_set(error, "out of memory");
}

void hwaccl_device_states_free(struct hwaccl_device_states *states)
{
        free(states->value);
        free(states->bytes);
        *states = (struct hwaccl_device_states){0};
}

/* As a snapshot has it. */
static bool copy_saved(struct hwaccl_device_states *states, const struct hwaccl_recorded_device_field *fields,
                       size_t count, struct hwaccl_error *error)
{
        size_t bytes = 0;

        for (size_t i = 0; i < count; i++)
                bytes += fields[i].size;
        if (!allocate(states, count, bytes, error))
                return false;
        uint8_t *to = states->bytes;
        for (size_t i = 0; i < count; i++) {
                memcpy(to, fields[i].data, fields[i].size);
                states->value[states->count++] =
                        (struct hwaccl_device_value){fields[i].device, fields[i].field, fields[i].size, to, NULL};
                to += fields[i].size;
        }
        return true;
}

static void save(struct hwaccl_device *const *devices, size_t count, uint8_t *to)
{
        for (size_t i = 0; i < count; i++) {
                hwaccl_device_save(devices[i], to);
                to += hwaccl_device_state_size(devices[i]);
        }
}

static void list(struct hwaccl_device_states *states, struct hwaccl_device *const *devices, size_t count,
                 const uint8_t *before, const uint8_t *after)
{
        for (size_t i = 0; i < count; i++) {
                const struct hwaccl_device_ops *ops = devices[i]->ops;
                for (size_t f = 0; f < ops->field_count; f++) {
                        states->value[states->count++] = (struct hwaccl_device_value){
                                ops->name, ops->fields[f].name, ops->fields[f].size, after, before};
                        before += ops->fields[f].size;
                        after += ops->fields[f].size;
                }
        }
}

/* SDM 3C, tables 28-5 and 28-7. */
static const char *owner_of(const struct replay_session *session)
{
        const struct hwaccl_bus *bus = &hwaccl_machine_board(replay_session_machine(session))->bus;
        const struct hwaccl_subject_state *state = replay_session_exit(session)->exit;
        uint64_t address = state->guest_physical_address;
        uint8_t owner;

        switch (state->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK) {
        case HWACCL_EXIT_IO_INSTRUCTION:
                owner = bus->port_owner[state->exit_qualification >> 16 & 0xffff];
                return owner ? bus->device[owner]->ops->name : "";
        case HWACCL_EXIT_EPT_VIOLATION:
                for (unsigned i = 0; i < bus->mmio_count; i++)
                        if (address - bus->mmio[i].address < bus->mmio[i].size)
                                return bus->mmio[i].device->ops->name;
                return "";
        default: return NULL;
        }
}

/* Names of fields are static: they outlive the session's machine. */
static bool replay(struct replay_session *session, uint64_t number, struct hwaccl_device_states *states,
                   struct hwaccl_error *error)
{
        size_t fields = 0, bytes = 0, count;

        if (!replay_session_seek(session, number, error))
                return false;
        struct hwaccl_device *const *devices = hwaccl_machine_devices(replay_session_machine(session), &count);
        for (size_t i = 0; i < count; i++) {
                fields += devices[i]->ops->field_count;
                bytes += hwaccl_device_state_size(devices[i]);
        }
        if (!allocate(states, fields, bytes, error))
                return false;
        save(devices, count, states->bytes);
        enum replay_step step = replay_session_step(session, error);
        if (step == REPLAY_STEP_FAILED || step == REPLAY_STEP_END)
                return step == REPLAY_STEP_FAILED ? false : hwaccl_error_set(error, "the exit is missing");
        states->diverged = step == REPLAY_STEP_DIVERGED;
        states->owner = owner_of(session);
        save(devices, count, states->bytes + bytes);
        list(states, devices, count, states->bytes, states->bytes + bytes);
        return true;
}

bool hwaccl_device_states_after(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                struct hwaccl_device_states *states, struct hwaccl_error *error)
{
        const struct hwaccl_recorded_device_field *fields;
        struct hwaccl_error unsaved;
        uint64_t start = 0;
        size_t count;

        *states = (struct hwaccl_device_states){0};
        struct replay_session *session = replay_session_open(recording, vcpu, error);
        bool good = session && replay(session, number, states, error);
        replay_session_close(session);
        bool saved = hwaccl_recording_device_fields(recording, vcpu, number, &fields, &count, &unsaved);
        if (good && !saved && hwaccl_recording_replay_start(recording, vcpu, number, &start, error))
                states->replayed = number - start + 1;
        if (good || !saved)
                return good;
        hwaccl_device_states_free(states);
        return copy_saved(states, fields, count, error);
}

void hwaccl_device_value_format(const uint8_t *data, uint32_t size, size_t most, char *text, size_t room)
{
        uint64_t number = 0;
        size_t used = 0;

        if (size == 1 || size == 2 || size == 4 || size == 8) {
                memcpy(&number, data, size); /* little endian */
                (void)snprintf(text, room, "0x%" PRIx64, number);
                return;
        }
        text[0] = '\0';
        for (size_t i = 0; i < size && i < most && used + 8 < room; i++, used += 2)
                (void)snprintf(text + used, room - used, "%02x", data[i]);
        if (size > most)
                (void)snprintf(text + used, room - used, "...");
}
