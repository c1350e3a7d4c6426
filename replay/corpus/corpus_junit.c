/* JUnit's XML: the elements and attributes that both Jenkins' and GitLab's readers know. */
#include "replay/corpus/corpus_report.h"
#include "replay/corpus/corpus_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void print_difference(FILE *out, const struct hwaccl_difference *difference)
{
        (void)fputs("  ", out);
        corpus_text_xml(out, difference->what);
        (void)fputs("  recorded ", out);
        corpus_text_xml(out, difference->recorded);
        (void)fputs("  replayed ", out);
        corpus_text_xml(out, difference->replayed);
        (void)fputc('\n', out);
}

/* A shell's word may hold what XML does not: through a text. */
static void print_command(FILE *out, const char *path, const struct hwaccl_divergence *divergence, const char *options)
{
        char *command = corpus_command_text(path, divergence, options);

        if (command)
                corpus_text_xml(out, command);
        free(command);
}

static void print_divergences(FILE *out, const struct corpus_file *file, const char *options)
{
        struct hwaccl_divergence divergence;
        size_t count = corpus_result_details(&file->result);
        char title[192];

        corpus_result_divergence(&file->result, 0, &divergence);
        corpus_divergence_title(title, sizeof(title), &divergence);
        (void)fputs("      <failure type=\"divergence\" message=\"", out);
        corpus_extent_print(out, &file->result);
        (void)fputs("; first: ", out);
        corpus_text_xml(out, title);
        (void)fputs("\">", out);
        print_command(out, file->path, &divergence, options);
        (void)fputc('\n', out);
        for (size_t i = 0; i < count; i++) {
                corpus_result_divergence(&file->result, i, &divergence);
                corpus_divergence_title(title, sizeof(title), &divergence);
                corpus_text_xml(out, title);
                (void)fputc('\n', out);
                for (unsigned k = 0; k < divergence.difference_count; k++)
                        print_difference(out, &divergence.difference[k]);
        }
        if (file->result.divergences > count)
                (void)fprintf(out, "%" PRIu64 " more divergences not shown\n", file->result.divergences - count);
        if (file->result.error) {
                (void)fputs("then: ", out);
                corpus_text_xml(out, file->result.error);
                (void)fputc('\n', out);
        }
        (void)fputs("</failure>\n", out);
}

static void print_case(FILE *out, const struct corpus_file *file, const char *options)
{
        const struct corpus_result *result = &file->result;

        (void)fputs("    <testcase classname=\"hwaccl.replay\" name=\"", out);
        corpus_text_xml(out, file->path);
        (void)fprintf(out, "\" time=\"%.3f\"", result->seconds);
        if (result->status == CORPUS_CLEAN) {
                (void)fputs("/>\n", out);
                return;
        }
        (void)fputs(">\n", out);
        if (result->status == CORPUS_DIVERGED) {
                print_divergences(out, file, options);
        } else if (result->status == CORPUS_NOT_RUN) {
                (void)fputs("      <skipped/>\n", out);
        } else {
                (void)fprintf(out, "      <error type=\"%s\" message=\"", corpus_status_name(result->status));
                corpus_text_xml(out, corpus_result_error(result));
                (void)fputs("\"/>\n", out);
        }
        (void)fputs("    </testcase>\n", out);
}

void corpus_junit_print(FILE *out, const struct corpus_list *list, const struct corpus_totals *totals,
                        const char *options)
{
        char counts[256];

        (void)snprintf(counts, sizeof(counts),
                       "tests=\"%zu\" failures=\"%" PRIu64 "\" errors=\"%" PRIu64 "\" time=\"%.3f\"", list->count,
                       totals->count[CORPUS_DIVERGED], corpus_totals_failed(totals), totals->seconds);
        (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
        (void)fprintf(out, "<testsuites name=\"hwaccl replay\" %s>\n", counts);
        (void)fprintf(out, "  <testsuite name=\"hwaccl replay\" %s skipped=\"%" PRIu64 "\">\n", counts,
                      totals->count[CORPUS_NOT_RUN]);
        for (size_t i = 0; i < list->count; i++)
                print_case(out, &list->file[i], options);
        (void)fputs("  </testsuite>\n</testsuites>\n", out);
}
