/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "changes.h"

/* Counts a list and asserts its links and its members' state. */
static uint32_t check_list(const struct engine *engine,
                           const struct acquire_list *list,
                           enum acquire_chain chain, enum acquire_state state)
{
    uint32_t count = 0;
    uint32_t last = 0;

    for (uint32_t i = list->first; i != 0;) {
        const struct acquire *acquire = acquire_at(engine, i);
        const struct acquire_link *link = chain == CHAIN_SESSION
                                              ? &acquire->in_session
                                              : &acquire->in_holders;
        assert(acquire->state == state);
        assert(link->previous == last);
        last = i;
        i = link->next;
        count++;
    }
    assert(list->last == last && list->count == count);
    return count;
}

static void check_acquire(const struct engine *engine,
                          const struct session *session,
                          const struct acquire *acquire)
{
    assert(acquire->session == session);
    assert(acquire_find(engine, session, acquire->request_id) == acquire);
    assert((acquire->semaphore == NULL) == (acquire->state == ACQUIRE_LOST));
    if (acquire->state == ACQUIRE_WAITING) {
        const struct queue_place *place =
            queue_place_at(&engine->queues, acquire->place);
        assert(acquire_at(engine, place->waiter) == acquire);
        assert(place->permits == acquire->permits);
        assert((place->is_set_aside != 0) == !session->is_connected);
    }
    assert(acquire->state != ACQUIRE_HELD || acquire->permits > 0);
    assert(acquire->state != ACQUIRE_LOST || acquire->deadline.position == 0);
}

/* Returns how many sessions there are; adds up their acquires. */
static uint32_t check_sessions(const struct engine *engine,
                               uint32_t acquires[ACQUIRE_STATE_COUNT])
{
    uint32_t count = 0;
    uint32_t disconnected = 0;

    for (uint32_t i = 1; i <= engine->sessions.fresh; i++) {
        struct session *session = engine_session_at(engine, i);
        if (engine_session_find(engine, session->id) != session) {
            continue; /* Given back. */
        }
        count++;
        disconnected += session->is_connected ? 0 : 1;
        assert(session->ended == 0);
        for (int j = 0; j < ACQUIRE_STATE_COUNT; j++) {
            const struct acquire_list *list = &session->acquires[j];
            acquires[j] += check_list(engine, list, CHAIN_SESSION,
                                      (enum acquire_state)(j + 1));
            for (uint32_t k = list->first; k != 0;
                 k = acquire_at(engine, k)->in_session.next) {
                check_acquire(engine, session, acquire_at(engine, k));
            }
        }
    }
    assert(disconnected == engine->sessions_disconnected);
    return count;
}

/* Those that are taken are those that its holders have, each once. */
static void check_slots(const struct engine *engine,
                        const struct semaphore *semaphore)
{
    const struct slot_map *slot_map = semaphore_slot_map(engine, semaphore);
    struct slot_map seen = {0};
    uint32_t list[LIMIT_SLOTS_MAX];

    for (uint32_t i = semaphore->holders.first; i != 0 && slot_map != NULL;
         i = acquire_at(engine, i)->in_holders.next) {
        const struct acquire *acquire = acquire_at(engine, i);
        size_t count = engine_view_slots(engine, acquire->grant_id, list);
        assert(count == acquire->permits);
        for (size_t j = 0; j < count; j++) {
            struct engine_slots one = {{0}};
            assert(j == 0 || list[j] > list[j - 1]);
            one.words[list[j] / 64] = UINT64_C(1) << list[j] % 64;
            (void)slots_take(&seen, &one); /* Asserts that it is free. */
        }
    }
    assert(slot_map == NULL ||
           memcmp(&seen.taken, &slot_map->taken, sizeof(seen.taken)) == 0);
}

/* Returns how many waiters it has. */
static uint32_t check_semaphore(const struct engine *engine,
                                const struct semaphore *semaphore)
{
    const struct acquire *first = acquire_at(
        engine, queue_first_eligible(&engine->queues, &semaphore->queue));
    uint64_t held = 0;

    assert(semaphore_find(engine, semaphore->name) == semaphore);
    assert(!semaphore->is_to_be_served && !semaphore->is_deleted);
    (void)check_list(engine, &semaphore->holders, CHAIN_HOLDER, ACQUIRE_HELD);
    for (uint32_t i = semaphore->holders.first; i != 0;
         i = acquire_at(engine, i)->in_holders.next) {
        assert(acquire_at(engine, i)->semaphore == semaphore);
        held += acquire_at(engine, i)->permits;
    }
    assert(held == semaphore->held);
    check_slots(engine, semaphore);
    assert(semaphore->kind == ENGINE_BOUNDED ||
           held + semaphore->value <= LIMIT_PERMITS_MAX);
    (void)queue_check(&engine->queues, &semaphore->queue);
    /* No waiter waits that could be served, or that never can be. */
    assert(first == NULL || first->permits > semaphore_free_permits(semaphore));
    assert(semaphore->kind != ENGINE_BOUNDED ||
           queue_first_above(&engine->queues, &semaphore->queue,
                             semaphore->permits) == 0);
    return queue_count(&engine->queues, &semaphore->queue);
}

void engine_check(const struct engine *engine)
{
    uint32_t acquires[ACQUIRE_STATE_COUNT] = {0};
    uint32_t waiters = 0;
    uint32_t used = 0;

    assert(!engine->has_work && engine->leaving == NULL);
    assert(check_sessions(engine, acquires) == engine->sessions.used);
    for (int i = 0; i < ACQUIRE_STATE_COUNT; i++) {
        assert(acquires[i] == engine->acquires_count[i]);
        used += acquires[i];
    }
    assert(used == engine->acquires.used);
    (void)check_list(engine, &engine->lost, CHAIN_HOLDER, ACQUIRE_LOST);
    assert(engine->lost.count == acquire_count(engine, ACQUIRE_LOST));
    assert(engine->lost.count <= engine->limits.max_lost);
    (void)tree_check(&engine->names_tree, engine->names_root);
    for (uint32_t i = tree_nth(&engine->names_tree, engine->names_root, 0);
         i != 0; i = tree_next(&engine->names_tree, i)) {
        waiters += check_semaphore(engine, semaphore_at(engine, i));
    }
    assert(waiters == engine->queues.places.used);
    assert(waiters == acquire_count(engine, ACQUIRE_WAITING));
    assert(!engine->is_draining || waiters == 0);
    deadlines_check(&engine->deadlines);
    assert(deadlines_first(&engine->deadlines) == NULL || !engine->is_started ||
           deadlines_first(&engine->deadlines)->time_ns > engine->now_ns);
}
