/* SPDX-License-Identifier: MIT */
#include "laws.h"

#include <inttypes.h>
#include <stdlib.h>

#define NS_PER_MS INT64_C(1000000)

/* A grant, under a key to sort by. */
struct row {
    int64_t at_ns;
    const struct history_operation *operation;
};

struct table {
    struct row *rows;
    size_t count;
};

static bool is_granted(const struct history_operation *operation)
{
    return operation->type == HISTORY_ACQUIRE &&
           operation->ended_ns != HISTORY_NEVER &&
           operation->status == PERMIT_OK;
}

/* Was it in the queue from waiting_ns on, without a break? Outcomes of the
 * server's prove it only where the end of a line is the end of a session: a
 * session that lingers keeps its places, but others pass it meanwhile. */
static bool was_queued(const struct history *history,
                       const struct history_operation *operation)
{
    int64_t linger_ms = history->clients[operation->client].linger_ms;

    return operation->type == HISTORY_ACQUIRE &&
           operation->waiting_ns < operation->ended_ns &&
           history_is_plain(operation) &&
           (linger_ms == 0 || operation->ended_ns < history->fault_ns);
}

static void table_init(struct table *table, const struct history *history)
{
    table->count = 0;
    table->rows = calloc(history->operations_count + 1, sizeof(*table->rows));
    if (table->rows == NULL) {
        abort();
    }
}

static void table_add(struct table *table, int64_t at_ns,
                      const struct history_operation *operation)
{
    table->rows[table->count++] =
        (struct row){.at_ns = at_ns, .operation = operation};
}

static int by_time(const void *left, const void *right)
{
    const struct row *a = left;
    const struct row *b = right;

    return a->at_ns < b->at_ns ? -1 : a->at_ns > b->at_ns ? 1 : 0;
}

static int by_fence(const void *left, const void *right)
{
    const struct history_operation *a = ((const struct row *)left)->operation;
    const struct history_operation *b = ((const struct row *)right)->operation;

    return a->fence < b->fence ? -1 : a->fence > b->fence ? 1 : 0;
}

static void sort_by_time(struct table *table)
{
    qsort(table->rows, table->count, sizeof(*table->rows), by_time);
}

static void check_twice(const struct history *history, struct table *grants,
                        struct verdict *verdict)
{
    char one[HISTORY_WHO_BYTES];
    char other[HISTORY_WHO_BYTES];

    qsort(grants->rows, grants->count, sizeof(*grants->rows), by_fence);
    for (size_t i = 1; i < grants->count; i++) {
        const struct history_operation *a = grants->rows[i - 1].operation;
        const struct history_operation *b = grants->rows[i].operation;

        if (a->fence == b->fence) {
            verdict_say(
                verdict, a->ended_ns > b->ended_ns ? a->ended_ns : b->ended_ns,
                b->semaphore, "fence: %" PRIu64 " is of %s and of %s", a->fence,
                history_who(history, a, one), history_who(history, b, other));
        }
    }
}

/* Both tables are in the order of time. Who is in `before` at an instant has a
 * lower fence than who is asked for after it. */
static void check_fences(const struct history *history,
                         const struct table *before, const struct table *asked,
                         const char *what, struct verdict *verdict)
{
    const struct history_operation *highest = NULL;
    char one[HISTORY_WHO_BYTES];
    char other[HISTORY_WHO_BYTES];
    size_t next = 0;

    for (size_t i = 0; i < asked->count; i++) {
        const struct history_operation *operation = asked->rows[i].operation;

        while (next < before->count &&
               before->rows[next].at_ns < asked->rows[i].at_ns) {
            if (highest == NULL ||
                highest->fence < before->rows[next].operation->fence) {
                highest = before->rows[next].operation;
            }
            next++;
        }
        if (highest != NULL && highest->fence > operation->fence) {
            verdict_say(verdict, operation->ended_ns, operation->semaphore,
                        "%s: %s asked after %s, and has the lower fence", what,
                        history_who(history, operation, one),
                        history_who(history, highest, other));
        }
    }
}

/* Who waited to its end in vain was before those that came meanwhile. */
static void check_passed(const struct history *history,
                         const struct table *asked,
                         const struct history_operation *waiter,
                         struct verdict *verdict)
{
    int64_t out_ns = waiter->asked_ns + waiter->wait_ms * NS_PER_MS;
    char one[HISTORY_WHO_BYTES];
    char other[HISTORY_WHO_BYTES];
    size_t low = 0;
    size_t high = asked->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (asked->rows[middle].at_ns <= waiter->waiting_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < asked->count && asked->rows[low].at_ns < out_ns; low++) {
        const struct history_operation *operation = asked->rows[low].operation;

        if (operation->ended_ns < out_ns) {
            verdict_say(verdict, operation->ended_ns, operation->semaphore,
                        "order: %s was granted, past %s",
                        history_who(history, operation, one),
                        history_who(history, waiter, other));
        }
    }
}

static void check_semaphore(const struct history *history, size_t semaphore,
                            struct verdict *verdict)
{
    struct table asked;
    struct table queued;

    table_init(&asked, history);
    table_init(&queued, history);
    for (size_t i = 0; i < history->operations_count; i++) {
        const struct history_operation *operation = &history->operations[i];

        if (operation->semaphore != semaphore || !is_granted(operation)) {
            continue;
        }
        table_add(&asked, operation->asked_ns, operation);
        if (was_queued(history, operation)) {
            table_add(&queued, operation->waiting_ns, operation);
        }
    }
    sort_by_time(&asked);
    sort_by_time(&queued);
    check_fences(history, &queued, &asked, "order", verdict);
    for (size_t i = 0; i < history->operations_count; i++) {
        const struct history_operation *operation = &history->operations[i];

        if (operation->semaphore == semaphore &&
            operation->status == PERMIT_E_TIMEOUT &&
            was_queued(history, operation)) {
            check_passed(history, &asked, operation, verdict);
        }
    }
    free(queued.rows);
    free(asked.rows);
}

void laws_check_order(const struct history *history, struct verdict *verdict)
{
    struct table asked;
    struct table ended;

    table_init(&asked, history);
    table_init(&ended, history);
    for (size_t i = 0; i < history->operations_count; i++) {
        const struct history_operation *operation = &history->operations[i];

        if (is_granted(operation)) {
            table_add(&asked, operation->asked_ns, operation);
            table_add(&ended, operation->ended_ns, operation);
        }
    }
    sort_by_time(&asked);
    sort_by_time(&ended);
    check_fences(history, &ended, &asked, "fence", verdict);
    check_twice(history, &ended, verdict);
    for (size_t i = 0; i < history->semaphores_count; i++) {
        check_semaphore(history, i, verdict);
    }
    free(ended.rows);
    free(asked.rows);
}
