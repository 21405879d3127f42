/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <assert.h>
#include <string.h>

/* What happens to grants, and to waiters that end without one. */

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

/* The grant that the present event names, or NULL: then it is answered. */
static struct acquire *find_held(struct engine *engine,
                                 const struct session *session,
                                 uint64_t acquire_id)
{
    struct acquire *acquire = acquire_find(engine, session, acquire_id);

    if (acquire == NULL || acquire->state == ACQUIRE_WAITING) {
        effect_event_answer(engine, PERMIT_E_NOT_HELD,
                            "the session holds no grant of that acquire");
        return NULL;
    }
    if (acquire->state == ACQUIRE_LOST) {
        effect_event_answer(engine, PERMIT_E_EXPIRED,
                            "the grant was lost before: its section was "
                            "unprotected");
        return NULL;
    }
    return acquire;
}

/* The part of a grant that a request names, or NULL. */
static struct part *named_part(const struct engine *engine,
                               const struct acquire *acquire, const char *name)
{
    struct part *part = part_at(engine, acquire->parts);

    while (part != NULL &&
           strcmp(semaphore_at(engine, part->semaphore)->name, name) != 0) {
        part = part_at(engine, part->next);
    }
    return part;
}

static bool is_rate(const struct engine *engine, const struct part *part)
{
    return semaphore_at(engine, part->semaphore)->kind == ENGINE_RATE;
}

static void record_release(struct engine *engine, const struct acquire *acquire,
                           const struct part *part, uint32_t permits, bool more)
{
    struct engine_record *record =
        effect_event_record(engine, ENGINE_RECORD_RELEASED);

    record->acquire_id = acquire->request_id;
    record->grant_id = acquire->grant_id;
    record->permits = permits;
    record->more = more;
    effect_record_name(record, semaphore_at(engine, part->semaphore)->name);
}

static void release_all(struct engine *engine, struct acquire *acquire)
{
    for (const struct part *part = part_at(engine, acquire->parts);
         part != NULL; part = part_at(engine, part->next)) {
        record_release(engine, acquire, part, part->permits, part->next != 0);
    }
    effect_event_answer(engine, PERMIT_OK, NULL);
    if (engine->event.release.outcome == NULL) {
        acquire_end(engine, acquire);
        return;
    }
    engine->joining = acquire;
    engine->joining_part = acquire->parts;
    engine->joining_place = semaphore_first_place(
        engine,
        semaphore_at(engine, part_at(engine, acquire->parts)->semaphore));
}

static void release_parts(struct engine *engine, struct acquire *acquire)
{
    const struct engine_event *event = &engine->event;
    uint32_t count = event->release.parts_count;

    for (uint32_t i = 0; i < count; i++) {
        const struct engine_part *asked = &event->release.parts[i];
        record_release(engine, acquire,
                       named_part(engine, acquire, asked->semaphore),
                       asked->permits, i + 1 < count);
    }
    effect_event_answer(engine, PERMIT_OK, NULL);
    for (uint32_t i = 0; i < count; i++) {
        const struct engine_part *asked = &event->release.parts[i];
        acquire_give_back(engine, acquire,
                          named_part(engine, acquire, asked->semaphore),
                          asked->permits);
    }
    if (acquire->parts == 0) {
        acquire_end(engine, acquire);
    }
}

void release_apply(struct engine *engine, const struct session *session)
{
    const struct engine_event *event = &engine->event;
    struct acquire *acquire =
        find_held(engine, session, event->release.acquire_id);

    assert(event->release.outcome == NULL || event->release.parts_count == 0);
    if (acquire == NULL) {
        return;
    }
    for (uint32_t i = 0; i < event->release.parts_count; i++) {
        const struct engine_part *asked = &event->release.parts[i];
        const struct part *part = named_part(engine, acquire, asked->semaphore);
        assert(asked->permits > 0);
        if (part == NULL || asked->permits > part->permits ||
            is_rate(engine, part)) {
            effect_event_answer(engine, PERMIT_E_OVER_RELEASE,
                                "the grant does not hold that: nothing was "
                                "given back");
            return;
        }
    }
    engine_keep_outcome(engine); /* For the answers that tell it. */
    if (event->release.parts_count == 0) {
        release_all(engine, acquire);
    } else {
        release_parts(engine, acquire);
    }
}

void join_step(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    const struct part *part = part_at(engine, engine->joining_part);
    struct acquire *waiter;
    struct semaphore *semaphore;
    uint32_t place = engine->joining_place;

    if (part == NULL) {
        acquire_end(engine, engine->joining);
        engine->joining = NULL;
        return;
    }
    semaphore = semaphore_at(engine, part->semaphore);
    if (place == 0) {
        engine->joining_part = part->next;
        part = part_at(engine, part->next);
        engine->joining_place =
            part == NULL ? 0
                         : semaphore_first_place(
                               engine, semaphore_at(engine, part->semaphore));
        return;
    }
    engine->joining_place = queue_next(&engine->queues, place);
    waiter = acquire_at(engine, queue_place_at(&engine->queues, place)->waiter);
    if (waiter->join) {
        effect_answer(engine, waiter->session->id, waiter->request_id,
                      &(struct engine_answer){
                          .to = ENGINE_ACQUIRE,
                          .status = PERMIT_OK,
                          .outcome = event->release.outcome,
                          .outcome_bytes = event->release.outcome_bytes});
        semaphore_rarity(engine, semaphore)->joined_total++;
        acquire_remove(engine, waiter);
    }
}

/* Why the grant cannot be settled so; NULL if it can. */
static const char *settle_refusal(const struct engine *engine,
                                  const struct acquire *acquire)
{
    const struct engine_event *event = &engine->event;
    const struct part *part = part_at(engine, acquire->parts);

    while (part != NULL && !is_rate(engine, part)) {
        part = part_at(engine, part->next);
    }
    if (part == NULL) {
        return "nothing of that grant is left to settle";
    }
    for (uint32_t i = 0; i < event->settle.actual_count; i++) {
        const struct engine_part *actual = &event->settle.actual[i];
        part = named_part(engine, acquire, actual->semaphore);
        if (part == NULL || !is_rate(engine, part)) {
            return "the grant took nothing of that rate";
        }
        if (actual->permits > part->permits) {
            return "more than was taken: acquire the rest";
        }
    }
    return NULL;
}

void settle_apply(struct engine *engine, const struct session *session)
{
    const struct engine_event *event = &engine->event;
    struct acquire *acquire =
        find_held(engine, session, event->settle.acquire_id);
    struct engine_record *record;
    const char *refusal;

    if (acquire == NULL) {
        return;
    }
    refusal = settle_refusal(engine, acquire);
    if (refusal != NULL) {
        effect_event_answer(engine, PERMIT_E_INVALID, refusal);
        return;
    }
    record = effect_event_record(engine, ENGINE_RECORD_SETTLED);
    record->acquire_id = acquire->request_id;
    record->grant_id = acquire->grant_id;
    effect_event_answer(engine, PERMIT_OK, NULL);
    for (uint32_t i = 0; i < event->settle.actual_count; i++) {
        const struct engine_part *actual = &event->settle.actual[i];
        const struct part *part =
            named_part(engine, acquire, actual->semaphore);
        struct semaphore *semaphore = semaphore_at(engine, part->semaphore);
        if (!semaphore->shadow) { /* It may not have had so many. */
            bucket_refund(semaphore_bucket(engine, semaphore),
                          part->permits - actual->permits);
        }
    }
    acquire_settle(engine, acquire);
    if (acquire->parts == 0) {
        acquire_end(engine, acquire);
    }
}

/* The hold that a renewal puts in force. The client believes in what is left of
 * the old one, as far as it asked for so much, until it is answered: a cap that
 * came meanwhile takes nothing of that away. */
static int64_t renewed_hold(const struct engine *engine,
                            const struct acquire *acquire, int64_t asked_ms)
{
    int64_t capped_ms = acquire_capped_hold(engine, acquire, asked_ms);
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
        find_held(engine, session, event->renew.acquire_id);
    struct engine_record *record;

    if (acquire == NULL) {
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
    for (const struct part *part = part_at(engine, acquire->parts);
         part != NULL; part = part_at(engine, part->next)) {
        semaphore_at(engine, part->semaphore)->timeouts_total++;
    }
    engine->timeouts_total++;
    acquire_refuse(engine, acquire, PERMIT_E_TIMEOUT,
                   "the wait ended without a grant");
}
