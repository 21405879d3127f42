/* SPDX-License-Identifier: MIT */
#include "search.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NS_PER_MS INT64_C(1000000)
#define STATES_MAX (UINT32_C(1) << 17)

enum stage {
    STAGE_ASKED = 0, /* Not arrived. */
    STAGE_QUEUED,
    STAGE_DONE,    /* Granted, refused, gone, released. */
    STAGE_CROSSED, /* Granted, but cancelled: given back some time. */
    STAGE_CROSSED_BACK
};

/* One point of an order, with all that follows from those before it. Compared
 * and hashed as bytes up to queue_count; the rest follows from these. */
struct state {
    uint8_t stages[SEARCH_OPERATIONS_MAX];
    uint8_t queue[SEARCH_OPERATIONS_MAX];
    uint8_t queue_count;
    int64_t held;
    int64_t now_ns; /* The earliest instant that it may be. */
    uint64_t fence; /* Of the last grant. */
};

struct search {
    const struct history_operation *operations[SEARCH_OPERATIONS_MAX];
    uint8_t count;
    int64_t permits;
    XXH128_hash_t *seen; /* Where no order goes on from. */
    uint32_t seen_count;
};

/* ------------------------------------------------------------ states seen
 */

/* Enters a state. Returns false if it was there. */
static bool enter(struct search *search, const struct state *state)
{
    size_t bytes = offsetof(struct state, queue) + state->queue_count;
    XXH128_hash_t hash = XXH3_128bits(state, bytes);
    uint32_t index = (uint32_t)hash.low64 & (2 * STATES_MAX - 1);

    while (search->seen[index].low64 != 0 || search->seen[index].high64 != 0) {
        if (XXH128_isEqual(search->seen[index], hash)) {
            return false;
        }
        index = (index + 1) & (2 * STATES_MAX - 1);
    }
    search->seen[index] = hash;
    search->seen_count++;
    return true;
}

/* --------------------------------------------------- a sequential semaphore
 */

/* Its outcome, which the history knows, must be that of being granted now. */
static bool grant(const struct search *search, struct state *state,
                  uint8_t index)
{
    const struct history_operation *operation = search->operations[index];

    state->held += operation->permits;
    if (operation->status == PERMIT_E_CANCELLED) {
        state->stages[index] = STAGE_CROSSED;
        return true;
    }
    if (operation->status != PERMIT_OK || operation->fence <= state->fence) {
        return false;
    }
    state->fence = operation->fence;
    state->stages[index] = STAGE_DONE;
    return true;
}

static void dequeue(struct state *state, uint8_t place)
{
    state->queue_count--;
    memmove(state->queue + place, state->queue + place + 1,
            (size_t)(state->queue_count - place));
}

/* Serves the queue. Returns false if that is not what happened. */
static bool serve(const struct search *search, struct state *state)
{
    while (state->queue_count > 0) {
        uint8_t first = state->queue[0];

        if (state->held + search->operations[first]->permits >
            search->permits) {
            break;
        }
        dequeue(state, 0);
        if (!grant(search, state, first)) {
            return false;
        }
    }
    return true;
}

static bool arrive(const struct search *search, struct state *state,
                   uint8_t index)
{
    const struct history_operation *operation = search->operations[index];
    bool fits = state->queue_count == 0 &&
                state->held + operation->permits <= search->permits;

    if (fits) {
        return grant(search, state, index);
    }
    if (operation->wait_ms == 0) {
        state->stages[index] = STAGE_DONE;
        return operation->status == PERMIT_E_WOULD_BLOCK;
    }
    if (operation->status == PERMIT_E_WOULD_BLOCK) {
        return false;
    }
    state->stages[index] = STAGE_QUEUED;
    state->queue[state->queue_count++] = index;
    return true;
}

/* A waiter leaves: its wait is over, or it was cancelled. */
static bool leave(const struct search *search, struct state *state,
                  uint8_t index)
{
    uint8_t place = 0;

    while (state->queue[place] != index) {
        place++;
    }
    dequeue(state, place);
    state->stages[index] = STAGE_DONE;
    return serve(search, state);
}

/* --------------------------------------------------------------- the search
 */

/* By when the next step of an operation must have come; NEVER: it need not. Who
 * was told that it waits had arrived. */
static int64_t due_ns(const struct search *search, const struct state *state,
                      uint8_t index)
{
    const struct history_operation *operation = search->operations[index];

    if (state->stages[index] >= STAGE_DONE) {
        return HISTORY_NEVER;
    }
    return state->stages[index] == STAGE_ASKED &&
                   operation->waiting_ns < operation->ended_ns
               ? operation->waiting_ns
               : operation->ended_ns;
}

/* From when on the next step of an operation may come; NEVER: it has none. */
static int64_t ready_ns(const struct search *search, const struct state *state,
                        uint8_t index)
{
    const struct history_operation *operation = search->operations[index];

    switch ((enum stage)state->stages[index]) {
    case STAGE_ASKED:
        return operation->asked_ns;
    case STAGE_QUEUED:
        if (operation->status == PERMIT_E_TIMEOUT) {
            return operation->asked_ns + operation->wait_ms * NS_PER_MS;
        }
        return operation->status == PERMIT_E_CANCELLED ? operation->cancel_ns
                                                       : HISTORY_NEVER;
    case STAGE_CROSSED:
        return state->now_ns;
    case STAGE_DONE:
    case STAGE_CROSSED_BACK:
        break;
    }
    return HISTORY_NEVER;
}

/* Does the next step of an operation. Returns false if that cannot be. */
static bool step(const struct search *search, struct state *state,
                 uint8_t index)
{
    const struct history_operation *operation = search->operations[index];

    switch ((enum stage)state->stages[index]) {
    case STAGE_QUEUED:
        return leave(search, state, index);
    case STAGE_CROSSED:
        state->stages[index] = STAGE_CROSSED_BACK;
        state->held -= operation->permits;
        return serve(search, state);
    case STAGE_ASKED:
    case STAGE_DONE:
    case STAGE_CROSSED_BACK:
        break;
    }
    if (operation->type == HISTORY_RELEASE) {
        state->stages[index] = STAGE_DONE;
        state->held -= operation->permits;
        return serve(search, state);
    }
    return arrive(search, state, index);
}

static enum search_result go_on(struct search *search,
                                const struct state *state)
{
    int64_t limit_ns = HISTORY_NEVER;

    for (uint8_t i = 0; i < search->count; i++) {
        int64_t at_ns = due_ns(search, state, i);

        limit_ns = at_ns < limit_ns ? at_ns : limit_ns;
    }
    if (limit_ns == HISTORY_NEVER) {
        return SEARCH_RIGHT;
    }
    if (state->now_ns > limit_ns || !enter(search, state)) {
        return SEARCH_WRONG;
    }
    if (search->seen_count == STATES_MAX) {
        return SEARCH_GIVEN_UP;
    }
    for (uint8_t i = 0; i < search->count; i++) {
        int64_t at_ns = ready_ns(search, state, i);
        enum search_result result;
        struct state next;

        if (at_ns > limit_ns) {
            continue;
        }
        next = *state;
        next.now_ns = at_ns > next.now_ns ? at_ns : next.now_ns;
        if (!step(search, &next, i)) {
            continue;
        }
        result = go_on(search, &next);
        if (result != SEARCH_WRONG) {
            return result;
        }
    }
    return SEARCH_WRONG;
}

/* What it holds, and the end of its session gives back, is in no operation. */
static bool was_killed_holding(const struct history *history,
                               const struct history_operation *operation)
{
    return operation->type == HISTORY_ACQUIRE &&
           operation->status == PERMIT_OK &&
           operation->back_ns == HISTORY_NEVER &&
           history->clients[operation->client].was_killed;
}

/* Returns false if there is something that it does not know. */
static bool collect(struct search *search, const struct history *history,
                    size_t semaphore)
{
    search->count = 0;
    for (size_t i = 0; i < history->operations_count; i++) {
        const struct history_operation *operation = &history->operations[i];

        if (operation->semaphore != semaphore) {
            continue;
        }
        if (search->count == SEARCH_OPERATIONS_MAX ||
            !history_is_plain(operation) ||
            operation->lost_ns != HISTORY_NEVER ||
            was_killed_holding(history, operation) ||
            history->clients[operation->client].linger_ms != 0) {
            return false;
        }
        search->operations[search->count++] = operation;
    }
    return search->count > 0;
}

enum search_result search_semaphore(const struct history *history,
                                    size_t semaphore)
{
    struct search search = {.permits = history->semaphores[semaphore].permits};
    struct state state;
    enum search_result result;

    if (history->semaphores[semaphore].is_counting ||
        !collect(&search, history, semaphore)) {
        return SEARCH_SKIPPED;
    }
    search.seen = calloc(2 * (size_t)STATES_MAX, sizeof(*search.seen));
    if (search.seen == NULL) {
        abort();
    }
    memset(&state, 0, sizeof(state));
    result = go_on(&search, &state);
    free(search.seen);
    return result;
}
