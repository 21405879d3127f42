/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "actions.h"

/* ---------------------------------------------------------- create, destroy */

/* Returns false if the numbers are too large to be counted. */
static bool acquires_max(const struct engine_limits *limits,
                         uint32_t *ret_acquires, uint32_t *ret_deadlines)
{
    return !__builtin_add_overflow(limits->max_waiters, limits->max_grants,
                                   ret_acquires) &&
           !__builtin_add_overflow(*ret_acquires, limits->max_lost,
                                   ret_acquires) &&
           !__builtin_add_overflow(*ret_acquires, limits->max_sessions,
                                   ret_deadlines) &&
           !__builtin_add_overflow(*ret_deadlines, limits->max_semaphores,
                                   ret_deadlines) &&
           *ret_deadlines < UINT32_MAX;
}

static bool memory_take(struct engine *engine)
{
    const struct engine_limits *limits = &engine->limits;
    uint32_t acquires;
    uint32_t deadlines;

    return acquires_max(limits, &acquires, &deadlines) &&
           pool_init(&engine->acquires, sizeof(struct acquire), acquires) &&
           pool_init(&engine->parts, sizeof(struct part),
                     limits->max_waiters + limits->max_grants) &&
           table_init(&engine->acquires_by_id, acquires, acquires) &&
           table_init(&engine->acquires_by_grant, acquires,
                      limits->max_grants + limits->max_lost) &&
           pool_init(&engine->sessions, sizeof(struct session),
                     limits->max_sessions) &&
           table_init(&engine->sessions_by_id, limits->max_sessions,
                      limits->max_sessions) &&
           deadlines_init(&engine->deadlines, deadlines) &&
           semaphores_init(engine) &&
           queues_init(&engine->queues, limits->max_waiters, engine->id_key);
}

struct engine *engine_create(const struct engine_limits *limits,
                             uint64_t first_fence,
                             const uint8_t secret[ENGINE_HASH_SECRET_BYTES])
{
    struct engine *engine = calloc(1, sizeof(*engine));

    if (engine == NULL) {
        return NULL;
    }
    engine->limits = *limits;
    engine->defaults =
        (struct engine_definition){.fields = ENGINE_FIELD_ALL,
                                   .kind = ENGINE_BOUNDED,
                                   .permits = 1,
                                   .max_queue = DEFAULT_MAX_QUEUE,
                                   .max_wait_ms = -1,
                                   .hold_ms = 0};
    engine->priority_step_ms = DEFAULT_PRIORITY_STEP_MS;
    engine->fence = first_fence;
    memcpy(engine->secret, secret, sizeof(engine->secret));
    memcpy(&engine->id_key, secret, sizeof(engine->id_key));
    if (!memory_take(engine)) {
        engine_destroy(engine);
        return NULL;
    }
    return engine;
}

void engine_set_defaults(struct engine *engine,
                         const struct engine_definition *defaults)
{
    engine->defaults = *defaults;
    engine->defaults.fields = ENGINE_FIELD_ALL;
    assert(definition_refusal(NULL, &engine->defaults) == NULL);
}

void engine_set_priority_step(struct engine *engine, int64_t step_ms)
{
    assert(step_ms >= 0 && step_ms <= INT64_MAX / LIMIT_PRIORITY_MAX);
    engine->priority_step_ms = step_ms;
}

void engine_destroy(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    queues_deinit(&engine->queues);
    semaphores_deinit(engine);
    deadlines_deinit(&engine->deadlines);
    table_deinit(&engine->sessions_by_id);
    pool_deinit(&engine->sessions);
    table_deinit(&engine->acquires_by_grant);
    table_deinit(&engine->acquires_by_id);
    pool_deinit(&engine->parts);
    pool_deinit(&engine->acquires);
    free(engine);
}

/* -------------------------------------------------------------------- steps */

/* Ends what falls due next, if it is due. */
static bool due_step(struct engine *engine)
{
    struct deadline *due = deadlines_first(&engine->deadlines);

    if (due == NULL || due->time_ns > engine->event.now_ns) {
        return false;
    }
    assert(due->time_ns >= engine->now_ns);
    engine->now_ns = due->time_ns;
    if (due->owner == DEADLINE_OF_SESSION) {
        engine_session_fall_due(
            engine, (void *)((char *)due - offsetof(struct session, deadline)));
    } else if (due->owner == DEADLINE_OF_RARITY) {
        const struct rarity *rarity =
            (void *)((char *)due - offsetof(struct rarity, deadline));
        deadlines_clear(&engine->deadlines, due);
        semaphore_mark_to_be_served(engine,
                                    semaphore_at(engine, rarity->semaphore));
    } else {
        acquire_fall_due(
            engine, (void *)((char *)due - offsetof(struct acquire, deadline)));
    }
    return true;
}

/* Applies an event of a session. */
static void apply_to_session(struct engine *engine, struct session *session)
{
    enum engine_event_type type = engine->event.type;

    if (type == ENGINE_SESSION_END) {
        engine_session_end(engine, session, ENGINE_SESSION_ENDED_BY_CLIENT);
    } else if (!session->is_connected) {
        return; /* It cannot have sent anything. */
    } else if (type == ENGINE_SESSION_DISCONNECT) {
        engine_session_disconnect(engine, session,
                                  engine->event.session_disconnect.by_client);
    } else if (type == ENGINE_RENEW) {
        renew_apply(engine, session);
    } else if (type == ENGINE_SETTLE) {
        settle_apply(engine, session);
    } else if (type == ENGINE_WHY) {
        why_apply(engine, session);
    } else if (type == ENGINE_ACQUIRE) {
        acquire_apply(engine, session);
    } else if (type == ENGINE_CANCEL) {
        cancel_apply(engine, session);
    } else {
        assert(type == ENGINE_RELEASE);
        release_apply(engine, session);
    }
}

static void apply_event(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    struct session *session = engine_session_find(engine, event->session_id);
    bool is_heard =
        session != NULL ? session->is_connected : event->session_id == 0;

    switch (event->type) {
    case ENGINE_TICK:
        break;
    case ENGINE_SESSION_OPEN:
        engine_session_open_apply(engine);
        break;
    case ENGINE_DRAIN:
        drain_apply(engine);
        break;
    case ENGINE_DEFINE:
        if (is_heard) {
            define_apply(engine);
        }
        break;
    case ENGINE_DELETE:
        if (is_heard) {
            delete_apply(engine);
        }
        break;
    case ENGINE_POST:
        if (is_heard) {
            post_apply(engine);
        }
        break;
    case ENGINE_VERIFY:
        if (is_heard) {
            verify_apply(engine);
        }
        break;
    case ENGINE_SESSION_DISCONNECT:
    case ENGINE_SESSION_END:
    case ENGINE_ACQUIRE:
    case ENGINE_CANCEL:
    case ENGINE_RELEASE:
    case ENGINE_RENEW:
    case ENGINE_SETTLE:
    case ENGINE_WHY:
        if (session != NULL) {
            apply_to_session(engine, session);
        }
        break;
    }
}

/* Ends the session that the event wants ended first, if it is there still. */
static bool end_first(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    struct session *session =
        event->type != ENGINE_SESSION_OPEN
            ? NULL
            : engine_session_find(engine, event->session_open.end_id);

    if (session != NULL) {
        engine_session_end(engine, session, ENGINE_SESSION_ENDED_BY_CLIENT);
    }
    return session != NULL;
}

/* Time has come to the event, and all that fell due before is done. */
static bool event_step(struct engine *engine)
{
    assert(engine->now_ns <= engine->event.now_ns);
    if (engine->is_event_pending) {
        engine->now_ns = engine->event.now_ns;
        if (end_first(engine)) {
            return true; /* The event comes when that is done. */
        }
        engine->is_event_pending = false;
        apply_event(engine);
        return true;
    }
    if (engine->posted != NULL) {
        post_answer(engine);
        return true;
    }
    return false;
}

/* Does the next thing to be done, or returns false when there is none. The
 * order is the engine's law: who is over a share is set aside, who leaves stops
 * waiting, who cannot be served is refused, who joins is answered, who can be
 * served is, then what an ended session held comes back
 * (and serving goes on), then time moves, and the event is last. */
static bool step(struct engine *engine)
{
    if (engine->sharing != NULL) {
        share_step(engine);
        return true;
    }
    if (engine->leaving != NULL && leave_waiters_step(engine)) {
        return true;
    }
    if (engine->sweep != SWEEP_NONE) {
        sweep_step(engine);
        return true;
    }
    if (engine->joining != NULL) {
        join_step(engine);
        return true;
    }
    if (engine->serve_first != 0) {
        serve_step(engine);
        return true;
    }
    if (engine->leaving != NULL) {
        leave_grants_step(engine);
        return true;
    }
    return due_step(engine) || event_step(engine);
}

const char *engine_keep_name(struct engine *engine, uint32_t part,
                             const char *name)
{
    size_t length = strlen(name);

    assert(part < LIMIT_PARTS_MAX && length <= LIMIT_NAME_BYTES_MAX);
    if (name != engine->event_names[part]) {
        memcpy(engine->event_names[part], name, length + 1);
    }
    return engine->event_names[part];
}

void engine_keep_outcome(struct engine *engine)
{
    struct engine_event *event = &engine->event;

    if (event->release.outcome != NULL) {
        memmove(engine->event_outcome, event->release.outcome,
                event->release.outcome_bytes);
        event->release.outcome = engine->event_outcome;
    }
}

static void keep_parts(struct engine *engine, const struct engine_part **parts,
                       uint32_t count)
{
    assert(count <= LIMIT_PARTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        engine->event_parts[i] = (*parts)[i];
        engine->event_parts[i].semaphore =
            engine_keep_name(engine, i, (*parts)[i].semaphore);
    }
    *parts = engine->event_parts;
}

/* What the event points to is borrowed for the call only. */
static void keep_event(struct engine *engine)
{
    struct engine_event *event = &engine->event;

    if (event->type == ENGINE_ACQUIRE || event->type == ENGINE_WHY) {
        keep_parts(engine, &event->acquire.parts, event->acquire.parts_count);
    } else if (event->type == ENGINE_RELEASE) {
        keep_parts(engine, &event->release.parts, event->release.parts_count);
        engine_keep_outcome(engine);
    } else if (event->type == ENGINE_SETTLE) {
        keep_parts(engine, &event->settle.actual, event->settle.actual_count);
    } else if (event->type == ENGINE_POST) {
        event->post.semaphore =
            engine_keep_name(engine, 0, event->post.semaphore);
    } else if (event->type == ENGINE_DEFINE) {
        event->define.semaphore =
            engine_keep_name(engine, 0, event->define.semaphore);
    } else if (event->type == ENGINE_DELETE) {
        event->delete.semaphore =
            engine_keep_name(engine, 0, event->delete.semaphore);
    }
}

static void work(struct engine *engine)
{
    effects_clear(engine);
    engine->has_work = true;
    for (int steps = 0;
         steps < LIMIT_STEPS_MAX && engine->records_count <= LIMIT_STEPS_MAX;
         steps++) {
        if (!step(engine)) {
            engine->has_work = false;
            assert(engine->now_ns == engine->event.now_ns);
            assert(engine->leaving == NULL && engine->serve_first == 0);
            assert(engine->sharing == NULL && engine->joining == NULL);
            return;
        }
    }
    keep_event(engine);
}

/* -------------------------------------------------------------------- verbs */

/* What templates made, and only waiters kept until a restart, is forgotten. */
static void mark_made(struct engine *engine)
{
    uint32_t next = engine->made == 0
                        ? 0
                        : tree_nth(&engine->names_tree, engine->names_root, 0);

    for (; next != 0; next = tree_next(&engine->names_tree, next)) {
        semaphore_mark_to_be_served(engine, semaphore_at(engine, next));
    }
}

void engine_apply(struct engine *engine, const struct engine_event *event)
{
    assert(!engine->has_work);
    assert(event->now_ns >= engine->now_ns);
    if (!engine->is_started) {
        /* What was restored counts from now on. */
        engine->is_started = true;
        engine->now_ns = event->now_ns;
        deadlines_shift(&engine->deadlines, event->now_ns);
        engine->started_ns = event->now_ns;
        mark_made(engine);
    }
    engine->event = *event;
    engine->is_event_pending = true;
    work(engine);
}

bool engine_has_work(const struct engine *engine)
{
    return engine->has_work;
}

void engine_continue(struct engine *engine)
{
    assert(engine->has_work);
    work(engine);
}

void engine_session_heard(struct engine *engine, uint64_t session_id,
                          uint64_t now_ns)
{
    struct session *session = engine_session_find(engine, session_id);

    if (session != NULL && session->heard_ns < now_ns) {
        session->heard_ns = now_ns;
    }
}
