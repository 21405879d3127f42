/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "chains.h"
#include "claims.h"

static void check_part(const struct engine *engine,
                       const struct acquire *acquire, const struct part *part)
{
    const struct semaphore *semaphore = semaphore_at(engine, part->semaphore);

    assert(acquire_at(engine, part->acquire) == acquire);
    assert(part_find(engine, acquire, semaphore) == part); /* None twice. */
    assert(part->permits > 0);
    if (acquire->state == ACQUIRE_WAITING) {
        const struct queue_place *place =
            queue_place_at(&engine->queues, part->place);
        assert(acquire_at(engine, place->waiter) == acquire);
        assert(place->permits == part->permits);
        assert((place->is_set_aside != 0) == (acquire->aside != 0));
    }
}

/* No waiter waits that could be served, or that never can be. */
static void check_waiter(const struct engine *engine,
                         const struct session *session,
                         const struct acquire *acquire)
{
    unsigned aside =
        session->is_connected ? 0 : (unsigned)ENGINE_ASIDE_DISCONNECTED;
    struct claim claim;

    if (acquire_is_over_share(engine, acquire)) {
        aside |= ENGINE_ASIDE_SHARE;
    }
    assert(acquire->aside == aside);
    claim_of_waiter(engine, acquire, &claim);
    assert(aside != 0 || !claim_fits(engine, &claim, NULL));
    for (uint32_t i = 0; i < claim.count; i++) {
        assert(claim.parts[i].semaphore->shadow ||
               !claim_part_is_impossible(&claim.parts[i]));
    }
}

static void check_acquire(const struct engine *engine,
                          const struct session *session,
                          const struct acquire *acquire)
{
    assert(acquire->session == session);
    assert(acquire_find(engine, session, acquire->request_id) == acquire);
    assert((acquire->parts == 0) == (acquire->state == ACQUIRE_LOST));
    for (const struct part *part = part_at(engine, acquire->parts);
         part != NULL; part = part_at(engine, part->next)) {
        check_part(engine, acquire, part);
    }
    if (acquire->state == ACQUIRE_WAITING) {
        check_waiter(engine, session, acquire);
    }
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
            const struct list *list = &session->acquires[j];
            list_check(engine, list, CHAIN_SESSION);
            acquires[j] += list->count;
            for (uint32_t k = list->first; k != 0;
                 k = acquire_at(engine, k)->in_session.next) {
                assert(acquire_at(engine, k)->state == j + 1);
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

    for (const struct part *part = part_at(engine, semaphore->holders.first);
         part != NULL && slot_map != NULL;
         part = part_at(engine, part->in_holders.next)) {
        const struct acquire *acquire = acquire_at(engine, part->acquire);
        size_t count =
            engine_view_slots(engine, acquire->grant_id, semaphore->name, list);
        assert(count == part->permits);
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

/* What each session holds of it is what its holders have. */
static void check_shares(const struct engine *engine,
                         const struct semaphore *semaphore)
{
    for (const struct part *part = part_at(engine, semaphore->holders.first);
         part != NULL && semaphore->per_session != 0;
         part = part_at(engine, part->in_holders.next)) {
        const struct session *session =
            acquire_at(engine, part->acquire)->session;
        uint64_t held = 0;
        for (const struct part *other =
                 part_at(engine, semaphore->holders.first);
             other != NULL; other = part_at(engine, other->in_holders.next)) {
            held += acquire_at(engine, other->acquire)->session == session
                        ? other->permits
                        : 0;
        }
        assert(semaphore_share_of(engine, semaphore, session) == held);
    }
}

/* Returns how many places its queue has. */
static uint32_t check_semaphore(const struct engine *engine,
                                const struct semaphore *semaphore)
{
    uint64_t held = 0;

    assert(semaphore_find(engine, semaphore->name) == semaphore);
    assert(!semaphore->is_to_be_served && !semaphore->is_deleted);
    list_check(engine, &semaphore->holders, CHAIN_HOLDER);
    for (const struct part *part = part_at(engine, semaphore->holders.first);
         part != NULL; part = part_at(engine, part->in_holders.next)) {
        assert(part->semaphore == semaphore_index(engine, semaphore));
        assert(acquire_at(engine, part->acquire)->state == ACQUIRE_HELD);
        held += semaphore->kind == ENGINE_RATE ? 0 : part->permits;
    }
    assert(held == semaphore->held);
    check_slots(engine, semaphore);
    check_shares(engine, semaphore);
    assert(semaphore->kind != ENGINE_COUNTING ||
           held + semaphore->value <= LIMIT_PERMITS_MAX);
    assert(semaphore->template_bytes == 0 || !engine->is_started ||
           !semaphore_is_idle(engine, semaphore));
    (void)queue_check(&engine->queues, &semaphore->queue);
    return queue_count(&engine->queues, &semaphore->queue);
}

void engine_check(const struct engine *engine)
{
    uint32_t acquires[ACQUIRE_STATE_COUNT] = {0};
    uint32_t places = 0;
    uint32_t made = 0;
    uint32_t used = 0;

    assert(!engine->has_work && engine->leaving == NULL);
    assert(check_sessions(engine, acquires) == engine->sessions.used);
    for (int i = 0; i < ACQUIRE_STATE_COUNT; i++) {
        assert(acquires[i] == engine->acquires_count[i]);
        used += acquires[i];
    }
    assert(used == engine->acquires.used);
    list_check(engine, &engine->lost, CHAIN_LOST);
    assert(engine->lost.count == acquire_count(engine, ACQUIRE_LOST));
    assert(engine->lost.count <= engine->limits.max_lost);
    (void)tree_check(&engine->names_tree, engine->names_root);
    for (uint32_t i = tree_nth(&engine->names_tree, engine->names_root, 0);
         i != 0; i = tree_next(&engine->names_tree, i)) {
        places += check_semaphore(engine, semaphore_at(engine, i));
        made += semaphore_at(engine, i)->template_bytes != 0 ? 1 : 0;
    }
    assert(places == engine->queues.places.used && made == engine->made);
    assert(engine->parts.used == places + engine->held_parts);
    assert(!engine->is_draining || places == 0);
    deadlines_check(&engine->deadlines);
    assert(deadlines_first(&engine->deadlines) == NULL || !engine->is_started ||
           deadlines_first(&engine->deadlines)->time_ns > engine->now_ns);
}
