/* The subcommands of hwaccl and their exit status. */
#ifndef HWACCL_CLI_COMMAND_H
#define HWACCL_CLI_COMMAND_H

/* Exit status of every subcommand. */
enum cli_status {
        CLI_CLEAN = 0,  /* success */
        CLI_BAD = 1,    /* completed with a negative result: a divergence, a guest that failed */
        CLI_CANNOT = 2, /* failure: usage, input, environment */
        CLI_SKIP = 125, /* failure, as 'git bisect run' has it: nothing is known of this version */
};

struct cli_option;

struct cli_command {
        const char *name;
        const char *arguments;            /* "[OPTION]... RECORDING": the usage line behind the name */
        const char *summary;              /* one line */
        const char *details;              /* paragraphs under the options, or NULL */
        const struct cli_option *options; /* option.h */
        enum cli_status (*run)(const struct cli_command *command, int argc, char **argv);
};

extern const struct cli_command cli_command_record;
extern const struct cli_command cli_command_replay;
extern const struct cli_command cli_command_accept;
extern const struct cli_command cli_command_slice;
extern const struct cli_command cli_command_show;
extern const struct cli_command cli_command_state;
extern const struct cli_command cli_command_explain;
extern const struct cli_command cli_command_explain_state;
extern const struct cli_command cli_command_stat;
extern const struct cli_command cli_command_report;
extern const struct cli_command cli_command_check;
extern const struct cli_command cli_command_top;
extern const struct cli_command cli_command_import;
extern const struct cli_command cli_command_recover;
extern const struct cli_command cli_command_upgrade;

/* All of them, in the order of the overview; ends with NULL. */
extern const struct cli_command *const cli_commands[];

/** cli_command_find - NULL where there is none of that name */
const struct cli_command *cli_command_find(const char *name);

#endif
