/* hwaccl state: shows the registers around one exit. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"
#include "replay/cli/recording_input.h"
#include "replay/cli/state_devices.h"
#include "replay/cli/state_memory.h"

#include "hwaccl/exit_reason.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

struct settings {
        struct state_memory memory; /* first: state_memory_parse() */
        struct cli_exits exits;
        bool changed_only;
        bool devices;
        bool json;
};

static const struct cli_option options[] = {
        {"changed", 'c', NULL, "show only what changed", CLI_FLAG(struct settings, changed_only)},
        {"devices", 'D', NULL, "show the state of the devices after the exit's handling",
         CLI_FLAG(struct settings, devices)},
        {"memory", 'm', "ADDRESS[,LENGTH]",
         "show guest-physical memory at the end (64 bytes), if it was kept; EXIT is the last one",
         CLI_PARSED(CLI_VALUE_TEXT, state_memory_parse)},
        CLI_OPTION_VCPU(struct settings, exits),
        CLI_OPTION_JSON(struct settings, json),
        {.name = NULL},
};

/* The state at one moment of the trip; known is empty where there is none. */
struct moment {
        struct hwaccl_subject_state state;
        struct hwaccl_known_fields known;
};

struct around {
        uint64_t number;
        struct moment moment[HWACCL_MOMENT_COUNT];
};

static bool known(const struct moment *moment, unsigned field)
{
        return hwaccl_known_fields_has(&moment->known, field);
}

static uint64_t value_of(const struct moment *moment, unsigned field)
{
        return hwaccl_field_get(&moment->state, (enum hwaccl_field_index)field);
}

/* Did the field change on the way to this moment? */
static bool changed(const struct around *around, unsigned field, unsigned moment)
{
        const struct moment *now = &around->moment[moment];
        const struct moment *before = now - 1;
        return moment > 0 && known(now, field) && known(before, field) &&
               value_of(now, field) != value_of(before, field);
}

static bool ever_changed(const struct around *around, unsigned field)
{
        return changed(around, field, HWACCL_MOMENT_EXIT) || changed(around, field, HWACCL_MOMENT_HANDLED);
}

static void cell(struct cli_table *table, const struct around *around, unsigned field, unsigned moment)
{
        if (known(&around->moment[moment], field))
                cli_table_cell(table, "%0*" PRIx64 "%s", hwaccl_subject_fields[field].width * 2,
                               value_of(&around->moment[moment], field), changed(around, field, moment) ? " *" : "");
        else
                cli_table_cell(table, "?");
}

/* In the order in which a person reads a register dump: the groups one after the other. */
static bool print_table(const struct around *around, bool changed_only)
{
        static const struct cli_column columns[] = {
                {"register", false}, {"before entry", false}, {"after exit", false}, {"after handling", false}};
        static const enum hwaccl_field_group groups[] = {HWACCL_FIELD_EXIT, HWACCL_FIELD_GENERAL, HWACCL_FIELD_CONTROL,
                                                         HWACCL_FIELD_SEGMENT, HWACCL_FIELD_TABLE};
        struct cli_table *table = cli_table_create(columns, sizeof(columns) / sizeof(columns[0]));

        if (!table)
                return false;
        for (size_t group = 0; group < sizeof(groups) / sizeof(groups[0]); group++) {
                for (unsigned field = 0; field < HWACCL_FIELD_COUNT; field++) {
                        if (hwaccl_subject_fields[field].group != groups[group] ||
                            (changed_only && !ever_changed(around, field)))
                                continue;
                        cli_table_cell(table, "%s", hwaccl_subject_fields[field].name);
                        for (unsigned moment = 0; moment < HWACCL_MOMENT_COUNT; moment++)
                                cell(table, around, field, moment);
                }
        }
        return cli_table_finish(table);
}

static bool print_json(const struct around *around, uint32_t vcpu, bool changed_only)
{
        static const char *const names[HWACCL_MOMENT_COUNT] = {"entry", "exit", "handled"};
        uint64_t reason = around->moment[HWACCL_MOMENT_EXIT].state.exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        bool reason_known = known(&around->moment[HWACCL_MOMENT_EXIT], HWACCL_FIELD_INDEX_exit_reason);
        json_t *registers = json_object();

        for (unsigned field = 0; field < HWACCL_FIELD_COUNT; field++) {
                if (changed_only && !ever_changed(around, field))
                        continue;
                json_t *row = json_object();
                for (unsigned moment = 0; moment < HWACCL_MOMENT_COUNT; moment++)
                        cli_json_set(&row, names[moment],
                                     known(&around->moment[moment], field)
                                             ? cli_json_hex(value_of(&around->moment[moment], field))
                                             : json_null());
                cli_json_set(&row, "changed", json_boolean(ever_changed(around, field)));
                cli_json_set(&registers, hwaccl_subject_fields[field].name, row);
        }
        return cli_json_print(json_pack(
                "{s:I, s:I, s:o, s:o, s:o}", "vcpu", (json_int_t)vcpu, "exit", (json_int_t)around->number,
                "reason_number", reason_known ? cli_json_count(reason) : json_null(), "reason",
                cli_json_text(reason_known ? hwaccl_exit_reason_name(reason) : NULL), "registers", registers));
}

static bool read_around(struct hwaccl_recording *recording, uint32_t vcpu, struct around *around,
                        struct hwaccl_error *error)
{
        for (unsigned moment = 0; moment < HWACCL_MOMENT_COUNT; moment++)
                if (!hwaccl_recording_state(recording, vcpu, around->number, (enum hwaccl_moment)moment,
                                            &around->moment[moment].state, &around->moment[moment].known, error))
                        return false;
        return true;
}

static enum cli_status show_state(const struct cli_command *command, struct hwaccl_recording *recording,
                                  const char *path, struct settings *settings)
{
        struct cli_exits *exits = &settings->exits;
        struct around around = {.number = exits->first};
        struct hwaccl_error error;

        if (settings->memory.size)
                return cli_exits_check(command, path, recording, exits)
                               ? state_memory_show(command, recording, path, exits->vcpu, exits->first,
                                                   &settings->memory)
                               : CLI_CANNOT;
        if (settings->devices)
                return state_devices_show(command, recording, path, exits->vcpu, exits->first, settings->changed_only,
                                          settings->json);
        if (!cli_exits_check(command, path, recording, exits))
                return CLI_CANNOT;
        if (!read_around(recording, exits->vcpu, &around, &error))
                return cli_file_error(command, path, error.message);
        bool good = settings->json ? print_json(&around, exits->vcpu, settings->changed_only)
                                   : print_table(&around, settings->changed_only);
        return good ? CLI_CLEAN : cli_error(command, "out of memory");
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct settings settings = {.exits = CLI_EXITS_ALL};
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &settings, &status))
                return status;
        const char *path = cli_exit_operands(command, argc, argv, &settings.exits);
        struct hwaccl_recording *recording = path ? cli_recording_open(command, path) : NULL;
        if (!recording)
                return CLI_CANNOT;
        status = show_state(command, recording, path, &settings);
        return cli_recording_close(command, path, recording, status);
}

const struct cli_command cli_command_state = {
        .name = "state",
        .arguments = "[OPTION]... RECORDING EXIT",
        .summary = "show the registers around an exit",
        .options = options,
        .details = "Three columns: before the entry, after the exit, after its handling. A star marks a value that "
                   "differs\n"
                   "from the column before; ? is an unknown value.\n\n"
                   "Example: hwaccl state --changed boot.db 1234\n",
        .run = run,
};
