#include "replay/cli/replay_print.h"

#include "replay/cli/json.h"
#include "replay/cli/output.h"
#include "replay/report.h"

#include "core/text.h"
#include "hwaccl/exit_reason.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a recording may hold. Beside controls, no part of a line is a workflow command for GitHub's runner. */
static void make_safe(char *text)
{
        hwaccl_text_make_safe(text);
        for (char *found = text; (found = strstr(found, "##["));)
                found[2] = '?';
}

static void print_reason(uint64_t exit_reason)
{
        uint64_t basic = exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        const char *name = hwaccl_exit_reason_name(basic);
        if (name)
                (void)printf("%s", name);
        else
                (void)printf("reason %" PRIu64, basic);
}

void cli_divergence_print(const struct hwaccl_divergence *divergence, const char *indent)
{
        int what_width, recorded_width;

        char instruction[sizeof(divergence->instruction)];
        (void)snprintf(instruction, sizeof(instruction), "%s", divergence->instruction);
        make_safe(instruction);
        (void)printf("%s%sexit %" PRIu64 ": ", indent, cli_colour(CLI_BOLD), divergence->exit);
        print_reason(divergence->exit_reason);
        (void)printf(" at 0x%" PRIx64 "%s%s%s\n", divergence->rip, instruction[0] ? ": " : "", instruction,
                     cli_colour(CLI_PLAIN));
        replay_report_widths(divergence, &what_width, &recorded_width);
        for (unsigned i = 0; i < divergence->difference_count; i++) {
                char what[64], recorded[96], replayed[96];
                const struct hwaccl_difference *difference = &divergence->difference[i];
                (void)snprintf(what, sizeof(what), "%s", difference->what);
                (void)snprintf(recorded, sizeof(recorded), "%s", difference->recorded);
                (void)snprintf(replayed, sizeof(replayed), "%s", difference->replayed);
                make_safe(what);
                make_safe(recorded);
                make_safe(replayed);
                (void)printf("%s  %-*s  recorded %s%-*s%s  replayed %s%s%s\n", indent, what_width, what,
                             cli_colour(CLI_GREEN), recorded_width, recorded, cli_colour(CLI_PLAIN),
                             cli_colour(CLI_RED), replayed, cli_colour(CLI_PLAIN));
        }
}

json_t *cli_divergence_object(const struct hwaccl_divergence *divergence)
{
        json_t *differences = json_array();
        const char *name = hwaccl_exit_reason_name(divergence->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK);

        for (unsigned i = 0; i < divergence->difference_count; i++) {
                const struct hwaccl_difference *difference = &divergence->difference[i];
                cli_json_append(&differences, json_pack("{s:o, s:o, s:o}", "what", cli_json_text(difference->what),
                                                        "recorded", cli_json_text(difference->recorded), "replayed",
                                                        cli_json_text(difference->replayed)));
        }
        return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "vcpu", (json_int_t)divergence->vcpu, "exit",
                         (json_int_t)divergence->exit, "reason_number",
                         (json_int_t)(divergence->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK), "reason",
                         cli_json_text(name), "rip", cli_json_hex(divergence->rip), "instruction",
                         divergence->instruction[0] ? cli_json_text(divergence->instruction) : json_null(),
                         "differences", differences);
}

json_t *cli_rules_array(const struct allow_rules *rules)
{
        json_t *array = json_array();

        for (size_t i = 0; i < rules->count; i++)
                cli_json_append(&array,
                                json_pack("{s:o, s:o, s:b}", "line", cli_json_count(rules->rule[i].line), "matches",
                                          cli_json_count(rules->rule[i].matches), "expired", rules->rule[i].expired));
        return array;
}
