#include "replay/cli/replay_corpus.h"

#include "replay/cli/json.h"
#include "replay/cli/message.h"
#include "replay/cli/output.h"
#include "replay/cli/parse.h"
#include "replay/cli/replay_print.h"

#include "core/text.h"
#include "replay/corpus/corpus_jobs.h"
#include "replay/corpus/corpus_report.h"
#include "replay/corpus/corpus_text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MEMORY_LIMIT_MIN (UINT64_C(1) << 20)

struct corpus {
        const struct cli_command *command;
        const struct replay_settings *settings;
        enum cli_status (*replay)(const struct cli_command *, const struct replay_settings *, const char *);
        struct corpus_list list;
        struct corpus_totals totals;
        uint64_t finished;
        FILE *junit, *markdown;
        char *options; /* of the command that reproduces a divergence; NULL: none, or out of memory */
};

bool cli_parse_memory_limit(const struct cli_command *command, const struct cli_option *option, const char *text,
                            void *field)
{
        uint64_t size;

        if (!cli_parse_size(text, &size) || size < MEMORY_LIMIT_MIN || size > INT64_MAX)
                return cli_value_error(command, option, text, "a size of at least 1M, such as 512M");
        *(uint64_t *)field = size;
        return true;
}

bool cli_parse_shard(const struct cli_command *command, const struct cli_option *option, const char *text, void *field)
{
        struct replay_shard *shard = field;
        const char *slash = strchr(text, '/');
        char index[24];

        if (slash && slash - text < (ptrdiff_t)sizeof(index)) {
                (void)snprintf(index, sizeof(index), "%.*s", (int)(slash - text), text);
                if (cli_parse_number(index, &shard->index) && cli_parse_number(slash + 1, &shard->count) &&
                    shard->index >= 1 && shard->index <= shard->count)
                        return true;
        }
        return cli_value_error(command, option, text, "a part and the number of parts, such as 1/4");
}

bool cli_replay_is_corpus(const struct replay_settings *settings)
{
        return settings->jobs || settings->time_limit || settings->memory_limit || settings->shard.count ||
               settings->filter || settings->fail_fast || settings->junit || settings->markdown || settings->bisect;
}

static int replay_process(void *opaque, const char *path)
{
        const struct corpus *corpus = opaque;
        struct allow_rules *rules = corpus->settings->rules;

        for (size_t i = 0; rules && i < rules->count; i++)
                rules->rule[i].matches = 0; /* those of recordings that ended before are there */
        return (int)corpus->replay(corpus->command, corpus->settings, path);
}

/* What the rules allowed in a recording. */
static void add_matches(struct allow_rules *rules, const struct corpus_file *file)
{
        const json_t *array = json_object_get(file->result.document, "rules");

        for (size_t i = 0; i < rules->count; i++) {
                json_int_t matches = json_integer_value(json_object_get(json_array_get(array, i), "matches"));
                rules->rule[i].matches += matches > 0 ? (uint64_t)matches : 0;
        }
}

static void finished(void *opaque, const struct corpus_file *file)
{
        struct corpus *corpus = opaque;

        if (corpus->settings->rules)
                add_matches(corpus->settings->rules, file);
        cli_progress(++corpus->finished);
}

static void print_diverged(const struct corpus_file *file, const char *options)
{
        const struct corpus_result *result = &file->result;
        struct hwaccl_divergence divergence;
        size_t count = corpus_result_details(result);

        (void)printf("%sdiverged: ", cli_colour(CLI_BOLD));
        corpus_text_terminal(stdout, file->path);
        (void)printf("%s: ", cli_colour(CLI_PLAIN));
        corpus_extent_print(stdout, result);
        (void)putchar('\n');
        for (size_t i = 0; i < count; i++) {
                corpus_result_divergence(result, i, &divergence);
                cli_divergence_print(&divergence, "  ");
        }
        if (result->divergences > count)
                (void)printf("  %" PRIu64 " more not shown\n", result->divergences - count);
        corpus_result_divergence(result, 0, &divergence);
        (void)printf("  reproduce: ");
        corpus_command_print(stdout, file->path, &divergence, options);
        (void)putchar('\n');
        if (result->error) {
                (void)printf("  then: ");
                corpus_text_terminal(stdout, result->error);
                (void)putchar('\n');
        }
}

static bool is_failed(enum corpus_status status)
{
        return status != CORPUS_CLEAN && status != CORPUS_DIVERGED && status != CORPUS_NOT_RUN;
}

static void print_failed(const struct corpus *corpus, const struct corpus_file *file)
{
        const struct corpus_result *result = &file->result;
        bool plain = result->status == CORPUS_UNREADABLE;
        char *text = NULL;
        size_t size;
        FILE *line = open_memstream(&text, &size);

        if (line) {
                corpus_text_terminal(line, file->path);
                (void)fprintf(line, ": %s%s", plain ? "" : corpus_status_name(result->status), plain ? "" : ": ");
                corpus_text_terminal(line, corpus_result_error(result));
        }
        (void)cli_error(corpus->command, "%s", line && fclose(line) == 0 ? text : "out of memory");
        free(text);
}

static json_t *file_object(const struct corpus_file *file)
{
        const struct corpus_result *result = &file->result;
        json_t *details = json_object_get(result->document, "details");
        json_t *complete = json_object_get(result->document, "complete");
        json_t *object = json_pack("{s:o, s:s, s:o, s:o, s:o, s:f, s:O, s:o}", "path", cli_json_text(file->path),
                                   "status", corpus_status_name(result->status), "exits", cli_json_count(result->exits),
                                   "divergences", cli_json_count(result->divergences), "first_divergence",
                                   result->divergences ? cli_json_count(result->first) : json_null(), "seconds",
                                   result->seconds, "complete", complete ? complete : json_null(), "details",
                                   details ? json_incref(details) : json_array());

        json_t *allowed = json_object_get(result->document, "allowed");
        if (allowed)
                cli_json_set(&object, "allowed", json_incref(allowed));
        if (is_failed(result->status) || result->error)
                cli_json_set(&object, "error", cli_json_text(corpus_result_error(result)));
        return object;
}

static bool print_json(const struct corpus *corpus)
{
        const struct corpus_totals *totals = &corpus->totals;
        struct cli_json_list list = {.name = "recordings"};
        json_t *counts = json_object();

        for (size_t i = 0; i < corpus->list.count; i++)
                if (!cli_json_list_add(&list, file_object(&corpus->list.file[i])))
                        break;
        for (unsigned i = 0; i < CORPUS_STATUS_COUNT; i++)
                cli_json_set(&counts, corpus_status_name(i), cli_json_count(totals->count[i]));
        json_t *members = json_pack("{s:o, s:o, s:f}", "counts", counts, "exits", cli_json_count(totals->exits),
                                    "seconds", totals->seconds);
        if (corpus->settings->rules) {
                cli_json_set(&members, "allowed", cli_json_count(totals->allowed));
                cli_json_set(&members, "rules", cli_rules_array(corpus->settings->rules));
        }
        return cli_json_list_end(&list, members);
}

static const char *options_of(const struct corpus *corpus)
{
        return corpus->options ? corpus->options : "";
}

static void print_text(const struct corpus *corpus)
{
        bool bad = corpus->totals.count[CORPUS_DIVERGED] || corpus_totals_failed(&corpus->totals);

        for (size_t i = 0; i < corpus->list.count && !cli_output_broken(); i++)
                if (corpus->list.file[i].result.status == CORPUS_DIVERGED)
                        print_diverged(&corpus->list.file[i], options_of(corpus));
        (void)printf("%s", cli_colour(bad ? CLI_RED : CLI_GREEN));
        corpus_totals_print(stdout, &corpus->totals);
        (void)printf("%s\n", cli_colour(CLI_PLAIN));
}

/* Where the option's value is forgotten, a shell's pattern gives a recording as such. */
static bool is_database(const char *path)
{
        static const char magic[] = "SQLite format 3";
        char start[sizeof(magic)];
        struct stat status;
        FILE *file = stat(path, &status) == 0 && S_ISREG(status.st_mode) ? fopen(path, "re") : NULL;

        if (!file)
                return false;
        bool found = fread(start, sizeof(start), 1, file) == 1 && memcmp(start, magic, sizeof(magic)) == 0;
        (void)fclose(file);
        return found;
}

/* Before the replay, which takes minutes: is the report's place one that can be written? */
static bool open_report(const struct cli_command *command, const char *path, FILE **file)
{
        if (!path)
                return true;
        if (is_database(path)) {
                (void)cli_error(command, "%s: cannot write: is a database: expected a file for the report", path);
                return false;
        }
        *file = fopen(path, "we");
        if (!*file)
                (void)cli_error(command, "%s: cannot write: %s", path, strerror(errno));
        return *file != NULL;
}

static bool close_report(const struct cli_command *command, const char *path, FILE *file)
{
        bool failed = ferror(file) != 0;

        if (fclose(file) == 0 && !failed)
                return true;
        (void)cli_error(command, "%s: cannot write: %s", path, strerror(errno));
        return false;
}

static void print_rule_markdown(void *opaque, const char *text)
{
        (void)fputs("- <code>", opaque);
        corpus_text_markdown(opaque, text);
        (void)fputs("</code>\n", opaque);
}

static void print_markdown(FILE *out, const struct corpus *corpus)
{
        corpus_markdown_print(out, &corpus->list, &corpus->totals, options_of(corpus));
        if (corpus->settings->rules)
                allow_rules_report(corpus->settings->rules, print_rule_markdown, out);
}

static void print_rule(void *opaque, const char *text)
{
        cli_notice((const struct cli_command *)opaque, "%s", text);
}

static bool write_summary(const struct corpus *corpus)
{
        const char *path = getenv("GITHUB_STEP_SUMMARY");
        FILE *file = path && *path ? fopen(path, "ae") : NULL;

        if (!path || !*path)
                return true;
        if (!file) {
                (void)cli_error(corpus->command, "%s: cannot write: %s", path, strerror(errno));
                return false;
        }
        print_markdown(file, corpus);
        return close_report(corpus->command, path, file);
}

/* The reports in files, and GitHub's where it is seen. */
static bool write_reports(const struct corpus *corpus)
{
        const struct replay_settings *settings = corpus->settings;
        const char *github = getenv("GITHUB_ACTIONS");
        bool good = true;

        if (corpus->junit) {
                corpus_junit_print(corpus->junit, &corpus->list, &corpus->totals, options_of(corpus));
                good &= close_report(corpus->command, settings->junit, corpus->junit);
        }
        if (corpus->markdown) {
                print_markdown(corpus->markdown, corpus);
                good &= close_report(corpus->command, settings->markdown, corpus->markdown);
        }
        if (github && strcmp(github, "true") == 0) {
                (void)fflush(stdout);
                corpus_annotations_print(stderr, &corpus->list);
                good &= write_summary(corpus);
        }
        return good;
}

static bool find_recordings(struct corpus *corpus, char **path, int count)
{
        const struct replay_settings *settings = corpus->settings;
        struct hwaccl_error error;

        for (int i = 0; i < count; i++)
                if (!corpus_list_add(&corpus->list, path[i], &error)) {
                        (void)cli_error(corpus->command, "%s", error.message);
                        return false;
                }
        corpus_list_sort(&corpus->list);
        if (!corpus->list.count) {
                (void)cli_error(corpus->command, "%s%s: no recordings: expected files *.db", path[0],
                                count > 1 ? " and others" : "");
                return false;
        }
        if (settings->filter)
                corpus_list_filter(&corpus->list, settings->filter);
        if (!corpus->list.count) {
                (void)cli_error(corpus->command, "no recording matches '%s'", settings->filter);
                return false;
        }
        if (settings->shard.count)
                corpus_list_shard(&corpus->list, settings->shard.index, settings->shard.count);
        return true;
}

static double now(void)
{
        struct timespec time;
        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool replay_all(struct corpus *corpus)
{
        const struct replay_settings *settings = corpus->settings;
        const struct corpus_jobs jobs = {
                .count = settings->jobs ? settings->jobs : corpus_jobs_processors(),
                .time_limit = settings->time_limit,
                .memory_limit = settings->memory_limit,
                .fail_fast = settings->fail_fast,
                .replay = replay_process,
                .finished = finished,
                .opaque = corpus,
        };
        struct hwaccl_error error;
        double start = now();

        (void)signal(SIGCHLD, SIG_DFL); /* it may have been ignored: processes could not be waited for */
        cli_progress_start_of(corpus->list.count, "recordings");
        bool good = corpus_jobs_run(&corpus->list, &jobs, &error);
        cli_progress_clear();
        corpus->totals.seconds = now() - start;
        corpus_totals_count(&corpus->totals, &corpus->list);
        if (!good)
                (void)cli_error(corpus->command, "%s", error.message);
        return good;
}

static enum cli_status replay_and_report(struct corpus *corpus)
{
        bool good = replay_all(corpus);

        if (!corpus->settings->json)
                print_text(corpus);
        else if (!print_json(corpus))
                good = cli_error(corpus->command, "out of memory") == CLI_CLEAN;
        for (size_t i = 0; i < corpus->list.count; i++)
                if (is_failed(corpus->list.file[i].result.status))
                        print_failed(corpus, &corpus->list.file[i]);
        if (corpus->settings->rules)
                allow_rules_report(corpus->settings->rules, print_rule, (void *)(uintptr_t)corpus->command);
        good &= write_reports(corpus);
        if (corpus->totals.count[CORPUS_DIVERGED])
                return CLI_BAD;
        return good && !corpus_totals_failed(&corpus->totals) ? CLI_CLEAN : CLI_CANNOT;
}

static char *allow_option(const char *path)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        (void)fputs(" --allow ", out);
        corpus_text_shell(out, path);
        if (fclose(out) == 0)
                return text;
        free(text);
        return NULL;
}

enum cli_status cli_replay_corpus(const struct cli_command *command, const struct replay_settings *settings,
                                  char **path, int count,
                                  enum cli_status (*replay)(const struct cli_command *command,
                                                            const struct replay_settings *settings, const char *path))
{
        struct corpus corpus = {.command = command, .settings = settings, .replay = replay};
        enum cli_status status = CLI_CANNOT;

        corpus.options = settings->rules ? allow_option(settings->allow) : NULL;
        if (find_recordings(&corpus, path, count) && open_report(command, settings->junit, &corpus.junit) &&
            open_report(command, settings->markdown, &corpus.markdown))
                status = replay_and_report(&corpus);
        corpus_list_release(&corpus.list);
        free(corpus.options);
        return status;
}
