/* SPDX-License-Identifier: MIT */
#include "laws.h"

#include <inttypes.h>
#include <stdlib.h>

/* A step of what is believed in, or of what there is. */
struct step {
    int64_t at_ns;
    size_t semaphore;
    int64_t believed;
    int64_t permits;
    size_t operation; /* Whose. */
};

struct steps {
    struct step *items;
    size_t count;
};

/* What a client believes of one grant, while its marks are read. */
struct belief {
    int64_t until_ns; /* 0: not now. */
    int64_t permits;  /* Not released yet. */
};

static void add(struct steps *steps, const struct history *history,
                size_t index, int64_t at_ns, int64_t believed, int64_t permits)
{
    steps->items[steps->count++] =
        (struct step){.at_ns = at_ns,
                      .semaphore = history->operations[index].semaphore,
                      .believed = believed,
                      .permits = permits,
                      .operation = index};
}

static int64_t min_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* Ends a belief at its own deadline, or earlier. */
static void end_belief(struct steps *steps, const struct history *history,
                       struct belief *belief, size_t index, int64_t at_ns)
{
    if (belief->until_ns != 0) {
        add(steps, history, index, min_ns(at_ns, belief->until_ns),
            -belief->permits, 0);
        belief->until_ns = 0;
    }
}

static void take_until(struct steps *steps, const struct history *history,
                       struct belief *belief, const struct history_mark *mark)
{
    const struct history_operation *acquire =
        &history->operations[mark->acquire];
    int64_t ended_ns = history->clients[acquire->client].ended_ns;

    if (belief->until_ns != 0 &&
        (belief->until_ns < mark->at_ns || mark->value <= mark->at_ns)) {
        end_belief(steps, history, belief, mark->acquire, mark->at_ns);
    }
    if (belief->permits == 0 || mark->value <= mark->at_ns ||
        mark->at_ns >= ended_ns) {
        return;
    }
    if (belief->until_ns == 0) {
        add(steps, history, mark->acquire, mark->at_ns, belief->permits, 0);
    }
    belief->until_ns = min_ns(mark->value, ended_ns);
}

/* From the sending on nobody believes in what was released. */
static void take_release(struct steps *steps, const struct history *history,
                         struct belief *belief, const struct history_mark *mark)
{
    if (belief->until_ns != 0) {
        add(steps, history, mark->acquire,
            min_ns(mark->at_ns, belief->until_ns), -mark->value, 0);
    }
    belief->permits -= mark->value;
    if (belief->permits == 0) {
        belief->until_ns = 0;
    }
}

static void add_marks(struct steps *steps, const struct history *history,
                      struct belief *beliefs)
{
    for (size_t i = 0; i < history->marks_count; i++) {
        const struct history_mark *mark = &history->marks[i];
        struct belief *belief = &beliefs[mark->acquire];

        switch (mark->type) {
        case MARK_UNTIL:
            take_until(steps, history, belief, mark);
            break;
        case MARK_LOST:
            end_belief(steps, history, belief, mark->acquire, mark->at_ns);
            break;
        case MARK_RELEASE:
            take_release(steps, history, belief, mark);
            break;
        }
    }
}

/* What was consumed is gone for good, what is posted there from its asking. */
static void add_operation(struct steps *steps, const struct history *history,
                          size_t index)
{
    const struct history_operation *operation = &history->operations[index];

    if (operation->type == HISTORY_POST &&
        history_may_have_happened(operation)) {
        add(steps, history, index, operation->asked_ns, 0, operation->permits);
    } else if (operation->type == HISTORY_CONSUME &&
               operation->ended_ns != HISTORY_NEVER &&
               operation->status == PERMIT_OK) {
        add(steps, history, index, operation->ended_ns, operation->permits, 0);
    }
}

/* At one instant, what makes room goes first. */
static int by_time(const void *left, const void *right)
{
    const struct step *a = left;
    const struct step *b = right;

    if (a->at_ns != b->at_ns) {
        return a->at_ns < b->at_ns ? -1 : 1;
    }
    if ((a->believed > 0) != (b->believed > 0)) {
        return a->believed > 0 ? 1 : -1;
    }
    return 0;
}

static void walk(const struct history *history, const struct steps *steps,
                 struct verdict *verdict, struct overlap *ret_overlap)
{
    struct overlap *now = calloc(history->semaphores_count + 1, sizeof(*now));
    char who[HISTORY_WHO_BYTES];

    if (now == NULL) {
        abort();
    }
    for (size_t i = 0; i < history->semaphores_count; i++) {
        now[i].semaphore = i;
        now[i].permits = history->semaphores[i].permits;
    }
    for (size_t i = 0; i < steps->count; i++) {
        const struct step *step = &steps->items[i];
        struct overlap *sum = &now[step->semaphore];

        sum->believed += step->believed;
        sum->permits += step->permits;
        if (sum->believed * ret_overlap->permits >
            ret_overlap->believed * sum->permits) {
            *ret_overlap = *sum;
        }
        if (sum->believed > sum->permits) {
            verdict_say(verdict, step->at_ns, step->semaphore,
                        "belief: %" PRId64 " of %" PRId64
                        " permits of %s are believed in, the last by %s",
                        sum->believed, sum->permits,
                        history->semaphores[step->semaphore].name,
                        history_who(history,
                                    &history->operations[step->operation],
                                    who));
        }
    }
    free(now);
}

void laws_check_belief(const struct history *history, struct verdict *verdict,
                       struct overlap *ret_overlap)
{
    size_t operations = history->operations_count;
    struct belief *beliefs = calloc(operations + 1, sizeof(*beliefs));
    struct steps steps = {0};

    /* A mark begins and ends at most one belief, an operation ends one. */
    steps.items =
        calloc(2 * history->marks_count + operations + 1, sizeof(*steps.items));
    if (beliefs == NULL || steps.items == NULL) {
        abort();
    }
    for (size_t i = 0; i < operations; i++) {
        beliefs[i].permits = history->operations[i].permits;
        add_operation(&steps, history, i);
    }
    add_marks(&steps, history, beliefs);
    for (size_t i = 0; i < operations; i++) {
        end_belief(&steps, history, &beliefs[i], i, HISTORY_NEVER);
    }
    qsort(steps.items, steps.count, sizeof(*steps.items), by_time);
    *ret_overlap = (struct overlap){.permits = 1};
    walk(history, &steps, verdict, ret_overlap);
    free(steps.items);
    free(beliefs);
}
