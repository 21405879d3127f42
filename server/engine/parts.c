/* SPDX-License-Identifier: MIT */
#include "chains.h"

#include <assert.h>

/* The parts of an acquire: what waits in queues, and what is held. */

struct part *part_at(const struct engine *engine, uint32_t index)
{
    return index == 0 ? NULL : pool_at(&engine->parts, index);
}

struct part *part_find(const struct engine *engine,
                       const struct acquire *acquire,
                       const struct semaphore *semaphore)
{
    uint32_t wanted = semaphore_index(engine, semaphore);
    struct part *part = part_at(engine, acquire->parts);

    while (part != NULL && part->semaphore != wanted) {
        part = part_at(engine, part->next);
    }
    return part;
}

static uint32_t part_index(const struct engine *engine, const struct part *part)
{
    return (uint32_t)(part -
                      (const struct part *)(const void *)engine->parts.items);
}

/* Behind the parts that it has. */
static struct part *part_add(struct engine *engine, struct acquire *acquire,
                             const struct semaphore *semaphore,
                             uint32_t permits)
{
    uint32_t index = pool_take(&engine->parts);
    struct part *part = part_at(engine, index);
    uint32_t *end = &acquire->parts;

    assert(part != NULL); /* The limits of waiters and grants fit in. */
    part->acquire = acquire_index(engine, acquire);
    part->semaphore = semaphore_index(engine, semaphore);
    part->permits = permits;
    while (*end != 0) {
        end = &part_at(engine, *end)->next;
    }
    *end = index;
    return part;
}

static void part_remove(struct engine *engine, struct acquire *acquire,
                        struct part *part)
{
    uint32_t index = part_index(engine, part);
    uint32_t *link = &acquire->parts;

    while (*link != index) {
        link = &part_at(engine, *link)->next;
    }
    *link = part->next;
    pool_give(&engine->parts, index);
}

/* ---------------------------------------------------------------- waiting */

void acquire_queue(struct engine *engine, struct acquire *acquire,
                   struct semaphore *semaphore, uint32_t permits, bool consume,
                   uint64_t key_ns, uint64_t number)
{
    struct part *part = part_add(engine, acquire, semaphore, permits);

    assert(acquire->state == 0);
    part->consume = consume;
    part->place =
        queue_insert(&engine->queues, &semaphore->queue,
                     acquire_index(engine, acquire), permits, key_ns, number);
}

void acquire_wait(struct engine *engine, struct acquire *acquire,
                  uint64_t deadline_ns)
{
    assert(acquire->state == 0 && acquire->parts != 0);
    acquire->since_ns = engine->now_ns;
    acquire_set_state(engine, acquire, ACQUIRE_WAITING);
    deadlines_set(&engine->deadlines, &acquire->deadline, DEADLINE_ENDS_WAIT,
                  deadline_ns);
}

void acquire_unqueue(struct engine *engine, struct acquire *acquire)
{
    struct part *part;

    assert(acquire->state == ACQUIRE_WAITING);
    deadlines_clear(&engine->deadlines, &acquire->deadline);
    while ((part = part_at(engine, acquire->parts)) != NULL) {
        struct semaphore *semaphore = semaphore_at(engine, part->semaphore);
        queue_remove(&engine->queues, &semaphore->queue, part->place);
        part_remove(engine, acquire, part);
        semaphore_mark_to_be_served(engine, semaphore);
    }
    acquire_set_state(engine, acquire, 0);
}

bool acquire_is_over_share(const struct engine *engine,
                           const struct acquire *acquire)
{
    for (const struct part *part = part_at(engine, acquire->parts);
         part != NULL; part = part_at(engine, part->next)) {
        const struct semaphore *semaphore =
            semaphore_at(engine, part->semaphore);
        if (semaphore->per_session != 0 && !semaphore->shadow &&
            semaphore_share_of(engine, semaphore, acquire->session) +
                    part->permits >
                semaphore->per_session) {
            return true;
        }
    }
    return false;
}

void acquire_set_aside(struct engine *engine, struct acquire *acquire,
                       unsigned aside)
{
    bool is_moved = (acquire->aside != 0) != (aside != 0);

    assert(acquire->state == ACQUIRE_WAITING);
    acquire->aside = (uint8_t)aside;
    for (const struct part *part = part_at(engine, acquire->parts);
         is_moved && part != NULL; part = part_at(engine, part->next)) {
        queue_set_aside(&engine->queues, part->place, aside != 0);
        semaphore_mark_to_be_served(engine,
                                    semaphore_at(engine, part->semaphore));
    }
}

/* ---------------------------------------------------------------- holding */

int64_t hold_smaller(int64_t hold_ms, int64_t other_ms)
{
    if (hold_ms == 0 || other_ms == 0) {
        return hold_ms + other_ms;
    }
    return hold_ms < other_ms ? hold_ms : other_ms;
}

int64_t acquire_capped_hold(const struct engine *engine,
                            const struct acquire *acquire, int64_t hold_ms)
{
    assert(acquire->state == ACQUIRE_HELD);
    for (const struct part *part = part_at(engine, acquire->parts);
         part != NULL; part = part_at(engine, part->next)) {
        hold_ms = hold_smaller(hold_ms,
                               semaphore_at(engine, part->semaphore)->hold_ms);
    }
    return hold_ms;
}

/* Has the waiters of the session looked at again: they may be over its share
 * now, or no more. */
static void share_has_changed(struct engine *engine,
                              const struct semaphore *semaphore,
                              struct session *session)
{
    const struct list *waiters = engine_session_list(session, ACQUIRE_WAITING);

    if (semaphore->per_session != 0 && waiters->count > 0) {
        assert(engine->sharing == NULL || engine->sharing == session);
        engine->sharing = session;
        engine->sharing_waiter = waiters->first;
    }
}

void acquire_hold(struct engine *engine, struct acquire *acquire,
                  const struct engine_record *record)
{
    assert(acquire->state == 0 && acquire->parts == 0);
    acquire->grant_id = record->grant_id;
    acquire->waited_ms = record->waited_ms;
    acquire->since_ns = engine->now_ns;
    table_insert(&engine->acquires_by_grant, acquire->grant_id,
                 acquire_index(engine, acquire));
    acquire_set_state(engine, acquire, ACQUIRE_HELD);
    acquire_renew(engine, acquire, record->hold_ms);
}

void acquire_hold_part(struct engine *engine, struct acquire *acquire,
                       struct semaphore *semaphore,
                       const struct engine_record *record)
{
    struct slot_map *slot_map = semaphore_slot_map(engine, semaphore);
    struct part *part = part_add(engine, acquire, semaphore, record->permits);

    assert(acquire->state == ACQUIRE_HELD);
    semaphore_take(engine, semaphore, record);
    part->slots = slot_map == NULL ? 0 : slots_take(slot_map, &record->slots);
    list_append(engine, &semaphore->holders, CHAIN_HOLDER,
                part_index(engine, part));
    engine->held_parts++;
    if (semaphore->kind != ENGINE_RATE) {
        semaphore->held += record->permits;
        if (semaphore->counts_shares) {
            semaphore_share(engine, semaphore, acquire->session,
                            (int64_t)record->permits);
            share_has_changed(engine, semaphore, acquire->session);
        }
    }
}

/* What was held, not tokens, comes back to its semaphore. */
static void permits_come_back(struct engine *engine,
                              const struct acquire *acquire, struct part *part,
                              uint32_t permits)
{
    struct semaphore *semaphore = semaphore_at(engine, part->semaphore);
    struct slot_map *slot_map = semaphore_slot_map(engine, semaphore);
    uint64_t since_ns = acquire->since_ns < engine->started_ns
                            ? engine->started_ns
                            : acquire->since_ns;

    assert(semaphore->held >= permits);
    if (slot_map != NULL) {
        part->slots = slots_give_back(slot_map, part->slots, permits);
    }
    semaphore->held -= permits;
    if (semaphore->kind == ENGINE_COUNTING) {
        semaphore->value += permits;
        assert(semaphore->value + semaphore->held <= LIMIT_PERMITS_MAX);
    }
    if (semaphore->holds != 0 && engine->is_started) { /* Else no time went. */
        holds_add(pool_at(&engine->holds, semaphore->holds), permits,
                  (int64_t)((engine->now_ns - since_ns) / NS_PER_MS));
    }
    if (semaphore->counts_shares) {
        semaphore_share(engine, semaphore, acquire->session, -(int64_t)permits);
        share_has_changed(engine, semaphore, acquire->session);
    }
}

void acquire_give_back(struct engine *engine, struct acquire *acquire,
                       struct part *part, uint32_t permits)
{
    struct semaphore *semaphore = semaphore_at(engine, part->semaphore);

    assert(acquire->state == ACQUIRE_HELD && permits <= part->permits);
    if (semaphore->kind != ENGINE_RATE) {
        permits_come_back(engine, acquire, part, permits);
    }
    part->permits -= permits;
    if (part->permits == 0) {
        list_remove(engine, &semaphore->holders, CHAIN_HOLDER,
                    part_index(engine, part));
        engine->held_parts--;
        part_remove(engine, acquire, part);
    }
    semaphore_mark_to_be_served(engine, semaphore);
    semaphore_remove_if_idle(engine, semaphore);
}

void acquire_settle(struct engine *engine, struct acquire *acquire)
{
    uint32_t next = acquire->parts;

    while (next != 0) {
        struct part *part = part_at(engine, next);
        next = part->next;
        if (semaphore_at(engine, part->semaphore)->kind == ENGINE_RATE) {
            acquire_give_back(engine, acquire, part, part->permits);
        }
    }
}

/* Gives back all, and leaves the acquire without a state. */
static void end_grant(struct engine *engine, struct acquire *acquire)
{
    struct part *part;

    assert(acquire->state == ACQUIRE_HELD);
    while ((part = part_at(engine, acquire->parts)) != NULL) {
        acquire_give_back(engine, acquire, part, part->permits);
    }
    deadlines_clear(&engine->deadlines, &acquire->deadline);
    acquire_set_state(engine, acquire, 0);
}

void acquire_end(struct engine *engine, struct acquire *acquire)
{
    engine->releases_total++;
    end_grant(engine, acquire);
    acquire_remove(engine, acquire);
}

void acquire_lose(struct engine *engine, struct acquire *acquire,
                  enum permit_loss loss, bool is_remembered)
{
    for (const struct part *part = part_at(engine, acquire->parts);
         part != NULL; part = part_at(engine, part->next)) {
        semaphore_at(engine, part->semaphore)->lost_total[loss - 1]++;
        engine->lost_parts_total[loss - 1]++;
    }
    engine->lost_total++;
    end_grant(engine, acquire);
    if (!is_remembered || engine->limits.max_lost == 0) {
        acquire_remove(engine, acquire);
        return;
    }
    if (engine->lost.count == engine->limits.max_lost) {
        acquire_remove(engine, acquire_at(engine, engine->lost.first));
    }
    acquire->loss = (uint8_t)loss;
    list_append(engine, &engine->lost, CHAIN_LOST,
                acquire_index(engine, acquire));
    acquire_set_state(engine, acquire, ACQUIRE_LOST);
}
