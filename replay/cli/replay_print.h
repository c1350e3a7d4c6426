/* Divergences on stdout, as text and in JSON. */
#ifndef HWACCL_CLI_REPLAY_PRINT_H
#define HWACCL_CLI_REPLAY_PRINT_H

#include "hwaccl/replay.h"
#include "replay/corpus/allow_rules.h"

#include <jansson.h>

/** cli_divergence_print - the exit and its differences, each line indented by @indent */
void cli_divergence_print(const struct hwaccl_divergence *divergence, const char *indent);

/** cli_divergence_object - an element of the array "details"; NULL: out of memory */
json_t *cli_divergence_object(const struct hwaccl_divergence *divergence);

/** cli_rules_array - differences that each rule allowed, in the file's order; NULL: out of memory */
json_t *cli_rules_array(const struct allow_rules *rules);

#endif
