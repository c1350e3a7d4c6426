/* hwaccl replay of many recordings: which, by how many processes, and the reports. */
#ifndef HWACCL_CLI_REPLAY_CORPUS_H
#define HWACCL_CLI_REPLAY_CORPUS_H

#include "replay/cli/recording_input.h"

#include "replay/corpus/allow_rules.h"

#include <stdbool.h>
#include <stdint.h>

struct replay_shard {
        uint64_t index, count; /* 0: all recordings */
};

/* What the options of hwaccl replay say. */
struct replay_settings {
        struct cli_exits exits;
        bool first_only;
        uint64_t limit; /* of the divergences shown; 0: none */
        bool limited;   /* it was given */
        bool json;
        uint32_t jobs;         /* 0: as many as there are processors */
        uint64_t time_limit;   /* nanoseconds; 0: none */
        uint64_t memory_limit; /* bytes; 0: none */
        struct replay_shard shard;
        const char *filter;
        bool fail_fast;
        const char *junit;
        const char *markdown;
        bool bisect;
        const char *allow; /* file of rules; NULL: none */
        struct allow_rules *rules;
};

/** cli_replay_is_corpus - do the options ask for what only a replay of many recordings has? */
bool cli_replay_is_corpus(const struct replay_settings *settings);

/**
 * cli_replay_corpus - replay the files and directories @path
 * @replay: replays one recording in a process of its own and prints its JSON document; returns the exit status
 */
enum cli_status cli_replay_corpus(const struct cli_command *command, const struct replay_settings *settings,
                                  char **path, int count,
                                  enum cli_status (*replay)(const struct cli_command *command,
                                                            const struct replay_settings *settings, const char *path));

/* Option parsers: "512M", "2/8". */
bool cli_parse_memory_limit(const struct cli_command *command, const struct cli_option *option, const char *text,
                            void *field);
bool cli_parse_shard(const struct cli_command *command, const struct cli_option *option, const char *text, void *field);

#endif
