/* What the devices did: fields that changed, by name. */
#include "replay/postmortem/explain/explain_internal.h"

#include "core/machine/devices/device_text.h"

#include <stdio.h>
#include <string.h>

#define ARRAY_BYTES 8

static void describe(const struct hwaccl_device_value *value, const uint8_t *data, char *text, size_t room)
{
        char number[40], words[HWACCL_DEVICE_TEXT_SIZE];

        hwaccl_device_value_format(data, value->size, ARRAY_BYTES, number, sizeof(number));
        if (hwaccl_device_text(value->device, value->field, data, value->size, words, sizeof(words)))
                (void)snprintf(text, room, "%s (%.100s)", number, words);
        else
                (void)snprintf(text, room, "%s", number);
}

void explain_devices(struct explained *explained)
{
        const struct hwaccl_device_states *states = &explained->devices;
        bool any = false;

        if (!explained->devices_known) {
                explain_say(explained, HWACCL_TOPIC_DEVICE, "not known: %s", explained->no_devices);
                return;
        }
        if (states->count && !states->value[0].before) {
                explain_say(explained, HWACCL_TOPIC_DEVICE, "what changed is not known: the exit cannot be replayed");
                return;
        }
        for (size_t i = 0; i < states->count; i++) {
                const struct hwaccl_device_value *value = &states->value[i];
                char before[160], after[160];
                if (memcmp(value->before, value->data, value->size) == 0)
                        continue;
                any = true;
                describe(value, value->before, before, sizeof(before));
                describe(value, value->data, after, sizeof(after));
                explain_say(explained, HWACCL_TOPIC_DEVICE, "%s %s: %s -> %s", value->device, value->field, before,
                            after);
        }
        if (!any)
                explain_say(explained, HWACCL_TOPIC_DEVICE, "no device changed");
}
