#include "replay/corpus/corpus_jobs.h"

#include "replay/corpus/corpus_process.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define POLL_LONGEST 1000 /* milliseconds */

struct run {
        struct corpus_list *list;
        const struct corpus_jobs *jobs;
        size_t *order; /* of the files: large ones first, so that none is left to run alone at the end */
        size_t next;
        struct corpus_process *process; /* those that run are in front */
        struct pollfd *poll;            /* two for each */
        size_t running;
        bool stopping;
};

unsigned corpus_jobs_processors(void)
{
        cpu_set_t set;
        int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

        return count < 1 ? 1 : (unsigned)count < CORPUS_JOBS_MAX ? (unsigned)count : CORPUS_JOBS_MAX;
}

static int by_size(const void *a, const void *b, void *opaque)
{
        const struct corpus_file *file = opaque;
        size_t x = *(const size_t *)a, y = *(const size_t *)b;

        if (file[x].size != file[y].size)
                return file[x].size > file[y].size ? -1 : 1;
        return x < y ? -1 : x > y;
}

static void finish(struct run *run, struct corpus_file *file)
{
        bool clean = file->result.status == CORPUS_CLEAN;

        if (run->jobs->finished)
                run->jobs->finished(run->jobs->opaque, file);
        run->stopping |= run->jobs->fail_fast && !clean;
}

static void start_some(struct run *run)
{
        while (!run->stopping && run->running < run->jobs->count && run->next < run->list->count) {
                struct corpus_file *file = &run->list->file[run->order[run->next++]];
                struct hwaccl_error error;
                if (file->result.status != CORPUS_NOT_RUN) {
                        finish(run, file); /* it could not even be found */
                } else if (corpus_process_start(&run->process[run->running], file, run->jobs, &error)) {
                        run->running++;
                } else if (run->running > 0) { /* when one of them has ended, there is room again */
                        run->next--;
                        return;
                } else {
                        corpus_result_fail(&file->result, CORPUS_UNREADABLE, error.message);
                        finish(run, file);
                }
        }
}

/* Milliseconds until the first time limit. */
static int longest_wait(const struct run *run)
{
        int longest = POLL_LONGEST;

        for (size_t i = 0; i < run->running; i++) {
                int left = corpus_process_time_left(&run->process[i]);
                longest = left < longest ? left : longest;
        }
        return longest;
}

static bool wait_for_some(struct run *run, struct hwaccl_error *error)
{
        for (size_t i = 0; i < run->running; i++) {
                run->poll[2 * i] = (struct pollfd){corpus_process_pipe(&run->process[i], 0), POLLIN, 0};
                run->poll[2 * i + 1] = (struct pollfd){corpus_process_pipe(&run->process[i], 1), POLLIN, 0};
        }
        if (poll(run->poll, 2 * run->running, longest_wait(run)) >= 0 || errno == EINTR)
                return true;
        return hwaccl_error_set(error, "cannot wait for the processes: %s", strerror(errno));
}

static void look_at_all(struct run *run)
{
        for (size_t i = run->running; i-- > 0;) {
                struct corpus_process *process = &run->process[i];
                if (corpus_process_continue(process))
                        continue;
                struct corpus_file *file = process->file;
                run->process[i] = run->process[--run->running];
                finish(run, file);
        }
}

static void stop_all(struct run *run)
{
        for (; run->running; run->running--)
                corpus_process_abandon(&run->process[run->running - 1]);
}

static bool run_all(struct run *run, struct hwaccl_error *error)
{
        bool good = true;

        start_some(run);
        while (good && run->running && !run->stopping) {
                good = wait_for_some(run, error);
                look_at_all(run);
                start_some(run);
        }
        stop_all(run);
        return good;
}

bool corpus_jobs_run(struct corpus_list *list, const struct corpus_jobs *jobs, struct hwaccl_error *error)
{
        struct run run = {.list = list, .jobs = jobs};
        bool good = true;

        if (!list->count)
                return true;
        run.order = calloc(list->count, sizeof(*run.order));
        run.process = calloc(jobs->count, sizeof(*run.process));
        run.poll = calloc(jobs->count, 2 * sizeof(*run.poll));
        if (!run.order || !run.process || !run.poll) {
                good = hwaccl_error_set(error, "out of memory");
        } else {
                for (size_t i = 0; i < list->count; i++)
                        run.order[i] = i;
                qsort_r(run.order, list->count, sizeof(*run.order), by_size, list->file);
                good = run_all(&run, error);
        }
        free(run.order);
        free(run.process);
        free(run.poll);
        return good;
}
