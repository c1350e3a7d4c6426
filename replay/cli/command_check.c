/* hwaccl check: checks that a recording is complete and consistent. */
#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/option.h"
#include "replay/cli/output.h"
#include "replay/cli/recording_input.h"

#include "core/text.h"
#include "hwaccl/replay.h"
#include "hwaccl/seal.h"

#include <inttypes.h>
#include <stdio.h>

struct findings {
        bool json;
        bool digest;
        const char *verify; /* name of a file with a public key; NULL: none */
        struct cli_json_list list;
        uint64_t count;
};

static const struct cli_option options[] = {
        {"digest", 0, NULL,
         "print the digests of the recording: of its content, which another recording of the same run\n"
         "shares, and of everything",
         CLI_FLAG(struct findings, digest)},
        {"verify", 0, "KEY",
         "also require a signature of the private key of the public one in file KEY (see record --sign)",
         CLI_FILE(struct findings, verify)},
        CLI_OPTION_JSON(struct findings, json),
        {.name = NULL},
};

static void print_finding(void *opaque, const char *text)
{
        struct findings *findings = opaque;

        if (findings->json) {
                (void)cli_json_list_add(&findings->list, cli_json_text(text));
        } else {
                char line[1024];
                (void)snprintf(line, sizeof(line), "%s", text);
                hwaccl_text_make_safe(line);
                (void)puts(line);
        }
        findings->count++;
}

static void write_hex(char text[2 * HWACCL_DIGEST_SIZE + 1], const uint8_t *digest)
{
        for (unsigned i = 0; i < HWACCL_DIGEST_SIZE; i++)
                (void)snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
}

/* Digests, and what became of the recording since they were made. */
static json_t *print_seal(const struct findings *findings, const struct hwaccl_seal *seal)
{
        char content[2 * HWACCL_DIGEST_SIZE + 1], all[2 * HWACCL_DIGEST_SIZE + 1], origin[2 * HWACCL_DIGEST_SIZE + 1];

        write_hex(content, seal->content);
        write_hex(all, seal->seal);
        write_hex(origin, seal->origin);
        if (findings->json)
                return seal->found
                               ? json_pack("{s:s, s:s, s:o, s:b}", "content", content, "seal", all, "origin",
                                           seal->derived ? json_string(origin) : json_null(), "signed", seal->is_signed)
                               : json_null();
        if (findings->digest && seal->found)
                (void)printf("content %s\nseal    %s\n", content, all);
        if (!seal->found && !seal->expected)
                (void)printf("it has no digests: an older version recorded it, or it is not finished\n");
        if (seal->derived)
                (void)printf("made from the recording with seal %s%s\n", origin,
                             seal->is_signed ? "" : "; a signature of that is not one of this");
        if (findings->verify && seal->is_signed && !findings->count)
                (void)printf("signed with the private key of %s\n", findings->verify);
        return NULL;
}

static bool print_summary(struct findings *findings, const struct hwaccl_seal *seal, uint64_t exits, bool complete)
{
        json_t *digests = print_seal(findings, seal);

        if (findings->json)
                return cli_json_list_end(&findings->list, json_pack("{s:o, s:b, s:o}", "exits", cli_json_count(exits),
                                                                    "complete", complete, "digests", digests));
        if (!findings->count)
                (void)printf("%" PRIu64 " exits, no problem found\n", exits);
        return true;
}

static enum cli_status run(const struct cli_command *command, int argc, char **argv)
{
        struct findings findings = {.list.name = "findings"};
        struct hwaccl_error error, unsigned_because;
        struct hwaccl_seal seal = {.found = false};
        uint8_t key[HWACCL_DIGEST_SIZE];
        enum cli_status status;

        if (!cli_parse_options(command, argc, argv, &findings, &status))
                return status;
        const char *path = cli_one_operand(command, argc, argv, "recording");
        if (!path)
                return CLI_CANNOT;
        /* what reads a recording can read no other file */
        if (findings.verify && !hwaccl_seal_key_read(findings.verify, key, &error))
                return cli_error(command, "%s", error.message);
        struct hwaccl_recording *recording = cli_recording_open(command, path);
        if (!recording)
                return CLI_CANNOT;
        bool done = hwaccl_recording_check(recording, print_finding, &findings, &error) &&
                    hwaccl_replay_check_keyframes(recording, print_finding, &findings, &error) &&
                    hwaccl_recording_seal(recording, &seal, &error);
        if (done && findings.verify && !hwaccl_seal_verify(&seal, key, &unsigned_because))
                print_finding(&findings, unsigned_because.message);
        const struct hwaccl_recording_info info = *hwaccl_recording_info(recording);
        bool complete = info.status == HWACCL_RECORDING_COMPLETE;
        hwaccl_recording_close(recording);
        if (done && !print_summary(&findings, &seal, info.exit_count, complete))
                done = hwaccl_error_set(&error, "out of memory");
        if (!done) {
                cli_json_list_fail(&findings.list, error.message);
                return cli_file_error(command, path, error.message);
        }
        if (!complete)
                cli_recording_state(command, path, info.status, info.end);
        return findings.count ? CLI_BAD : CLI_CLEAN;
}

const struct cli_command cli_command_check = {
        .name = "check",
        .arguments = "[OPTION]... RECORDING",
        .summary = "check a recording's integrity",
        .options = options,
        .details =
                "Prints one line for each problem. Exit status: 0 no problem; 1 problems found; 2 not a recording, or\n"
                "unreadable.\n\n"
                "Example: hwaccl check boot.db\n",
        .run = run,
};
