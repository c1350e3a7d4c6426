/* hwaccl-docs: fills the manual page and the completion from the option tables while hwaccl is built. */
#ifndef HWACCL_CLI_DOCS_H
#define HWACCL_CLI_DOCS_H

#include "replay/cli/command.h"
#include "replay/cli/option.h"

#include <stdbool.h>
#include <stdio.h>

/** mdoc_synopsis - the synopsis of every subcommand, for section SYNOPSIS */
void mdoc_synopsis(FILE *out);
/** mdoc_option - the item of one option: its heading and its help as a sentence */
void mdoc_option(FILE *out, const struct cli_option *option);
/** mdoc_names - the names of a table of the core, as a sentence: "verdicts". False when there is no such table */
bool mdoc_names(FILE *out, const char *table);

/** bash_subcommands - a local variable with the names of all subcommands */
void bash_subcommands(FILE *out);
/** bash_values - cases of "SUBCOMMAND --OPTION" for what is no file, which complete or return */
void bash_values(FILE *out);
/** bash_options - cases of SUBCOMMAND that set a variable to its options */
void bash_options(FILE *out);

#endif
