/* Opening a recording and naming exits in it, for the subcommands that read one. */
#ifndef HWACCL_CLI_RECORDING_INPUT_H
#define HWACCL_CLI_RECORDING_INPUT_H

#include "replay/cli/option.h"

#include "hwaccl/recording.h"
#include "tracer/ring/exit_id.h"

#include <stdbool.h>
#include <stdint.h>

/* Exits first to last of one virtual CPU, both included. */
struct cli_exits {
        uint32_t vcpu;
        uint64_t first;
        uint64_t last;  /* UINT64_MAX: to the end */
        bool ranged;    /* a range was given */
        uint64_t count; /* of them in the recording: set by cli_exits_check() */
};

#define CLI_EXITS_ALL                                                                                                  \
        (struct cli_exits)                                                                                             \
        {                                                                                                              \
                0, 0, UINT64_MAX, false, 0                                                                             \
        }

/** cli_recording_operands - "RECORDING [FIRST..LAST]": the path, or NULL after an error message */
const char *cli_recording_operands(const struct cli_command *command, int argc, char **argv, struct cli_exits *exits);

/** cli_exit_operands - "RECORDING EXIT", one exit, which becomes first and last: the path, or NULL after an error
 * message */
const char *cli_exit_operands(const struct cli_command *command, int argc, char **argv, struct cli_exits *exits);

/** cli_recording_open - in a sandbox, see cli_sandbox_enter(); NULL after an error message */
struct hwaccl_recording *cli_recording_open(const struct cli_command *command, const char *path);

/** cli_recording_refused - print why @path cannot be opened: @message, or what its ring shows. Returns CLI_CANNOT */
enum cli_status cli_recording_refused(const struct cli_command *command, const char *path, const char *message);

/** cli_recording_close - close it, with a notice if it is incomplete. Returns @status */
enum cli_status cli_recording_close(const struct cli_command *command, const char *path,
                                    struct hwaccl_recording *recording, enum cli_status status);

/** cli_recording_state - print a notice why a recording is incomplete, and how to recover it if that is possible
 * @end: enum hwaccl_end */
void cli_recording_state(const struct cli_command *command, const char *path, enum hwaccl_recording_status status,
                         unsigned end);

/**
 * cli_exits_check - does the recording have this vCPU and the first exit? False after an error message
 *
 * Exit 0 stands for the first exit of the recording, which has another number in a flight recorder's window.
 */
bool cli_exits_check(const struct cli_command *command, const char *path, struct hwaccl_recording *recording,
                     struct cli_exits *exits);

/* Rows of an option table for a struct cli_exits in the settings; --json for a bool. */
#define CLI_OPTION_FROM(object, member)                                                                                \
        {                                                                                                              \
                "from", 0, "N", "begin at exit N; the same as N.. after the recording",                                \
                        CLI_NUMBER(object, member.first, 0, EXIT_NUMBER_MAX),                                          \
                        .given = CLI_FIELD(bool, object, member.ranged)                                                \
        }
#define CLI_OPTION_TO(object, member)                                                                                  \
        {                                                                                                              \
                "to", 0, "N", "end after exit N; the same as ..N after the recording",                                 \
                        CLI_NUMBER(object, member.last, 0, EXIT_NUMBER_MAX),                                           \
                        .given = CLI_FIELD(bool, object, member.ranged)                                                \
        }
#define CLI_OPTION_VCPU(object, member)                                                                                \
        {                                                                                                              \
                "vcpu", 0, "N", "read virtual CPU N (default 0)", CLI_NUMBER_32(object, member.vcpu, 0, VCPU_MAX)      \
        }
#define CLI_OPTION_JSON(object, member)                                                                                \
        {                                                                                                              \
                "json", 'j', NULL, "print JSON", CLI_FLAG(object, member)                                              \
        }

#endif
