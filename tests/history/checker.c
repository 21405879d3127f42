/* SPDX-License-Identifier: MIT */

/* Judges the history of a run: "ok" with its figures, or the first violation.
 *
 *   history_checker DIRECTORY [OPERATIONS_PER_SECOND]
 *
 * DIRECTORY has run.history, which is read first, and one NAME.history a
 * client; see history.h. A run with fewer operations a second before its first
 * fault does not count. Exit status: 0 ok, 1 a violation, 2 nothing can be said
 * (a broken line, a run that does not count). */

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "laws.h"
#include "search.h"

#define SUFFIX ".history"
#define RUN "run" SUFFIX
#define STATUS_VIOLATION 1
#define STATUS_NOTHING 2

struct figures {
    size_t grants;
    size_t searched;
    size_t given_up;
    double per_second; /* Before the first fault. */
    struct overlap overlap;
};

static bool take_file(struct history *history, const char *directory,
                      const char *file)
{
    char name[HISTORY_NAME_BYTES];
    char error[512];

    (void)snprintf(name, sizeof(name), "%.*s",
                   (int)(strlen(file) - strlen(SUFFIX)), file);
    if (history_read_file(history, directory, name, error, sizeof(error))) {
        return true;
    }
    (void)fprintf(stderr, "%s\n", error);
    return false;
}

static int is_of_client(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return dot != NULL && strcmp(dot, SUFFIX) == 0 &&
           strcmp(entry->d_name, RUN) != 0;
}

static bool take_all(struct history *history, const char *directory)
{
    struct dirent **entries = NULL;
    bool is_read = take_file(history, directory, RUN);
    int count = scandir(directory, &entries, is_of_client, alphasort);

    for (int i = 0; i < count; i++) {
        is_read = is_read && take_file(history, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return is_read && count > 0;
}

static void search_all(const struct history *history, struct verdict *verdict,
                       struct figures *figures)
{
    for (size_t i = 0; i < history->semaphores_count; i++) {
        switch (search_semaphore(history, i)) {
        case SEARCH_RIGHT:
            figures->searched++;
            break;
        case SEARCH_WRONG:
            figures->searched++;
            verdict_say(verdict, HISTORY_NEVER - 1, i,
                        "search: no order explains what happened on %s",
                        history->semaphores[i].name);
            break;
        case SEARCH_GIVEN_UP:
            figures->given_up++;
            break;
        case SEARCH_SKIPPED:
            break;
        }
    }
}

static void count(const struct history *history, struct figures *figures)
{
    int64_t first_ns = HISTORY_NEVER;
    int64_t last_ns = 0;
    size_t ended = 0;

    for (size_t i = 0; i < history->operations_count; i++) {
        const struct history_operation *operation = &history->operations[i];
        bool has_ended = operation->ended_ns != HISTORY_NEVER;

        figures->grants += operation->type == HISTORY_ACQUIRE && has_ended &&
                           operation->status == PERMIT_OK;
        if (has_ended && operation->ended_ns < history->fault_ns) {
            ended++;
            first_ns =
                operation->asked_ns < first_ns ? operation->asked_ns : first_ns;
            last_ns =
                operation->ended_ns > last_ns ? operation->ended_ns : last_ns;
        }
    }
    figures->per_second =
        last_ns > first_ns ? (double)ended * 1e9 / (double)(last_ns - first_ns)
                           : 0;
}

static int judge(const struct history *history, double least_per_second)
{
    struct figures figures = {0};
    struct verdict verdict;

    verdict_init(&verdict);
    count(history, &figures);
    laws_check_outcomes(history, &verdict);
    laws_check_order(history, &verdict);
    laws_check_waits(history, &verdict);
    laws_check_belief(history, &verdict, &figures.overlap);
    laws_check_values(history, &verdict);
    search_all(history, &verdict, &figures);
    if (verdict.at_ns != HISTORY_NEVER) {
        (void)printf("violation: %s\n", verdict.text);
        if (search_semaphore(history, verdict.semaphore) != SEARCH_SKIPPED) {
            history_print(history, verdict.semaphore);
        }
        return STATUS_VIOLATION;
    }
    (void)printf(
        "ok, %zu operations, %zu grants, worst overlap %" PRId64 " of %" PRId64
        " permits of %s, %zu small histories searched, %zu given up, %.0f "
        "operations/s before the first fault\n",
        history->operations_count, figures.grants, figures.overlap.believed,
        figures.overlap.permits,
        history->semaphores_count == 0
            ? "nothing"
            : history->semaphores[figures.overlap.semaphore].name,
        figures.searched, figures.given_up, figures.per_second);
    if (figures.per_second < least_per_second) {
        (void)printf("does not count: less than %.0f operations/s\n",
                     least_per_second);
        return STATUS_NOTHING;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct history history;
    int status = STATUS_NOTHING;

    if (argc != 2 && argc != 3) {
        (void)fprintf(stderr, "usage: history_checker DIRECTORY "
                              "[OPERATIONS_PER_SECOND]\n");
        return STATUS_NOTHING;
    }
    history_init(&history);
    if (take_all(&history, argv[1])) {
        status = judge(&history, argc == 3 ? strtod(argv[2], NULL) : 0);
    }
    history_deinit(&history);
    return status;
}
