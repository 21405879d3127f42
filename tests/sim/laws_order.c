/* SPDX-License-Identifier: MIT */
#include "laws_order.h"

#include <stdlib.h>
#include <string.h>

#define WAITERS_MAX 4096

struct part {
    size_t name;
    uint32_t permits;
    uint32_t passes;
};

struct waiter { /* In the order of their keys. */
    uint64_t session_id;
    uint64_t request_id;
    uint64_t key_ns;
    bool has_come;       /* With the present event: it is in no queue yet. */
    enum laws_line line; /* Of its session. */
    struct part parts[LIMIT_PARTS_MAX];
    uint32_t parts_count;
};

struct order_laws {
    const struct permit_laws *book;
    struct waiter waiters[WAITERS_MAX];
    size_t count;
};

struct order_laws *order_laws_create(const struct permit_laws *book)
{
    struct order_laws *laws = malloc(sizeof(*laws));

    if (laws != NULL) {
        laws->book = book;
        laws->count = 0;
    }
    return laws;
}

void order_laws_destroy(struct order_laws *laws)
{
    free(laws);
}

void order_laws_restart(struct order_laws *laws)
{
    laws->count = 0;
}

static size_t find(const struct order_laws *laws, uint64_t session_id,
                   uint64_t request_id)
{
    size_t i = 0;

    while (i < laws->count && (laws->waiters[i].session_id != session_id ||
                               laws->waiters[i].request_id != request_id)) {
        i++;
    }
    return i;
}

void order_laws_came(struct order_laws *laws, const struct engine_event *event,
                     uint64_t key_ns)
{
    size_t at = laws->count;
    struct waiter *waiter;

    if (laws->count == WAITERS_MAX) {
        abort(); /* A test has nothing better to do. */
    }
    while (at > 0 && laws->waiters[at - 1].key_ns > key_ns) {
        at--;
    }
    waiter = &laws->waiters[at];
    memmove(waiter + 1, waiter, (laws->count - at) * sizeof(*waiter));
    laws->count++;
    *waiter = (struct waiter){.session_id = event->session_id,
                              .request_id = event->request_id,
                              .key_ns = key_ns,
                              .has_come = true,
                              .parts_count = event->acquire.parts_count};
    for (uint32_t i = 0; i < waiter->parts_count; i++) {
        const struct engine_part *part = &event->acquire.parts[i];

        waiter->parts[i] =
            (struct part){laws_name(part->semaphore), part->permits, 0};
    }
}

void order_laws_gone(struct order_laws *laws, uint64_t session_id,
                     uint64_t request_id)
{
    size_t i = find(laws, session_id, request_id);

    if (i < laws->count) {
        laws->count--;
        memmove(&laws->waiters[i], &laws->waiters[i + 1],
                (laws->count - i) * sizeof(laws->waiters[0]));
    }
}

void order_laws_line(struct order_laws *laws, uint64_t session_id,
                     enum laws_line line)
{
    for (size_t i = 0; i < laws->count; i++) {
        if (laws->waiters[i].session_id == session_id) {
            laws->waiters[i].line = line;
        }
    }
}

/* Is it in its queues, and counts there? */
static bool is_eligible(const struct order_laws *laws,
                        const struct waiter *waiter)
{
    if (waiter->has_come || waiter->line != LAWS_LINE_IS_UP) {
        return false;
    }
    for (uint32_t i = 0; i < waiter->parts_count; i++) {
        const struct part *part = &waiter->parts[i];
        const struct engine_definition *definition =
            permit_laws_definition(laws->book, part->name);

        if (definition != NULL && definition->per_session != 0 &&
            !definition->shadow &&
            permit_laws_share(laws->book, waiter->session_id, part->name) +
                    part->permits >
                definition->per_session) {
            return false;
        }
    }
    return true;
}

static struct part *part_of(struct waiter *waiter, size_t name)
{
    for (uint32_t i = 0; i < waiter->parts_count; i++) {
        if (waiter->parts[i].name == name) {
            return &waiter->parts[i];
        }
    }
    return NULL;
}

/* The granted one passes another on one semaphore. */
static const char *pass(const struct order_laws *laws, struct waiter *passed,
                        size_t name)
{
    const struct engine_definition *definition =
        permit_laws_definition(laws->book, name);
    struct part *part = part_of(passed, name);

    if (part == NULL || definition == NULL || definition->shadow ||
        passed->has_come) {
        return NULL;
    }
    if (part->passes >= definition->bypass && is_eligible(laws, passed)) {
        return definition->bypass == 0
                   ? "nobody is passed where nobody may pass"
                   : "nobody is passed more often than bypass says";
    }
    part->passes += definition->bypass > 0;
    return NULL;
}

const char *order_laws_granted(struct order_laws *laws, uint64_t session_id,
                               uint64_t request_id)
{
    size_t granted = find(laws, session_id, request_id);
    const struct waiter *waiter = &laws->waiters[granted];

    if (granted == laws->count) {
        return "who is granted something asked for it";
    }
    for (size_t i = 0; i < granted; i++) {
        for (uint32_t j = 0; j < waiter->parts_count; j++) {
            const char *problem =
                pass(laws, &laws->waiters[i], waiter->parts[j].name);

            if (problem != NULL) {
                return problem;
            }
        }
    }
    return waiter->line == LAWS_LINE_IS_DOWN
               ? "nobody is granted who is set aside"
               : NULL;
}

const char *order_laws_check(struct order_laws *laws,
                             const struct engine *engine)
{
    bool is_blocked[LAWS_NAMES_MAX] = {false};
    uint64_t available[LAWS_NAMES_MAX] = {0};

    for (uint32_t i = 0; laws->count > 0 && i < LAWS_NAMES_MAX; i++) {
        struct engine_semaphore_view view;

        if (engine_view_semaphore(
                engine, i < WORLD_NAMES ? world_name(i) : "nowhere", &view)) {
            available[i] = view.definition.shadow ? UINT64_MAX : view.available;
        }
    }
    for (size_t i = 0; i < laws->count; i++) {
        struct waiter *waiter = &laws->waiters[i];
        bool could_be = true;

        waiter->has_come = false;
        if (!is_eligible(laws, waiter)) {
            continue;
        }
        for (uint32_t j = 0; j < waiter->parts_count; j++) {
            const struct part *part = &waiter->parts[j];

            could_be = could_be && !is_blocked[part->name] &&
                       part->permits <= available[part->name];
        }
        if (could_be) {
            return "whoever could be served does not wait";
        }
        for (uint32_t j = 0; j < waiter->parts_count; j++) {
            const struct part *part = &waiter->parts[j];
            const struct engine_definition *definition =
                permit_laws_definition(laws->book, part->name);

            is_blocked[part->name] |= definition != NULL &&
                                      !definition->shadow &&
                                      part->passes >= definition->bypass;
        }
    }
    return NULL;
}
