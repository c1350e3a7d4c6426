/* What the replay of many recordings said, in the forms that CI systems read. */
#ifndef HWACCL_CORPUS_REPORT_H
#define HWACCL_CORPUS_REPORT_H

#include "replay/corpus/corpus_list.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct corpus_totals {
        uint64_t count[CORPUS_STATUS_COUNT]; /* recordings */
        uint64_t exits;
        uint64_t allowed; /* of the exits: they differ only in what rules allow */
        double seconds;   /* from the beginning to the end */
};

/** corpus_totals_count - add all up; the seconds are the caller's */
void corpus_totals_count(struct corpus_totals *totals, const struct corpus_list *list);

/** corpus_totals_failed - recordings that could not be judged */
uint64_t corpus_totals_failed(const struct corpus_totals *totals);

/** corpus_totals_print - "22 recordings: 20 clean, 1 diverged, 1 unreadable; 1234567 exits in 3.200 s"; where rules
 * allowed differences, how many exits have only such */
void corpus_totals_print(FILE *out, const struct corpus_totals *totals);

/** corpus_divergence_title - "exit 4052: I/O instruction at 0x87c9: out dx, al", to be escaped; fits 192 bytes */
void corpus_divergence_title(char *text, size_t room, const struct hwaccl_divergence *divergence);

/** corpus_extent_print - "12 of 60000 exits", or "at least 12 exits" where the replay came to no end */
void corpus_extent_print(FILE *out, const struct corpus_result *result);

/** corpus_command_text - the same as corpus_command_print, to be escaped; free() it. NULL: out of memory */
char *corpus_command_text(const char *path, const struct hwaccl_divergence *divergence, const char *options);

/** corpus_command_print - the command that replays that exit alone; @options: " --allow RULES" or "" */
void corpus_command_print(FILE *out, const char *path, const struct hwaccl_divergence *divergence, const char *options);

/*
 * The reports. What failed to be written shows ferror(3).
 * @options: of the command, for those which show it.
 */

/** corpus_junit_print - a JUnit file, as Jenkins and GitLab read it: a test case for each recording */
void corpus_junit_print(FILE *out, const struct corpus_list *list, const struct corpus_totals *totals,
                        const char *options);

/** corpus_markdown_print - a comment for a pull request, below GitHub's 65,536 characters: what is not clean */
void corpus_markdown_print(FILE *out, const struct corpus_list *list, const struct corpus_totals *totals,
                           const char *options);

/** corpus_annotations_print - GitHub workflow commands: an error for each recording that is not clean, at most ten */
void corpus_annotations_print(FILE *out, const struct corpus_list *list);

#endif
