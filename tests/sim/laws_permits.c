/* SPDX-License-Identifier: MIT */
#include "laws_permits.h"

#include <stdlib.h>
#include <string.h>

#define HELD_MAX 8192
#define TAKEN_MAX 64 /* That are looked back at. */

struct held { /* One part of a grant. */
    uint64_t grant_id;
    uint64_t session_id;
    uint64_t acquire_id;
    size_t name;
    bool is_gone; /* That semaphore was deleted. */
    bool is_rate;
    uint32_t permits;
};

struct taken { /* Tokens, within these times; below 0: given back. */
    int64_t tokens;
    uint64_t earliest_ns;
    uint64_t latest_ns;
};

struct semaphore {
    bool is_there;
    struct engine_definition definition;
    int64_t permits; /* COUNTING: start, plus posted, less consumed. */
    int64_t out;
    int64_t out_before; /* When the event began, or the limit changed. */
    struct taken taken[TAKEN_MAX];
    size_t taken_count;
};

struct permit_laws {
    const struct engine_event *event;
    struct semaphore semaphores[LAWS_NAMES_MAX];
    struct held held[HELD_MAX];
    size_t held_count;
};

struct permit_laws *permit_laws_create(void)
{
    return calloc(1, sizeof(struct permit_laws));
}

void permit_laws_destroy(struct permit_laws *laws)
{
    free(laws);
}

void permit_laws_restart(struct permit_laws *laws)
{
    for (size_t i = 0; i < LAWS_NAMES_MAX; i++) {
        laws->semaphores[i].taken_count = 0;
    }
}

void permit_laws_event(struct permit_laws *laws,
                       const struct engine_event *event)
{
    laws->event = event;
    for (size_t i = 0; i < LAWS_NAMES_MAX; i++) {
        struct semaphore *semaphore = &laws->semaphores[i];

        semaphore->out_before = semaphore->out;
        semaphore->taken_count =
            event->type == ENGINE_POST ? 0 : semaphore->taken_count;
    }
}

/* --------------------------------------------------------------- the book */

size_t laws_name(const char *name)
{
    size_t i = 0;

    while (i < WORLD_NAMES && strcmp(world_name((uint32_t)i), name) != 0) {
        i++;
    }
    return i; /* The last is for all that are not in the list. */
}

const struct engine_definition *
permit_laws_definition(const struct permit_laws *laws, size_t name)
{
    return laws->semaphores[name].is_there ? &laws->semaphores[name].definition
                                           : NULL;
}

uint64_t permit_laws_share(const struct permit_laws *laws, uint64_t session_id,
                           size_t name)
{
    uint64_t share = 0;

    for (size_t i = 0; i < laws->held_count; i++) {
        const struct held *held = &laws->held[i];

        if (held->session_id == session_id && held->name == name &&
            !held->is_gone && !held->is_rate) {
            share += held->permits;
        }
    }
    return share;
}

bool permit_laws_holds(const struct permit_laws *laws, uint64_t session_id,
                       uint64_t acquire_id)
{
    for (size_t i = 0; i < laws->held_count; i++) {
        if (laws->held[i].session_id == session_id &&
            laws->held[i].acquire_id == acquire_id) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------- tokens
 */

/* Of all stretches of time that end with the latest take, does one have more
 * than a bucket that was full when it began? */
static const char *check_tokens(const struct semaphore *semaphore)
{
    const struct engine_definition *definition = &semaphore->definition;
    uint64_t per_ns = definition->per_ms * NS_PER_MS;
    uint64_t end_ns = semaphore->taken[semaphore->taken_count - 1].latest_ns;
    int64_t sum = 0;

    for (size_t i = semaphore->taken_count; i-- > 0;) {
        const struct taken *taken = &semaphore->taken[i];
        __extension__ unsigned __int128 flow = end_ns - taken->earliest_ns;

        flow = flow * definition->rate / per_ns + definition->burst;
        sum += taken->tokens;
        if (sum > 0 && (uint64_t)sum > flow) {
            return "no more tokens are taken than burst and what flowed in";
        }
    }
    return NULL;
}

static const char *take_tokens(struct permit_laws *laws, size_t name,
                               int64_t tokens, uint64_t earliest_ns,
                               uint64_t latest_ns)
{
    struct semaphore *semaphore = &laws->semaphores[name];

    /* In shadow it gives more than it has; and when the server gives some back
     * is not recorded. */
    if (semaphore->definition.shadow || laws->event->type == ENGINE_POST) {
        semaphore->taken_count = 0;
        return NULL;
    }
    if (semaphore->taken_count == TAKEN_MAX) {
        memmove(semaphore->taken, semaphore->taken + 1,
                (TAKEN_MAX - 1) * sizeof(semaphore->taken[0]));
        semaphore->taken_count--;
    }
    semaphore->taken[semaphore->taken_count++] =
        (struct taken){tokens, earliest_ns, latest_ns};
    return check_tokens(semaphore);
}

/* ------------------------------------------------------------------ records
 */

static const char *granted(struct permit_laws *laws,
                           const struct engine_record *record,
                           uint64_t arrived_ns)
{
    size_t name = laws_name(record->semaphore);
    struct semaphore *semaphore = &laws->semaphores[name];
    const struct engine_definition *definition = &semaphore->definition;
    bool is_rate = definition->kind == ENGINE_RATE;
    uint64_t earliest_ns = arrived_ns + (uint64_t)record->waited_ms * NS_PER_MS;
    uint64_t latest_ns = earliest_ns + NS_PER_MS - 1;
    const char *problem = NULL;

    if (!semaphore->is_there) {
        return "what is granted was defined";
    }
    if (arrived_ns == laws->event->now_ns ||
        latest_ns > laws->event->now_ns) { /* It may have come just now. */
        latest_ns = laws->event->now_ns;
    }
    if (is_rate) {
        problem =
            take_tokens(laws, name, record->permits, earliest_ns, latest_ns);
    } else if (record->consume) {
        semaphore->permits -= record->permits;
    } else {
        semaphore->out += record->permits;
    }
    if (!record->consume) {
        if (laws->held_count == HELD_MAX) {
            return "too many grants";
        }
        laws->held[laws->held_count++] =
            (struct held){.grant_id = record->grant_id,
                          .session_id = record->session_id,
                          .acquire_id = record->request_id,
                          .name = name,
                          .is_rate = is_rate,
                          .permits = record->permits};
    }
    if (definition->per_session != 0 && !definition->shadow &&
        permit_laws_share(laws, record->session_id, name) >
            definition->per_session) {
        return "no session gets more than its share";
    }
    return problem;
}

static void give_back(struct permit_laws *laws, size_t i, uint32_t permits)
{
    struct held *held = &laws->held[i];

    if (!held->is_gone && !held->is_rate) {
        laws->semaphores[held->name].out -= permits;
    }
    held->permits -= permits;
    if (held->permits == 0) {
        *held = laws->held[--laws->held_count];
    }
}

static const char *released(struct permit_laws *laws,
                            const struct engine_record *record)
{
    size_t name = laws_name(record->semaphore);

    for (size_t i = 0; i < laws->held_count; i++) {
        const struct held *held = &laws->held[i];

        if (held->grant_id == record->grant_id && held->name == name) {
            if (record->permits > held->permits) {
                return "nobody releases more than he holds";
            }
            give_back(laws, i, record->permits);
            return NULL;
        }
    }
    return "what is released was held";
}

/* What is used is told by the event, by name; of others all was. */
static void refund(struct permit_laws *laws, const struct held *held)
{
    const struct engine_event *event = laws->event;

    for (uint32_t i = 0; i < event->settle.actual_count; i++) {
        const struct engine_part *actual = &event->settle.actual[i];

        if (laws_name(actual->semaphore) == held->name && !held->is_gone) {
            (void)take_tokens(laws, held->name,
                              (int64_t)actual->permits - held->permits,
                              event->now_ns, event->now_ns);
        }
    }
}

static void defined(struct permit_laws *laws,
                    const struct engine_record *record)
{
    struct semaphore *semaphore =
        &laws->semaphores[laws_name(record->semaphore)];

    if (!semaphore->is_there) {
        memset(semaphore, 0, sizeof(*semaphore));
        semaphore->is_there = true;
        semaphore->permits = record->definition.permits;
    } else if (record->definition.kind == ENGINE_BOUNDED) {
        semaphore->permits = record->definition.permits;
    }
    semaphore->definition = record->definition;
    semaphore->taken_count = 0;
    /* What was granted until now was granted under the old limit. */
    if (semaphore->out_before < semaphore->out) {
        semaphore->out_before = semaphore->out;
    }
}

static void deleted(struct permit_laws *laws, size_t name)
{
    memset(&laws->semaphores[name], 0, sizeof(laws->semaphores[name]));
    for (size_t i = 0; i < laws->held_count; i++) {
        if (laws->held[i].name == name) {
            laws->held[i].is_gone = true;
        }
    }
}

/* All of a grant, or of a session, or the RATEs of a grant. */
static void end_all(struct permit_laws *laws,
                    const struct engine_record *record)
{
    bool has_ended = record->type == ENGINE_RECORD_SESSION_ENDED;
    bool is_settled = record->type == ENGINE_RECORD_SETTLED;

    for (size_t i = laws->held_count; i-- > 0;) {
        const struct held *held = &laws->held[i];

        if (has_ended ? held->session_id != record->session_id
                      : held->grant_id != record->grant_id) {
            continue;
        }
        if (is_settled && !held->is_rate) {
            continue;
        }
        if (is_settled) {
            refund(laws, held);
        }
        give_back(laws, i, held->permits);
    }
}

const char *permit_laws_record(struct permit_laws *laws,
                               const struct engine_record *record,
                               uint64_t arrived_ns)
{
    switch (record->type) {
    case ENGINE_RECORD_GRANTED:
        return granted(laws, record, arrived_ns);
    case ENGINE_RECORD_RELEASED:
        return released(laws, record);
    case ENGINE_RECORD_EXPIRED:
    case ENGINE_RECORD_SETTLED:
    case ENGINE_RECORD_SESSION_ENDED:
        end_all(laws, record);
        break;
    case ENGINE_RECORD_DEFINED:
        defined(laws, record);
        break;
    case ENGINE_RECORD_DELETED:
        deleted(laws, laws_name(record->semaphore));
        break;
    case ENGINE_RECORD_POSTED:
        laws->semaphores[laws_name(record->semaphore)].permits +=
            record->permits;
        break;
    case ENGINE_RECORD_SESSION_OPENED:
    case ENGINE_RECORD_REVOKED:
    case ENGINE_RECORD_RENEWED:
        break;
    }
    return NULL;
}

const char *permit_laws_check(const struct permit_laws *laws)
{
    for (size_t i = 0; i < LAWS_NAMES_MAX; i++) {
        const struct semaphore *semaphore = &laws->semaphores[i];
        const struct engine_definition *definition = &semaphore->definition;

        if (semaphore->out < 0) {
            return "nothing is given back twice";
        }
        if (semaphore->is_there && !definition->shadow &&
            semaphore->out > semaphore->permits &&
            (definition->kind == ENGINE_COUNTING ||
             semaphore->out > semaphore->out_before)) {
            return "never more is out than there are permits";
        }
    }
    return NULL;
}
