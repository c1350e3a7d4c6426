/* Device state at keyframes, matched by the names of device and field: a recording may have been made by an older or
 * newer build, or be forged. */
#include "replay/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct hwaccl_device *find_device(struct hwaccl_machine *machine, const char *name)
{
        size_t count;
        struct hwaccl_device *const *device = hwaccl_machine_devices(machine, &count);

        for (size_t i = 0; i < count; i++)
                if (strcmp(device[i]->ops->name, name) == 0)
                        return device[i];
        return NULL;
}

static const struct hwaccl_device_field *find_field(const struct hwaccl_device *device, const char *name)
{
        for (size_t i = 0; i < device->ops->field_count; i++)
                if (strcmp(device->ops->fields[i].name, name) == 0)
                        return &device->ops->fields[i];
        return NULL;
}

/* Overwrite the packed state of one device with the recorded fields. */
static bool overlay(const struct hwaccl_device *device, uint8_t *state,
                    const struct hwaccl_recorded_device_field *fields, size_t count, struct hwaccl_error *error)
{
        for (size_t i = 0; i < count; i++) {
                if (strcmp(fields[i].device, device->ops->name) != 0)
                        continue;
                const struct hwaccl_device_field *own = find_field(device, fields[i].field);
                if (!own)
                        continue; /* the comparison at the next keyframe reports it */
                if (own->size != fields[i].size)
                        return hwaccl_error_set(error,
                                                "state of device %s: field %s has %" PRIu32 " bytes instead of "
                                                "%u",
                                                device->ops->name, own->name, fields[i].size, (unsigned)own->size);
                uint8_t *to = state;
                for (const struct hwaccl_device_field *field = device->ops->fields; field != own; field++)
                        to += field->size;
                memcpy(to, fields[i].data, own->size);
        }
        return true;
}

bool replay_devices_load(struct hwaccl_machine *machine, const struct hwaccl_recorded_device_field *fields,
                         size_t count, struct hwaccl_error *error)
{
        size_t device_count;
        struct hwaccl_device *const *devices = hwaccl_machine_devices(machine, &device_count);

        /* every device is asked before any takes its state */
        for (unsigned pass = 0; pass < 2; pass++) {
                for (size_t i = 0; i < device_count; i++) {
                        uint8_t state[HWACCL_DEVICE_STATE_MAX];
                        size_t size = hwaccl_device_state_size(devices[i]);

                        hwaccl_device_save(devices[i], state);
                        if (!overlay(devices[i], state, fields, count, error) ||
                            !(pass == 0 ? hwaccl_device_check(devices[i], state, size, error)
                                        : hwaccl_device_load(devices[i], state, size, error)))
                                return false;
                }
        }
        return true;
}

static uint64_t number_of(const void *data, size_t size)
{
        uint64_t number = 0;
        memcpy(&number, data, size); /* little endian: the low bytes come first */
        return number;
}

static void report_field(struct replay_report *report, const struct hwaccl_recorded_device_field *recorded,
                         const void *replayed, size_t size)
{
        const char *name = replay_report_name(report, "%s.%s", recorded->device, recorded->field);
        char text[32];

        if (!replayed) {
                replay_report_texts(report, name, "present", "no such field");
        } else if (size != recorded->size) {
                struct hwaccl_difference *difference = replay_report_add(report, name);
                (void)snprintf(text, sizeof(text), "%" PRIu32 " bytes", recorded->size);
                if (difference) {
                        (void)snprintf(difference->recorded, sizeof(difference->recorded), "%s", text);
                        (void)snprintf(difference->replayed, sizeof(difference->replayed), "%zu bytes", size);
                }
        } else if (size == 1 || size == 2 || size == 4 || size == 8) {
                replay_report_numbers(report, name, number_of(recorded->data, size), number_of(replayed, size));
        } else {
                replay_report_bytes(report, name, recorded->data, replayed, size);
        }
}

bool replay_devices_compare(struct hwaccl_machine *machine, const struct hwaccl_recorded_device_field *fields,
                            size_t count, struct replay_report *report)
{
        bool same = true;
        struct hwaccl_device *device = NULL;
        size_t place = 0; /* expected position of the next field: recorded fields are in the order of the table */

        size_t device_count;
        struct hwaccl_device *const *devices = hwaccl_machine_devices(machine, &device_count);

        for (size_t i = 0; i < device_count; i++)
                if (devices[i]->ops->saving)
                        devices[i]->ops->saving(devices[i]);

        for (size_t i = 0; i < count; i++) {
                if (!device || strcmp(device->ops->name, fields[i].device) != 0) {
                        device = find_device(machine, fields[i].device);
                        place = 0;
                }
                const struct hwaccl_device_field *own = NULL;
                if (device && place < device->ops->field_count &&
                    strcmp(device->ops->fields[place].name, fields[i].field) == 0)
                        own = &device->ops->fields[place];
                else if (device)
                        own = find_field(device, fields[i].field);
                if (own)
                        place = (size_t)(own - device->ops->fields) + 1;

                const void *value = own ? (const uint8_t *)device + own->offset : NULL;
                if (own && own->size == fields[i].size && memcmp(value, fields[i].data, own->size) == 0)
                        continue;
                same = false;
                report_field(report, &fields[i], value, own ? own->size : 0);
        }
        return same;
}
