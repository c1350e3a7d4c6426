/* hwaccl recover: complete the recordings of recorders that died. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/recording_input.h"
#include "replay/cli/sandbox.h"

#include "core/text.h"
#include "hwaccl/event.h"
#include "tracer/recover/recovery.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RING_SUFFIX "-ring"

struct recover {
        const struct cli_command *command;
        bool json;
        struct cli_json_list list;
        enum cli_status status;
};

static const struct cli_option options[] = {
        CLI_OPTION_JSON(struct recover, json),
        {.name = NULL},
};

static void worsen(struct recover *recover, enum cli_status status)
{
        if (status > recover->status)
                recover->status = status;
}

static bool is_bad(const struct hwaccl_recovery *recovery)
{
        return recovery->damaged_at != UINT64_MAX || recovery->lost;
}

static void print_text(char *path, const struct hwaccl_recovery *recovery)
{
        hwaccl_text_make_safe(path);
        switch (recovery->outcome) {
        case HWACCL_RECOVERY_NOTHING:
                (void)printf("%s: %s, %" PRIu64 " exits\n", path,
                             recovery->complete ? "already complete"
                                                : "nothing to recover; the recording is incomplete",
                             recovery->exits);
                return;
        case HWACCL_RECOVERY_NO_EXITS:
                (void)printf("%s: the recorder died before the first exit: nothing to recover; removed its files\n",
                             path);
                return;
        case HWACCL_RECOVERY_DONE: break;
        }
        (void)printf("%s: recovered %" PRIu64 " of %" PRIu64 " exits from the ring of process %" PRIu32 "; guest: %s",
                     path, recovery->recovered, recovery->exits, recovery->process, hwaccl_end_name(recovery->end));
        if (recovery->end == HWACCL_END_EXIT_CODE)
                (void)printf(" %" PRIu64, recovery->end_code);
        if (recovery->unfinished)
                (void)printf("; the recorder died while handling exit %" PRIu64, recovery->exits - 1);
        if (recovery->cut)
                (void)printf("; discarded a truncated trailing record");
        if (recovery->kernel_exits_missing)
                (void)printf("; missing: what the kernel handled in the last moments");
        (void)putchar('\n');
}

static json_t *recovery_object(const char *path, const struct hwaccl_recovery *recovery)
{
        static const char *const outcome[] = {
                [HWACCL_RECOVERY_DONE] = "recovered",
                [HWACCL_RECOVERY_NOTHING] = "nothing",
                [HWACCL_RECOVERY_NO_EXITS] = "no exits",
        };
        json_t *end =
                recovery->outcome == HWACCL_RECOVERY_DONE ? cli_json_text(hwaccl_end_name(recovery->end)) : json_null();
        json_t *damage = recovery->damaged_at == UINT64_MAX ? json_null() : cli_json_text(recovery->damage);

        return json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:o, s:b, s:b, s:b, s:b, s:o}", "recording",
                         cli_json_text(path), "outcome", outcome[recovery->outcome], "exits",
                         (json_int_t)recovery->exits, "recovered", (json_int_t)recovery->recovered, "lost",
                         (json_int_t)recovery->lost, "process", (json_int_t)recovery->process, "end", end, "complete",
                         recovery->complete, "unfinished", recovery->unfinished, "cut", recovery->cut,
                         "kernel_exits_missing", recovery->kernel_exits_missing, "damage", damage);
}

static void fail(struct recover *recover, const char *path, const char *text)
{
        worsen(recover, cli_file_error(recover->command, path, text));
        if (recover->json)
                (void)cli_json_list_add(&recover->list, json_pack("{s:o, s:o}", "recording", cli_json_text(path),
                                                                  "error", cli_json_text(text)));
}

static void recover_one(struct recover *recover, const char *path)
{
        const struct cli_command *command = recover->command;
        struct hwaccl_recovery recovery;
        struct hwaccl_error error;
        char *name = NULL;

        if (!hwaccl_recover(path, &recovery, &error)) {
                fail(recover, path, error.message);
                return;
        }
        if (recover->json)
                (void)cli_json_list_add(&recover->list, recovery_object(path, &recovery));
        else if ((name = strdup(path)))
                print_text(name, &recovery);
        else
                fail(recover, path, "out of memory");
        free(name);
        if (!is_bad(&recovery))
                return;
        worsen(recover, CLI_BAD);
        if (recovery.damaged_at != UINT64_MAX)
                (void)cli_error(command, "%s: ring damaged at byte %" PRIu64 " (%s): everything after it is lost", path,
                                recovery.damaged_at, recovery.damage);
        if (recovery.lost)
                (void)cli_error(command, "%s: %" PRIu64 " completed exits are lost", path, recovery.lost);
}

static int is_ring(const struct dirent *entry)
{
        const size_t suffix = strlen(RING_SUFFIX);
        size_t length = strlen(entry->d_name);

        return length > suffix && strcmp(entry->d_name + length - suffix, RING_SUFFIX) == 0;
}

/* Every ring of a directory; one in use is skipped. */
static void recover_directory(struct recover *recover, const char *directory)
{
        const struct cli_command *command = recover->command;
        struct dirent **entry = NULL;
        int count = scandir(directory, &entry, is_ring, alphasort);

        if (count < 0) {
                fail(recover, directory, strerror(errno));
                return;
        }
        if (count == 0)
                cli_notice(command, "%s: no recording to recover", directory);
        for (int i = 0; i < count; i++) {
                char *path = NULL;
                const char *slash = *directory && directory[strlen(directory) - 1] == '/' ? "" : "/";
                int length = (int)(strlen(entry[i]->d_name) - strlen(RING_SUFFIX));
                uint32_t process = 0;

                if (asprintf(&path, "%s%s%.*s", directory, slash, length, entry[i]->d_name) < 0)
                        fail(recover, directory, "out of memory");
                else if (hwaccl_recovery_state(path, &process) == HWACCL_RING_IN_USE)
                        cli_notice(command, "%s: skipped: process %" PRIu32 " is recording or recovering it", path,
                                   process);
                else
                        recover_one(recover, path);
                free(path);
                free(entry[i]);
        }
        free(entry);
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct recover recover = {.command = command, .list.name = "recordings", .status = CLI_CLEAN};
        enum cli_status parsed;

        if (!cli_parse_options(command, argc, argv, &recover, &parsed))
                return parsed;
        const char *path = cli_one_operand(command, argc, argv, "recording or directory");
        struct stat status;
        if (!path || !cli_sandbox_enter_to_write(command, path))
                return CLI_CANNOT;
        if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
                recover_directory(&recover, path);
        else
                recover_one(&recover, path);
        if (recover.json && !cli_json_list_end(&recover.list, json_object())) {
                cli_json_list_fail(&recover.list, "out of memory");
                return cli_error(command, "out of memory");
        }
        return recover.status;
}

const struct cli_command cli_command_recover = {
        .name = "recover",
        .arguments = "[OPTION]... RECORDING|DIRECTORY",
        .summary = "complete the recording of a recorder that died",
        .options = options,
        .details =
                "Moves the exits in the ring beside the recording (RECORDING-ring) into the recording, up to the last\n"
                "completed exit and the one in whose handling the recorder died. The ring is removed when the "
                "recording\n"
                "is on the disk; an interrupted recovery can be run again. For a directory, recovers every recording "
                "in\n"
                "it that has a ring. The ring of a running recorder is not touched. Exit status: 0 recovered, or "
                "nothing\n"
                "to do; 1 the ring was damaged and exits are lost; 2 failure.\n\n"
                "Example: hwaccl recover boot.db\n",
        .run = run,
};
