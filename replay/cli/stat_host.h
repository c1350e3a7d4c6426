/* hwaccl stat --host: what the host was that a recording was made on. */
#ifndef HWACCL_CLI_STAT_HOST_H
#define HWACCL_CLI_STAT_HOST_H

#include "replay/cli/command.h"

#include "hwaccl/recording.h"

/** stat_host - options host_*, and views host_file, host_parameter, host_capability and host_cpuid; returns the
 * command's status */
enum cli_status stat_host(const struct cli_command *command, struct hwaccl_recording *recording, const char *path,
                          bool json);

#endif
