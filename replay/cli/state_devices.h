/* The devices of `hwaccl state --devices`. */
#ifndef HWACCL_CLI_STATE_DEVICES_H
#define HWACCL_CLI_STATE_DEVICES_H

#include "replay/cli/command.h"
#include "replay/cli/recording_input.h"

/** state_devices_show - print the state of all devices after an exit. @changed_only: fields that its handling changed
 */
enum cli_status state_devices_show(const struct cli_command *command, struct hwaccl_recording *recording,
                                   const char *path, uint32_t vcpu, uint64_t exit, bool changed_only, bool json);

#endif
