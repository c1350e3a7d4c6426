/* What the reports have in common. */
#include "replay/corpus/corpus_report.h"

#include "hwaccl/exit_reason.h"
#include "replay/corpus/corpus_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void corpus_totals_count(struct corpus_totals *totals, const struct corpus_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                totals->count[list->file[i].result.status]++;
                totals->exits += list->file[i].result.exits;
                totals->allowed += list->file[i].result.allowed;
        }
}

uint64_t corpus_totals_failed(const struct corpus_totals *totals)
{
        return totals->count[CORPUS_UNREADABLE] + totals->count[CORPUS_CRASHED] + totals->count[CORPUS_TIME_LIMIT] +
               totals->count[CORPUS_MEMORY_LIMIT];
}

void corpus_totals_print(FILE *out, const struct corpus_totals *totals)
{
        static const enum corpus_status order[] = {CORPUS_CLEAN,   CORPUS_DIVERGED,   CORPUS_UNREADABLE,
                                                   CORPUS_CRASHED, CORPUS_TIME_LIMIT, CORPUS_MEMORY_LIMIT,
                                                   CORPUS_NOT_RUN};
        uint64_t recordings = 0;

        for (unsigned i = 0; i < CORPUS_STATUS_COUNT; i++)
                recordings += totals->count[i];
        (void)fprintf(out, "%" PRIu64 " recording%s: %" PRIu64 " clean", recordings, recordings == 1 ? "" : "s",
                      totals->count[CORPUS_CLEAN]);
        for (size_t i = 1; i < sizeof(order) / sizeof(order[0]); i++) {
                bool limit = order[i] == CORPUS_TIME_LIMIT || order[i] == CORPUS_MEMORY_LIMIT;
                if (totals->count[order[i]])
                        (void)fprintf(out, ", %" PRIu64 " %s%s", totals->count[order[i]], limit ? "over the " : "",
                                      corpus_status_name(order[i]));
        }
        (void)fprintf(out, "; %" PRIu64 " exits in %.3f s", totals->exits, totals->seconds);
        if (totals->allowed)
                (void)fprintf(out, "; %" PRIu64 " of them differ%s only in what the rules allow", totals->allowed,
                              totals->allowed == 1 ? "s" : "");
}

void corpus_divergence_title(char *text, size_t room, const struct hwaccl_divergence *divergence)
{
        uint64_t reason = divergence->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
        const char *name = hwaccl_exit_reason_name(reason);
        char number[32];

        (void)snprintf(number, sizeof(number), "reason %" PRIu64, reason);
        (void)snprintf(text, room, "exit %" PRIu64 ": %s at 0x%" PRIx64 "%s%s", divergence->exit, name ? name : number,
                       divergence->rip, divergence->instruction[0] ? ": " : "", divergence->instruction);
}

void corpus_command_print(FILE *out, const char *path, const struct hwaccl_divergence *divergence, const char *options)
{
        (void)fprintf(out, "hwaccl replay%s ", options);
        if (divergence->vcpu)
                (void)fprintf(out, "--vcpu %" PRIu32 " ", divergence->vcpu);
        corpus_text_shell(out, path);
        (void)fprintf(out, " %" PRIu64, divergence->exit);
}

char *corpus_command_text(const char *path, const struct hwaccl_divergence *divergence, const char *options)
{
        char *command = NULL;
        size_t size;
        FILE *text = open_memstream(&command, &size);

        if (!text)
                return NULL;
        corpus_command_print(text, path, divergence, options);
        if (fclose(text) == 0)
                return command;
        free(command);
        return NULL;
}

void corpus_extent_print(FILE *out, const struct corpus_result *result)
{
        if (result->error)
                (void)fprintf(out, "at least %" PRIu64 " exit%s", result->divergences,
                              result->divergences == 1 ? "" : "s");
        else
                (void)fprintf(out, "%" PRIu64 " of %" PRIu64 " exits", result->divergences, result->exits);
}
