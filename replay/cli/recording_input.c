#include "replay/cli/recording_input.h"

#include "replay/cli/message.h"
#include "replay/cli/parse.h"
#include "replay/cli/sandbox.h"

#include "hwaccl/event.h"
#include "tracer/recover/recovery.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

const char *cli_recording_operands(const struct cli_command *command, int argc, char **argv, struct cli_exits *exits)
{
        if (optind >= argc) {
                (void)cli_usage_error(command, "no recording given");
                return NULL;
        }
        const char *path = argv[optind];
        const char *range = optind + 1 < argc ? argv[optind + 1] : NULL;

        if (argc - optind > 2) {
                (void)cli_usage_error(command, "unexpected argument '%s'", argv[optind + 2]);
                return NULL;
        }
        if (range && exits->ranged) {
                (void)cli_usage_error(command, "'%s' and --from or --to exclude each other", range);
                return NULL;
        }
        if (range && !cli_parse_range(range, &exits->first, &exits->last)) {
                (void)cli_usage_error(command, "invalid range '%s': expected exits such as 100..200", range);
                return NULL;
        }
        if (exits->first > EXIT_NUMBER_MAX) {
                (void)cli_usage_error(command, "invalid exit %" PRIu64 ": expected at most %" PRIu64, exits->first,
                                      EXIT_NUMBER_MAX);
                return NULL;
        }
        exits->ranged = exits->ranged || range;
        if (exits->first > exits->last) {
                (void)cli_usage_error(command, "--from %" PRIu64 " is greater than --to %" PRIu64, exits->first,
                                      exits->last);
                return NULL;
        }
        return path;
}

const char *cli_exit_operands(const struct cli_command *command, int argc, char **argv, struct cli_exits *exits)
{
        if (argc - optind == 1) {
                (void)cli_usage_error(command, "no exit given");
                return NULL;
        }
        const char *path = cli_recording_operands(command, argc, argv, exits);
        if (!path || exits->first == exits->last)
                return path;
        (void)cli_usage_error(command, "invalid exit '%s': expected the number of one exit", argv[optind + 1]);
        return NULL;
}

struct hwaccl_recording *cli_recording_open(const struct cli_command *command, const char *path)
{
        struct hwaccl_error error;

        if (!cli_sandbox_enter(command, path))
                return NULL;
        struct hwaccl_recording *recording = hwaccl_recording_open(path, &error);

        if (!recording)
                (void)cli_recording_refused(command, path, error.message);
        return recording;
}

enum cli_status cli_recording_refused(const struct cli_command *command, const char *path, const char *message)
{
        uint32_t process = 0;
        enum hwaccl_ring_state ring = hwaccl_recovery_state(path, &process);
        bool is_there = access(path, F_OK) == 0;

        if (ring != HWACCL_RING_NONE && hwaccl_recovery_is_begun(path))
                ring = HWACCL_RING_NONE; /* it is something else */
        if (ring == HWACCL_RING_LEFT)
                return cli_error(command, "%s: the recorder died before it %s the database; run 'hwaccl recover %s'",
                                 path, is_there ? "had set up" : "created", path);
        if (ring == HWACCL_RING_IN_USE && is_there)
                return cli_error(command, "%s: process %" PRIu32 " begins to record it; try again", path, process);
        if (ring == HWACCL_RING_IN_USE)
                return cli_error(command,
                                 "%s: not written yet: process %" PRIu32
                                 " records it; a flight recorder writes at the end, and a copy on SIGUSR1",
                                 path, process);
        return cli_file_error(command, path, message);
}

enum cli_status cli_recording_close(const struct cli_command *command, const char *path,
                                    struct hwaccl_recording *recording, enum cli_status status)
{
        struct hwaccl_recording_info info = *hwaccl_recording_info(recording);

        hwaccl_recording_close(recording);
        if (status != CLI_CANNOT)
                cli_recording_state(command, path, info.status, info.end);
        return status;
}

void cli_recording_state(const struct cli_command *command, const char *path, enum hwaccl_recording_status status,
                         unsigned end)
{
        enum hwaccl_ring_state ring =
                status != HWACCL_RECORDING_COMPLETE ? hwaccl_recovery_state(path, NULL) : HWACCL_RING_NONE;

        if (ring == HWACCL_RING_LEFT)
                cli_notice(command,
                           "%s: the recording is incomplete: its ring holds more exits; run "
                           "'hwaccl recover %s'",
                           path, path);
        else if (ring == HWACCL_RING_IN_USE)
                cli_notice(command, "%s: the recording is incomplete: it is still being written", path);
        else if (status != HWACCL_RECORDING_COMPLETE && end == HWACCL_END_RECORDER_DIED)
                cli_notice(command, "%s: the recording ends where the recorder died", path);
        else if (status != HWACCL_RECORDING_COMPLETE)
                cli_notice(command, "%s: the recording is incomplete: %s", path,
                           status == HWACCL_RECORDING_RUNNING ? "the recorder died"
                                                              : "the recorder stopped before the guest");
}

bool cli_exits_check(const struct cli_command *command, const char *path, struct hwaccl_recording *recording,
                     struct cli_exits *exits)
{
        struct hwaccl_error error;
        uint64_t first, end;

        if (!hwaccl_recording_range(recording, exits->vcpu, &first, &end, &error)) {
                (void)cli_file_error(command, path, error.message);
                return false;
        }
        if (exits->first == 0)
                exits->first = first;
        if (exits->first > 0 && (exits->first >= end || exits->first < first || exits->last < exits->first)) {
                uint64_t number = exits->last < exits->first ? exits->last : exits->first;
                if (first == end)
                        (void)cli_error(command, "%s: no exit %" PRIu64 ": the recording has no exits", path, number);
                else
                        (void)cli_error(command,
                                        "%s: no exit %" PRIu64 ": the recording has exits %" PRIu64 " to %" PRIu64,
                                        path, number, first, end - 1);
                return false;
        }
        exits->count = (exits->last < end ? exits->last + 1 : end) - (first == end ? end : exits->first);
        return true;
}
