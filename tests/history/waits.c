/* SPDX-License-Identifier: MIT */
#include "laws.h"

#include <stdlib.h>

#define NS_PER_MS INT64_C(1000000)

/* A step of who may hold, who may stand in the queue, and who surely does. */
struct step {
    int64_t at_ns;
    size_t semaphore;
    int holders; /* That may be. */
    int active;  /* Holders and waiters that may be. */
    int waiters; /* That surely are. */
    const struct history_operation *operation;
    enum { STEP_OTHER, STEP_TRY, STEP_REFUSED } type;
};

struct steps {
    struct step *items;
    size_t count;
};

struct state {
    int holders;
    int active;
    int waiters;
    int64_t idle_ns; /* Since when nobody may be active; NEVER: not now. */
    const struct history_operation *waiter; /* The last that surely came. */
};

static void add(struct steps *steps, struct step step)
{
    if (step.at_ns != HISTORY_NEVER) {
        steps->items[steps->count++] = step;
    }
}

/* When what it may have obtained is surely back. */
static int64_t back_ns(const struct history *history,
                       const struct history_operation *operation)
{
    if (operation->back_ns != HISTORY_NEVER) {
        return operation->back_ns;
    }
    return history->settled_ns > operation->asked_ns ? history->settled_ns
                                                     : HISTORY_NEVER;
}

static bool is_refused(const struct history_operation *operation)
{
    return operation->ended_ns != HISTORY_NEVER &&
           (operation->status == PERMIT_E_WOULD_BLOCK ||
            operation->status == PERMIT_E_TIMEOUT);
}

static void add_refused(struct steps *steps, const struct history *history,
                        const struct history_operation *operation)
{
    /* A session that lingers may have been set aside. */
    bool is_sure = history->clients[operation->client].linger_ms == 0 ||
                   operation->ended_ns < history->fault_ns;
    int64_t out_ns = operation->asked_ns + operation->wait_ms * NS_PER_MS;
    struct step step = {.at_ns = operation->asked_ns,
                        .semaphore = operation->semaphore,
                        .operation = operation};

    if (operation->status == PERMIT_E_WOULD_BLOCK) {
        step.type = STEP_TRY;
        add(steps, step);
        step.at_ns = operation->ended_ns;
        step.type = STEP_REFUSED;
        add(steps, step);
        return;
    }
    step.active = 1;
    add(steps, step);
    step.at_ns = operation->ended_ns;
    step.active = -1;
    add(steps, step);
    if (is_sure && operation->waiting_ns < out_ns) {
        step.active = 0;
        step.waiters = 1;
        step.at_ns = operation->waiting_ns;
        add(steps, step);
        step.waiters = -1;
        step.at_ns = out_ns;
        add(steps, step);
    }
}

static void add_operation(struct steps *steps, const struct history *history,
                          const struct history_operation *operation)
{
    struct step step = {.at_ns = operation->asked_ns,
                        .semaphore = operation->semaphore,
                        .holders = 1,
                        .active = 1,
                        .operation = operation};

    if (operation->type != HISTORY_ACQUIRE ||
        history->semaphores[operation->semaphore].is_counting) {
        return;
    }
    if (is_refused(operation)) {
        add_refused(steps, history, operation);
        return;
    }
    if (operation->ended_ns == HISTORY_NEVER ||
        operation->status != PERMIT_E_DISCONNECTED) {
        add(steps, step);
        step.holders = -1;
        step.active = -1;
        step.at_ns = back_ns(history, operation);
        add(steps, step);
    }
}

static int excuse(const struct step *step)
{
    return step->active + step->holders - step->waiters;
}

/* At one instant, what excuses goes first. */
static int by_time(const void *left, const void *right)
{
    const struct step *a = left;
    const struct step *b = right;

    if (a->at_ns != b->at_ns) {
        return a->at_ns < b->at_ns ? -1 : 1;
    }
    return excuse(b) - excuse(a);
}

static void take(struct state *state, const struct history *history,
                 const struct step *step, struct verdict *verdict)
{
    const struct history_operation *operation = step->operation;
    const char *name = history->semaphores[step->semaphore].name;
    char who[HISTORY_WHO_BYTES];

    state->holders += step->holders;
    state->active += step->active;
    state->waiters += step->waiters;
    if (step->waiters > 0) {
        state->waiter = operation;
    }
    if (state->active > 0) {
        state->idle_ns = HISTORY_NEVER;
    } else if (state->idle_ns == HISTORY_NEVER) {
        state->idle_ns = step->at_ns;
    }
    if (step->type == STEP_REFUSED && state->idle_ns < operation->asked_ns) {
        verdict_say(verdict, step->at_ns, step->semaphore,
                    "waits: %s was refused by %s, which nobody held",
                    history_who(history, operation, who), name);
    }
    if (state->waiters > 0 && state->holders == 0) {
        verdict_say(verdict, step->at_ns, step->semaphore,
                    "waits: %s, or one before it, waits for %s, which nobody "
                    "holds",
                    history_who(history, state->waiter, who), name);
    }
}

void laws_check_waits(const struct history *history, struct verdict *verdict)
{
    struct state *states =
        calloc(history->semaphores_count + 1, sizeof(*states));
    struct steps steps = {0};

    steps.items =
        calloc(4 * history->operations_count + 1, sizeof(*steps.items));
    if (states == NULL || steps.items == NULL) {
        abort();
    }
    for (size_t i = 0; i < history->operations_count; i++) {
        add_operation(&steps, history, &history->operations[i]);
    }
    qsort(steps.items, steps.count, sizeof(*steps.items), by_time);
    for (size_t i = 0; i < steps.count; i++) {
        take(&states[steps.items[i].semaphore], history, &steps.items[i],
             verdict);
    }
    free(steps.items);
    free(states);
}
