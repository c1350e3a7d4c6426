#include "replay/cli/state_devices.h"

#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/output.h"

#include "core/machine/board/device.h"
#include "core/machine/devices/device_text.h"
#include "replay/device_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VALUE_BYTES_MAX 8u /* of a byte array in the table */

static bool has_changed(const struct hwaccl_device_value *value)
{
        return value->before && memcmp(value->before, value->data, value->size) != 0;
}

static bool print_table(const struct hwaccl_device_states *states, bool changed_only)
{
        static const struct cli_column columns[] = {
                {"device", false}, {"field", false}, {"value", true}, {"", false}, {"meaning", false}};
        struct cli_table *table = cli_table_create(columns, sizeof(columns) / sizeof(columns[0]));

        if (!table)
                return false;
        for (size_t i = 0; i < states->count; i++) {
                const struct hwaccl_device_value *value = &states->value[i];
                char number[2 * VALUE_BYTES_MAX + 8];
                char text[HWACCL_DEVICE_TEXT_SIZE];
                if (changed_only && !has_changed(value))
                        continue;
                hwaccl_device_value_format(value->data, value->size, VALUE_BYTES_MAX, number, sizeof(number));
                (void)hwaccl_device_text(value->device, value->field, value->data, value->size, text, sizeof(text));
                cli_table_cell(table, "%s", value->device);
                cli_table_cell(table, "%s", value->field);
                cli_table_cell(table, "%s", number);
                cli_table_cell(table, "%s", has_changed(value) ? "*" : "");
                cli_table_cell(table, "%s", text);
        }
        return cli_table_finish(table);
}

static json_t *value_object(const struct hwaccl_device_value *value)
{
        char text[HWACCL_DEVICE_TEXT_SIZE];
        char number[2 * HWACCL_DEVICE_STATE_MAX + 8];
        bool meant = hwaccl_device_text(value->device, value->field, value->data, value->size, text, sizeof(text));

        hwaccl_device_value_format(value->data, value->size, HWACCL_DEVICE_STATE_MAX, number, sizeof(number));
        return json_pack("{s:o, s:o, s:s, s:o, s:o}", "device", cli_json_text(value->device), "field",
                         cli_json_text(value->field), "value", number, "meaning", cli_json_text(meant ? text : NULL),
                         "changed", value->before ? json_boolean(has_changed(value)) : json_null());
}

static bool print_json(const struct hwaccl_device_states *states, uint32_t vcpu, uint64_t exit, bool changed_only)
{
        json_t *values = json_array();

        for (size_t i = 0; i < states->count; i++)
                if (!changed_only || has_changed(&states->value[i]))
                        cli_json_append(&values, value_object(&states->value[i]));
        return cli_json_print(json_pack("{s:I, s:I, s:o, s:b, s:o}", "vcpu", (json_int_t)vcpu, "exit", (json_int_t)exit,
                                        "replayed", cli_json_count(states->replayed), "diverged", states->diverged,
                                        "devices", values));
}

enum cli_status state_devices_show(const struct cli_command *command, struct hwaccl_recording *recording,
                                   const char *path, uint32_t vcpu, uint64_t exit, bool changed_only, bool json)
{
        struct hwaccl_device_states states;
        struct hwaccl_error error;

        if (!hwaccl_device_states_after(recording, vcpu, exit, &states, &error)) {
                hwaccl_device_states_free(&states);
                return cli_file_error(command, path, error.message);
        }
        bool good = json ? print_json(&states, vcpu, exit, changed_only) : print_table(&states, changed_only);
        bool diverged = states.diverged;
        hwaccl_device_states_free(&states);
        if (!good)
                return cli_error(command, "out of memory");
        if (diverged)
                cli_notice(command, "%s: handling of exit %" PRIu64 " differs from the recorded one", path, exit);
        return CLI_CLEAN;
}
