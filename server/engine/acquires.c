/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <assert.h>
#include <string.h>

/* Answers the present acquire, which gets nothing. */
static void refuse_event(struct engine *engine, enum permit_status status,
                         const char *detail)
{
    effect_event_answer(engine, status, detail);
}

/* Answers with where it would have stood. */
static void refuse_with_position(struct engine *engine,
                                 const struct semaphore *semaphore,
                                 enum permit_status status, const char *detail)
{
    const struct engine_event *event = &engine->event;
    int64_t missing =
        (int64_t)queue_eligible_permits(&engine->queues, &semaphore->queue) +
        event->acquire.permits - semaphore_free_permits(semaphore);
    struct engine_answer answer = {
        .to = ENGINE_ACQUIRE,
        .status = status,
        .detail = detail,
        .position =
            (uint64_t)queue_count(&engine->queues, &semaphore->queue) + 1,
        .permits_in_the_way = (uint64_t)missing,
    };

    assert(missing > 0); /* Nothing waits that could be served. */
    effect_answer(engine, event->session_id, event->request_id, &answer);
}

/* Why the quotas of grants allow no more of them; NULL if they do. */
static const char *grants_refusal(const struct engine *engine,
                                  struct session *session)
{
    if (engine_session_list(session, ACQUIRE_HELD)->count >=
        engine->limits.max_grants_per_session) {
        return "the session holds too many grants: release some of them";
    }
    if (acquire_count(engine, ACQUIRE_HELD) >= engine->limits.max_grants) {
        return "the daemon holds too many grants: raise max_grants";
    }
    return NULL;
}

static const char *waiters_refusal(const struct engine *engine,
                                   struct session *session)
{
    if (engine_session_list(session, ACQUIRE_WAITING)->count >=
        engine->limits.max_waiters_per_session) {
        return "the session waits for too much: cancel some of it";
    }
    if (acquire_count(engine, ACQUIRE_WAITING) >= engine->limits.max_waiters) {
        return "the daemon has too many waiters: raise max_waiters";
    }
    return NULL;
}

/* The hold in force: what was asked for, capped by the semaphore's; 0 is no
 * limit in both. */
static int64_t hold_in_force(const struct semaphore *semaphore, int64_t hold_ms)
{
    if (hold_ms == 0 || semaphore->hold_ms == 0) {
        return hold_ms + semaphore->hold_ms;
    }
    return hold_ms < semaphore->hold_ms ? hold_ms : semaphore->hold_ms;
}

/* Emits the record and the answer of a grant, whose request `asked` describes
 * as a record. With consume nothing is held and `acquire` is NULL. */
static void grant(struct engine *engine, struct semaphore *semaphore,
                  struct acquire *acquire, const struct engine_record *asked)
{
    const struct slot_map *slot_map = semaphore_slot_map(engine, semaphore);
    struct engine_answer answer = {.to = ENGINE_ACQUIRE, .status = PERMIT_OK};
    struct engine_record *record =
        effect_record(engine, ENGINE_RECORD_GRANTED, asked->session_id);

    record->request_id = asked->request_id;
    record->body_hash = asked->body_hash;
    record->grant_id = engine->fence + 1;
    record->permits = asked->permits;
    record->consume = asked->consume;
    record->hold_ms =
        asked->consume ? 0 : hold_in_force(semaphore, asked->hold_ms);
    record->waited_ms = asked->waited_ms;
    effect_record_name(record, semaphore->name);
    if (slot_map != NULL) {
        slots_find(slot_map, record->permits, &record->slots);
        answer.slots = &record->slots;
        answer.semaphore = record->semaphore;
    }
    if (acquire != NULL) {
        acquire_hold(engine, acquire, record);
    } else {
        semaphore_take(engine, semaphore, record);
    }
    answer.grant_id = record->grant_id;
    answer.waited_ms = record->waited_ms;
    answer.hold_ms = record->hold_ms;
    effect_answer(engine, record->session_id, record->request_id, &answer);
}

/* Grants the present acquire, which nobody stands before. */
static void grant_event(struct engine *engine, struct session *session,
                        struct semaphore *semaphore)
{
    const struct engine_event *event = &engine->event;
    bool consume = event->acquire.consume;
    const char *refusal = consume ? NULL : grants_refusal(engine, session);
    struct engine_record asked = {
        .session_id = session->id,
        .request_id = event->request_id,
        .body_hash = event->body_hash,
        .permits = event->acquire.permits,
        .consume = consume,
        .hold_ms = event->acquire.hold_ms,
    };

    if (refusal != NULL) {
        refuse_event(engine, PERMIT_E_TOO_MANY, refusal);
        return;
    }
    grant(engine, semaphore,
          consume ? NULL
                  : acquire_add(engine, session, semaphore, event->request_id),
          &asked);
}

/* The present acquire cannot be granted now: it waits, if it may. */
static void wait_event(struct engine *engine, struct session *session,
                       struct semaphore *semaphore)
{
    const struct engine_event *event = &engine->event;
    int64_t wait_ms = event->acquire.wait_ms;
    bool is_capped = semaphore->max_wait_ms != -1 &&
                     (wait_ms == -1 || wait_ms > semaphore->max_wait_ms);
    const char *refusal = waiters_refusal(engine, session);

    wait_ms = is_capped ? semaphore->max_wait_ms : wait_ms;
    if (wait_ms == 0) {
        refuse_with_position(engine, semaphore, PERMIT_E_WOULD_BLOCK,
                             "not free now: ask with a wait");
    } else if (queue_count(&engine->queues, &semaphore->queue) >=
               semaphore->max_queue) {
        semaphore->queue_full_total++;
        refuse_with_position(engine, semaphore, PERMIT_E_QUEUE_FULL,
                             "the queue is full: try again later");
    } else if (refusal != NULL) {
        refuse_event(engine, PERMIT_E_TOO_MANY, refusal);
    } else {
        acquire_wait(
            engine, acquire_add(engine, session, semaphore, event->request_id),
            event,
            wait_ms == -1 ? TIME_NEVER
                          : deadline_after_ms(engine->now_ns, wait_ms));
    }
}

void acquire_apply(struct engine *engine, struct session *session)
{
    const struct engine_event *event = &engine->event;
    uint32_t permits = event->acquire.permits;
    uint32_t expected = event->acquire.expect_permits;
    struct semaphore *semaphore =
        semaphore_find(engine, event->acquire.semaphore);

    assert(permits >= 1 && permits <= LIMIT_PERMITS_MAX);
    assert(event->acquire.wait_ms >= -1 && event->acquire.hold_ms >= 0);
    if (engine->is_draining) {
        refuse_event(engine, PERMIT_E_DRAINING,
                     "the daemon grants nothing more: ask another");
    } else if (semaphore == NULL) {
        refuse_event(engine, PERMIT_E_NOT_FOUND,
                     "no such semaphore: define it first");
    } else if (event->acquire.consume && semaphore->kind != ENGINE_COUNTING) {
        refuse_event(engine, PERMIT_E_INVALID,
                     "only a counting semaphore can be consumed from");
    } else if (expected != 0 && expected != semaphore->permits) {
        refuse_event(engine, PERMIT_E_LIMIT_MISMATCH,
                     "its permits differ from those expected");
    } else if (semaphore->kind == ENGINE_BOUNDED &&
               permits > semaphore->permits) {
        refuse_event(engine, PERMIT_E_IMPOSSIBLE,
                     "more than the semaphore has: ask for fewer permits");
    } else if (queue_first_eligible(&engine->queues, &semaphore->queue) == 0 &&
               permits <= semaphore_free_permits(semaphore)) {
        grant_event(engine, session, semaphore);
    } else {
        wait_event(engine, session, semaphore);
    }
}

void acquire_refuse(struct engine *engine, struct acquire *acquire,
                    enum permit_status status, const char *detail)
{
    assert(acquire->state == ACQUIRE_WAITING && status != PERMIT_OK);
    effect_answer(engine, acquire->session->id, acquire->request_id,
                  &(struct engine_answer){.to = ENGINE_ACQUIRE,
                                          .status = status,
                                          .detail = detail});
    acquire_remove(engine, acquire);
}

/* Grants the waiter, whose turn it is, or refuses it for a quota. */
static void serve(struct engine *engine, struct acquire *acquire)
{
    const char *refusal =
        acquire->consume ? NULL : grants_refusal(engine, acquire->session);
    struct semaphore *semaphore = acquire->semaphore;
    struct engine_record asked = {
        .session_id = acquire->session->id,
        .request_id = acquire->request_id,
        .body_hash = acquire->body_hash,
        .permits = acquire->permits,
        .consume = acquire->consume,
        .hold_ms = acquire->hold_ms,
        .waited_ms =
            (int64_t)((engine->now_ns - acquire->since_ns) / NS_PER_MS),
    };

    if (refusal != NULL) {
        acquire_refuse(engine, acquire, PERMIT_E_TOO_MANY, refusal);
    } else if (acquire->consume) {
        acquire_remove(engine, acquire);
        grant(engine, semaphore, NULL, &asked);
    } else {
        acquire_unqueue(engine, acquire);
        grant(engine, semaphore, acquire, &asked);
    }
}

bool serve_step(struct engine *engine)
{
    struct semaphore *semaphore = semaphore_at(engine, engine->serve_first);
    struct acquire *acquire;

    if (semaphore == NULL) {
        return false;
    }
    acquire = acquire_at(
        engine, queue_first_eligible(&engine->queues, &semaphore->queue));
    if (acquire != NULL &&
        acquire->permits <= semaphore_free_permits(semaphore)) {
        serve(engine, acquire);
    } else {
        semaphore_unmark_first(engine);
    }
    return true;
}

void cancel_apply(struct engine *engine, const struct session *session)
{
    const struct engine_event *event = &engine->event;
    struct acquire *acquire =
        acquire_find(engine, session, event->cancel.acquire_id);
    struct engine_answer answer = {
        .to = ENGINE_CANCEL,
        .status = PERMIT_OK,
        .cancelled = ENGINE_CANCEL_NOT_FOUND,
    };

    if (acquire != NULL && acquire->state == ACQUIRE_WAITING) {
        acquire_refuse(engine, acquire, PERMIT_E_CANCELLED,
                       "cancelled by its own session");
        answer.cancelled = ENGINE_CANCEL_CANCELLED;
    } else if (acquire != NULL && acquire->state == ACQUIRE_HELD) {
        answer.cancelled = ENGINE_CANCEL_GRANTED;
    }
    effect_answer(engine, event->session_id, event->request_id, &answer);
}

void release_apply(struct engine *engine, const struct session *session)
{
    const struct engine_event *event = &engine->event;
    const char *name = event->release.semaphore;
    uint32_t permits = event->release.permits;
    struct acquire *acquire =
        acquire_find(engine, session, event->release.acquire_id);
    struct engine_record *record;

    if (acquire == NULL || acquire->state == ACQUIRE_WAITING) {
        effect_event_answer(engine, PERMIT_E_NOT_HELD,
                            "the session holds no grant of that acquire");
        return;
    }
    if (acquire->state == ACQUIRE_LOST) {
        effect_event_answer(engine, PERMIT_E_EXPIRED,
                            "the grant was lost before: its section was "
                            "unprotected");
        return;
    }
    if (permits > acquire->permits ||
        (name != NULL && strcmp(name, acquire->semaphore->name) != 0)) {
        effect_event_answer(engine, PERMIT_E_OVER_RELEASE,
                            "the grant does not hold that: nothing was given "
                            "back");
        return;
    }
    permits = permits == 0 ? acquire->permits : permits;
    record = effect_event_record(engine, ENGINE_RECORD_RELEASED);
    record->acquire_id = acquire->request_id;
    record->grant_id = acquire->grant_id;
    record->permits = permits;
    effect_event_answer(engine, PERMIT_OK, NULL);
    if (permits == acquire->permits) {
        acquire_end(engine, acquire);
    } else {
        acquire_give_back(engine, acquire, permits);
    }
}

/* The hold that a renewal puts in force. The client believes in what is left of
 * the old one, as far as it asked for so much, until it is answered: a cap that
 * came meanwhile takes nothing of that away. */
static int64_t renewed_hold(const struct engine *engine,
                            const struct acquire *acquire, int64_t asked_ms)
{
    int64_t capped_ms = hold_in_force(acquire->semaphore, asked_ms);
    int64_t left_ms;

    if (capped_ms == asked_ms || acquire->deadline.position == 0) {
        return asked_ms;
    }
    assert(asked_ms != 0 && acquire->deadline.time_ns > engine->now_ns);
    left_ms = (int64_t)((acquire->deadline.time_ns - engine->now_ns - 1) /
                        NS_PER_MS) +
              1;
    left_ms = left_ms < asked_ms ? left_ms : asked_ms;
    return capped_ms > left_ms ? capped_ms : left_ms;
}

void renew_apply(struct engine *engine, const struct session *session)
{
    const struct engine_event *event = &engine->event;
    int64_t hold_ms = event->renew.hold_ms;
    struct acquire *acquire =
        acquire_find(engine, session, event->renew.acquire_id);
    struct engine_record *record;

    if (acquire == NULL || acquire->state == ACQUIRE_WAITING) {
        effect_event_answer(engine, PERMIT_E_NOT_HELD,
                            "the session holds no grant of that acquire");
        return;
    }
    if (acquire->loss != 0) {
        effect_event_answer(engine, PERMIT_E_EXPIRED,
                            "the grant was lost before: acquire anew");
        return;
    }
    hold_ms = renewed_hold(engine, acquire,
                           hold_ms == 0 ? acquire->hold_ms : hold_ms);
    record = effect_event_record(engine, ENGINE_RECORD_RENEWED);
    record->acquire_id = acquire->request_id;
    record->grant_id = acquire->grant_id;
    record->hold_ms = hold_ms;
    acquire_renew(engine, acquire, hold_ms);
    effect_answer(engine, event->session_id, event->request_id,
                  &(struct engine_answer){.to = ENGINE_RENEW,
                                          .status = PERMIT_OK,
                                          .hold_ms = hold_ms});
}

void verify_apply(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    const struct acquire *acquire =
        acquire_find_grant(engine, event->verify.grant_id);

    if (acquire == NULL || event->verify.fence != acquire->grant_id) {
        effect_event_answer(engine, PERMIT_E_NOT_HELD,
                            "nobody holds a grant of that number and fence");
    } else if (acquire->loss != 0) {
        effect_event_answer(engine, PERMIT_E_EXPIRED,
                            "the grant was lost: its fence is void");
    } else {
        effect_event_answer(engine, PERMIT_OK, NULL);
    }
}

/* The hold or the grace of a grant is over. */
static void expire(struct engine *engine, struct acquire *acquire)
{
    bool was_pushed = acquire->loss != 0;
    enum permit_loss loss =
        was_pushed ? (enum permit_loss)acquire->loss : PERMIT_LOSS_HOLD;
    struct engine_record *record =
        effect_record(engine, ENGINE_RECORD_EXPIRED, acquire->session->id);

    record->acquire_id = acquire->request_id;
    record->grant_id = acquire->grant_id;
    record->loss = loss;
    if (!was_pushed) {
        effect_lost(engine, acquire, loss, 0);
    }
    acquire_lose(engine, acquire, loss, true);
}

void acquire_fall_due(struct engine *engine, struct acquire *acquire)
{
    if (acquire->state == ACQUIRE_HELD) {
        expire(engine, acquire);
        return;
    }
    acquire->semaphore->timeouts_total++;
    engine->timeouts_total++;
    acquire_refuse(engine, acquire, PERMIT_E_TIMEOUT,
                   "the wait ended without a grant");
}
