/* What an exit qualification says, in a few words. */
#ifndef HWACCL_CLI_QUALIFICATION_H
#define HWACCL_CLI_QUALIFICATION_H

#include "hwaccl/subject_state.h"

#include <stddef.h>

/** cli_describe_qualification - "out 0x402, 1 byte" (SDM 3C, 28.2.1); "" where the reason has none */
void cli_describe_qualification(const struct hwaccl_subject_state *state, char *text, size_t room);

#endif
