/* SPDX-License-Identifier: MIT */
#include "chains.h"

#include <assert.h>
#include <string.h>

/* ---------------------------------------------------------------- acquires */

struct acquire *acquire_at(const struct engine *engine, uint32_t index)
{
    return index == 0 ? NULL : pool_at(&engine->acquires, index);
}

uint32_t acquire_index(const struct engine *engine,
                       const struct acquire *acquire)
{
    return (
        uint32_t)(acquire -
                  (const struct acquire *)(const void *)engine->acquires.items);
}

/* Most clients count their requests: sixteen in a row share a line of the
 * cache, for a line for each was a tenth of all work. What is above is mixed
 * with a secret, so nobody can choose ids that meet. */
static uint64_t acquire_hash(const struct engine *engine, uint64_t session_id,
                             uint64_t request_id)
{
    uint64_t row =
        table_mix(table_mix(session_id, engine->id_key) + request_id / 16,
                  engine->id_key);

    return row - row % 16 + request_id % 16;
}

struct acquire *acquire_find(const struct engine *engine,
                             const struct session *session, uint64_t request_id)
{
    const struct table *table = &engine->acquires_by_id;
    uint32_t index =
        table_first(table, acquire_hash(engine, session->id, request_id));

    while (index != 0) {
        struct acquire *acquire = acquire_at(engine, index);
        if (acquire->session == session && acquire->request_id == request_id) {
            return acquire;
        }
        index = table_next(table, index);
    }
    return NULL;
}

/* Grants are numbered by the engine, so their numbers spread themselves. */
struct acquire *acquire_find_grant(const struct engine *engine,
                                   uint64_t grant_id)
{
    const struct table *table = &engine->acquires_by_grant;
    uint32_t index = table_first(table, grant_id);

    while (index != 0 && acquire_at(engine, index)->grant_id != grant_id) {
        index = table_next(table, index);
    }
    return acquire_at(engine, index);
}

struct list *engine_session_list(struct session *session,
                                 enum acquire_state state)
{
    assert(state >= ACQUIRE_WAITING && state <= ACQUIRE_LOST);
    return &session->acquires[state - 1];
}

uint32_t acquire_count(const struct engine *engine, enum acquire_state state)
{
    assert(state >= ACQUIRE_WAITING && state <= ACQUIRE_LOST);
    return engine->acquires_count[state - 1];
}

void acquire_set_state(struct engine *engine, struct acquire *acquire,
                       uint8_t state)
{
    struct list *lists = acquire->session->acquires;
    uint32_t index = acquire_index(engine, acquire);

    if (acquire->state != 0) {
        list_remove(engine, &lists[acquire->state - 1], CHAIN_SESSION, index);
        engine->acquires_count[acquire->state - 1]--;
    }
    acquire->state = state;
    if (state != 0) {
        list_append(engine, &lists[state - 1], CHAIN_SESSION, index);
        engine->acquires_count[state - 1]++;
    }
}

struct acquire *acquire_add(struct engine *engine, struct session *session,
                            uint64_t request_id)
{
    struct acquire *acquire = acquire_find(engine, session, request_id);
    uint32_t index;

    if (acquire != NULL) {
        assert(acquire->state == ACQUIRE_LOST);
        acquire_remove(engine, acquire);
    }
    index = pool_take(&engine->acquires);
    acquire = acquire_at(engine, index);
    assert(acquire != NULL); /* The limits of all states fit into the pool. */
    acquire->deadline.owner = DEADLINE_OF_ACQUIRE;
    acquire->session = session;
    acquire->request_id = request_id;
    table_insert(&engine->acquires_by_id,
                 acquire_hash(engine, session->id, request_id), index);
    return acquire;
}

void acquire_remove(struct engine *engine, struct acquire *acquire)
{
    uint32_t index = acquire_index(engine, acquire);

    assert(acquire->state != ACQUIRE_HELD);
    if (acquire->state == ACQUIRE_WAITING) {
        acquire_unqueue(engine, acquire);
    } else if (acquire->state == ACQUIRE_LOST) {
        list_remove(engine, &engine->lost, CHAIN_LOST, index);
    }
    acquire_set_state(engine, acquire, 0);
    if (acquire->grant_id != 0) {
        table_remove(&engine->acquires_by_grant, acquire->grant_id, index);
    }
    table_remove(
        &engine->acquires_by_id,
        acquire_hash(engine, acquire->session->id, acquire->request_id), index);
    pool_give(&engine->acquires, index);
}

void acquire_renew(struct engine *engine, struct acquire *acquire,
                   int64_t hold_ms)
{
    assert(acquire->state == ACQUIRE_HELD && acquire->loss == 0);
    acquire->hold_ms = hold_ms;
    deadlines_set(&engine->deadlines, &acquire->deadline, DEADLINE_GIVES_BACK,
                  hold_ms == 0 ? TIME_NEVER
                               : deadline_after_ms(engine->now_ns, hold_ms));
}

void acquire_revoke(struct engine *engine, struct acquire *acquire,
                    enum permit_loss loss, int64_t grace_ms)
{
    uint64_t end_ns = deadline_after_ms(engine->now_ns, grace_ms);

    assert(acquire->state == ACQUIRE_HELD && acquire->loss == 0);
    acquire->loss = (uint8_t)loss;
    if (acquire->deadline.position == 0 || acquire->deadline.time_ns > end_ns) {
        deadlines_set(&engine->deadlines, &acquire->deadline,
                      DEADLINE_GIVES_BACK, end_ns);
    }
}

/* ---------------------------------------------------------------- sessions */

struct session *engine_session_at(const struct engine *engine, uint32_t index)
{
    return index == 0 ? NULL : pool_at(&engine->sessions, index);
}

uint32_t engine_session_index(const struct engine *engine,
                              const struct session *session)
{
    return (
        uint32_t)(session -
                  (const struct session *)(const void *)engine->sessions.items);
}

static uint32_t session_find_index(const struct engine *engine, uint64_t id)
{
    const struct table *table = &engine->sessions_by_id;
    uint32_t index = table_first(table, table_mix(id, engine->id_key));

    while (index != 0 && engine_session_at(engine, index)->id != id) {
        index = table_next(table, index);
    }
    return index;
}

struct session *engine_session_find(const struct engine *engine, uint64_t id)
{
    return engine_session_at(engine, session_find_index(engine, id));
}

struct session *engine_session_add(struct engine *engine, uint64_t id,
                                   int64_t timeout_ms, int64_t linger_ms)
{
    uint32_t index = pool_take(&engine->sessions);
    struct session *session = engine_session_at(engine, index);

    assert(timeout_ms > 0 && linger_ms >= 0);
    if (session == NULL) {
        return NULL;
    }
    if (engine->fence < id) {
        engine->fence = id;
    }
    session->id = id;
    session->timeout_ms = timeout_ms;
    session->linger_ms = linger_ms;
    session->heard_ns = engine->now_ns;
    session->is_connected = true;
    session->deadline.owner = DEADLINE_OF_SESSION;
    table_insert(&engine->sessions_by_id, table_mix(id, engine->id_key), index);
    deadlines_set(&engine->deadlines, &session->deadline, DEADLINE_GIVES_BACK,
                  deadline_after_ms(engine->now_ns, timeout_ms));
    return session;
}

/* Among equals it keeps its place. One that cannot be counted is never. */
static void move_deadline(struct engine *engine, struct session *session,
                          uint64_t time_ns)
{
    if (session->deadline.position != 0 && time_ns != TIME_NEVER) {
        deadlines_move(&engine->deadlines, &session->deadline, time_ns);
    } else {
        deadlines_set(&engine->deadlines, &session->deadline,
                      DEADLINE_GIVES_BACK, time_ns);
    }
}

void engine_session_set_connected(struct engine *engine,
                                  struct session *session)
{
    engine->sessions_disconnected -= session->is_connected ? 0 : 1;
    session->is_connected = true;
    if (session->heard_ns < engine->now_ns) {
        session->heard_ns = engine->now_ns;
    }
    move_deadline(engine, session,
                  deadline_after_ms(session->heard_ns, session->timeout_ms));
}

void engine_session_set_disconnected(struct engine *engine,
                                     struct session *session, bool by_client)
{
    uint64_t from_ns =
        by_client ? engine->now_ns
                  : deadline_after_ms(session->heard_ns, session->timeout_ms);

    assert(session->is_connected);
    session->is_connected = false;
    engine->sessions_disconnected++;
    move_deadline(engine, session,
                  deadline_after_ms(from_ns, session->linger_ms));
}

void engine_session_remove(struct engine *engine, struct session *session)
{
    uint32_t index = session_find_index(engine, session->id);

    for (int i = 0; i < ACQUIRE_STATE_COUNT; i++) {
        assert(session->acquires[i].count == 0);
    }
    if (!session->is_connected) {
        engine->sessions_disconnected--;
    }
    deadlines_clear(&engine->deadlines, &session->deadline);
    table_remove(&engine->sessions_by_id,
                 table_mix(session->id, engine->id_key), index);
    pool_give(&engine->sessions, index);
}
