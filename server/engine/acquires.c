/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <assert.h>
#include <string.h>

#include "claims.h"

/* Why the quotas of grants allow no more of them; NULL if they do. */
static const char *grants_refusal(const struct engine *engine,
                                  const struct claim *claim)
{
    uint32_t parts = 0;

    for (uint32_t i = 0; i < claim->count; i++) {
        parts += claim->parts[i].consume ? 0 : 1;
    }
    if (parts == 0) {
        return NULL;
    }
    if (engine_session_list(claim->session, ACQUIRE_HELD)->count >=
        engine->limits.max_grants_per_session) {
        return "the session holds too many grants: release some of them";
    }
    if (engine->held_parts + parts > engine->limits.max_grants) {
        return "the daemon holds too many grants: raise max_grants";
    }
    return NULL;
}

static const char *waiters_refusal(const struct engine *engine,
                                   const struct claim *claim)
{
    if (engine_session_list(claim->session, ACQUIRE_WAITING)->count >=
        engine->limits.max_waiters_per_session) {
        return "the session waits for too much: cancel some of it";
    }
    if (engine->queues.places.used + claim->count >
        engine->limits.max_waiters) {
        return "the daemon has too many waiters: raise max_waiters";
    }
    return NULL;
}

/* ------------------------------------------------------------------ granting
 */

/* Makes what only a template stands for. */
static void make_parts(struct engine *engine, struct claim *claim)
{
    for (uint32_t i = 0; i < claim->count; i++) {
        struct claim_part *part = &claim->parts[i];
        if (part->is_new) {
            part->semaphore = template_make(engine, part->semaphore, part->name,
                                            claim->session);
            part->is_new = false;
            if (part->semaphore->shadow && claim_part_is_impossible(part)) {
                semaphore_rarity(engine, part->semaphore)->would_refuse_total++;
                engine->would_refuse_total++;
            }
        }
    }
}

/* Whom it passes has one pass less. */
static void pass(struct engine *engine, const struct claim *claim)
{
    for (uint32_t i = 0; i < claim->count; i++) {
        struct semaphore *semaphore = claim->parts[i].semaphore;
        if (semaphore->bypass > 0 && !semaphore->shadow &&
            semaphore->queue.root != 0) {
            queue_pass(&engine->queues, &semaphore->queue, claim->key_ns,
                       claim->number);
        }
    }
}

/* The hold in force: what was asked for, capped by what is held. */
static int64_t hold_in_force(const struct claim *claim)
{
    bool is_held = false;
    int64_t hold_ms = claim->hold_ms;

    for (uint32_t i = 0; i < claim->count; i++) {
        if (!claim->parts[i].consume) {
            is_held = true;
            hold_ms = hold_smaller(hold_ms, claim->parts[i].semaphore->hold_ms);
        }
    }
    return is_held ? hold_ms : 0;
}

/* The record of one part, which is taken. */
static void grant_part(struct engine *engine, const struct claim *claim,
                       uint32_t i, int64_t hold_ms, uint64_t grant_id,
                       struct acquire *acquire)
{
    const struct claim_part *part = &claim->parts[i];
    const struct slot_map *slot_map =
        semaphore_slot_map(engine, part->semaphore);
    struct engine_record *record =
        effect_record(engine, ENGINE_RECORD_GRANTED, claim->session->id);

    record->request_id = claim->request_id;
    record->body_hash = claim->body_hash;
    record->grant_id = grant_id;
    record->permits = part->permits;
    record->consume = part->consume;
    record->more = i + 1 < claim->count;
    record->hold_ms = hold_ms;
    record->waited_ms = claim->waited_ms;
    effect_record_name(record, part->semaphore->name);
    if (slot_map != NULL) {
        slots_find(slot_map, record->permits, &record->slots);
    }
    if (part->consume) {
        semaphore_take(engine, part->semaphore, record);
        return;
    }
    if (acquire->state == 0) {
        acquire_hold(engine, acquire, record);
    }
    acquire_hold_part(engine, acquire, part->semaphore, record);
}

/* Grants it. `acquire` is what waited, and is in no queue any more; or NULL. */
static void grant(struct engine *engine, struct claim *claim,
                  struct acquire *acquire)
{
    struct engine_answer answer = {.to = ENGINE_ACQUIRE, .status = PERMIT_OK};
    uint64_t grant_id = engine->fence + 1;
    int64_t hold_ms;
    bool is_held = false;

    make_parts(engine, claim);
    pass(engine, claim);
    hold_ms = hold_in_force(claim);
    for (uint32_t i = 0; i < claim->count; i++) {
        is_held = is_held || !claim->parts[i].consume;
    }
    if (acquire != NULL && !is_held) {
        acquire_remove(engine, acquire);
    } else if (acquire == NULL && is_held) {
        acquire = acquire_add(engine, claim->session, claim->request_id);
    }
    answer.granted = &engine->records[engine->records_count];
    answer.granted_count = claim->count;
    for (uint32_t i = 0; i < claim->count; i++) {
        grant_part(engine, claim, i, hold_ms, grant_id, acquire);
    }
    engine->grants_total++;
    answer.grant_id = grant_id;
    answer.waited_ms = claim->waited_ms;
    answer.hold_ms = hold_ms;
    effect_answer(engine, claim->session->id, claim->request_id, &answer);
}

/* -------------------------------------------------------------------- asking
 */

/* Answers with what is in the way. */
static void refuse_for(struct engine *engine, enum permit_status status,
                       const char *detail,
                       const struct engine_obstacle *obstacle)
{
    const struct engine_event *event = &engine->event;

    effect_answer(engine, event->session_id, event->request_id,
                  &(struct engine_answer){.to = event->type,
                                          .status = status,
                                          .detail = detail,
                                          .obstacle = *obstacle});
}

/* As a try, which `part` keeps from being granted. */
static void refuse_try(struct engine *engine, const struct claim *claim,
                       uint32_t part)
{
    struct engine_obstacle obstacle;

    claim_obstacle(engine, claim, part, &obstacle);
    if (claim_lacks_tokens_only(engine, claim)) {
        refuse_for(engine, PERMIT_E_RATE_LIMITED,
                   "no tokens now: ask with a wait, or later", &obstacle);
    } else {
        refuse_for(engine, PERMIT_E_WOULD_BLOCK,
                   "not free now: ask with a wait", &obstacle);
    }
}

/* What the wait may be, capped by the semaphores. */
static int64_t capped_wait(const struct claim *claim, int64_t wait_ms)
{
    for (uint32_t i = 0; i < claim->count; i++) {
        const struct semaphore *semaphore = claim->parts[i].semaphore;
        if (semaphore->max_wait_ms != -1 && !semaphore->shadow &&
            (wait_ms == -1 || wait_ms > semaphore->max_wait_ms)) {
            wait_ms = semaphore->max_wait_ms;
        }
    }
    return wait_ms;
}

/* The first part whose queue takes nobody more; or the count of parts. */
static uint32_t full_queue(const struct engine *engine,
                           const struct claim *claim)
{
    uint32_t i;

    for (i = 0; i < claim->count; i++) {
        const struct claim_part *part = &claim->parts[i];
        uint32_t count = part->is_new ? 0
                                      : queue_count(&engine->queues,
                                                    &part->semaphore->queue);
        if (!part->semaphore->shadow && count >= part->semaphore->max_queue) {
            break;
        }
    }
    return i;
}

/* The present acquire waits. */
static void wait(struct engine *engine, struct claim *claim, int64_t wait_ms)
{
    const struct engine_event *event = &engine->event;
    struct acquire *acquire =
        acquire_add(engine, claim->session, claim->request_id);

    make_parts(engine, claim);
    engine->arrivals++;
    acquire->body_hash = event->body_hash;
    acquire->hold_ms = event->acquire.hold_ms;
    acquire->priority = event->acquire.priority & LIMIT_PRIORITY_MAX;
    acquire->settle = event->acquire.settle;
    acquire->join = event->acquire.join;
    for (uint32_t i = 0; i < claim->count; i++) {
        const struct claim_part *part = &claim->parts[i];
        acquire_queue(engine, acquire, part->semaphore, part->permits,
                      part->consume, claim->key_ns, claim->number);
    }
    acquire_wait(engine, acquire,
                 wait_ms == -1 ? TIME_NEVER
                               : deadline_after_ms(engine->now_ns, wait_ms));
    if (acquire_is_over_share(engine, acquire)) {
        acquire_set_aside(engine, acquire, ENGINE_ASIDE_SHARE);
    }
    for (uint32_t i = 0; i < claim->count; i++) {
        if (claim->parts[i].semaphore->kind == ENGINE_RATE) {
            semaphore_mark_to_be_served(engine, claim->parts[i].semaphore);
        }
    }
}

/* The present acquire cannot be granted now, for `part`: it waits, if it may.
 */
static void wait_event(struct engine *engine, struct claim *claim,
                       uint32_t part)
{
    int64_t wait_ms = capped_wait(claim, engine->event.acquire.wait_ms);
    uint32_t full = full_queue(engine, claim);
    const char *refusal = waiters_refusal(engine, claim);
    struct engine_obstacle obstacle;
    uint64_t excess_ms;

    if (wait_ms == 0) {
        refuse_try(engine, claim, part);
    } else if (full < claim->count) {
        if (!claim->parts[full].is_new) {
            claim->parts[full].semaphore->queue_full_total++;
        }
        claim_obstacle(engine, claim, full, &obstacle);
        refuse_for(engine, PERMIT_E_QUEUE_FULL,
                   "the queue is full: try again later", &obstacle);
    } else if (claim_is_hopeless(engine, claim, wait_ms, &part, &excess_ms)) {
        semaphore_rarity(engine, claim->parts[part].semaphore)
            ->hopeless_total++;
        claim_obstacle(engine, claim, part, &obstacle);
        obstacle.retry_after_ms = excess_ms;
        refuse_for(engine, PERMIT_E_TIMEOUT,
                   "the wait would be longer than that: it did not begin",
                   &obstacle);
    } else if (refusal != NULL) {
        effect_event_answer(engine, PERMIT_E_TOO_MANY, refusal);
    } else {
        wait(engine, claim, wait_ms);
    }
}

/* Counts what semaphores in shadow would have done. */
static void count_shadows(struct engine *engine, const struct claim *claim)
{
    bool is_try = capped_wait(claim, engine->event.acquire.wait_ms) == 0;

    for (uint32_t i = 0; i < claim->count; i++) {
        const struct claim_part *part = &claim->parts[i];
        struct semaphore *semaphore = part->semaphore;
        if (!semaphore->shadow || part->is_new ||
            claim_part_lack(engine, claim, i, true) == LACK_NOTHING) {
            continue;
        }
        if (is_try || claim_part_is_impossible(part)) {
            semaphore_rarity(engine, semaphore)->would_refuse_total++;
            engine->would_refuse_total++;
        } else {
            semaphore_rarity(engine, semaphore)->would_wait_total++;
            engine->would_wait_total++;
        }
    }
}

void acquire_apply(struct engine *engine, struct session *session)
{
    const struct engine_event *event = &engine->event;
    const char *detail = NULL;
    struct claim claim;
    enum permit_status status;
    uint32_t part = 0;

    assert(event->acquire.wait_ms >= -1 && event->acquire.hold_ms >= 0);
    assert(event->acquire.priority <= LIMIT_PRIORITY_MAX);
    if (engine->is_draining) {
        effect_event_answer(engine, PERMIT_E_DRAINING,
                            "the daemon grants nothing more: ask another");
        return;
    }
    claim_of_event(engine, session, &claim);
    status = claim_check(engine, &claim, &detail);
    if (status != PERMIT_OK) {
        effect_event_answer(engine, status, detail);
        return;
    }
    count_shadows(engine, &claim);
    if (!claim_fits(engine, &claim, &part)) {
        wait_event(engine, &claim, part);
        return;
    }
    detail = grants_refusal(engine, &claim);
    if (detail != NULL) {
        effect_event_answer(engine, PERMIT_E_TOO_MANY, detail);
    } else {
        grant(engine, &claim, NULL);
    }
}

void why_apply(struct engine *engine, struct session *session)
{
    const char *detail = NULL;
    struct claim claim;
    enum permit_status status;
    uint32_t part = 0;

    if (engine->is_draining) {
        effect_event_answer(engine, PERMIT_E_DRAINING,
                            "the daemon grants nothing more: ask another");
        return;
    }
    claim_of_event(engine, session, &claim);
    status = claim_check(engine, &claim, &detail);
    if (status != PERMIT_OK) {
        effect_event_answer(engine, status, detail);
    } else if (!claim_fits(engine, &claim, &part)) {
        refuse_try(engine, &claim, part);
    } else {
        detail = grants_refusal(engine, &claim);
        effect_event_answer(
            engine, detail == NULL ? PERMIT_OK : PERMIT_E_TOO_MANY, detail);
    }
}

void acquire_refuse(struct engine *engine, struct acquire *acquire,
                    enum permit_status status, const char *detail)
{
    struct engine_answer answer = {
        .to = ENGINE_ACQUIRE, .status = status, .detail = detail};
    struct claim claim;
    uint32_t part;

    assert(acquire->state == ACQUIRE_WAITING && status != PERMIT_OK);
    if (status == PERMIT_E_TIMEOUT) {
        claim_of_waiter(engine, acquire, &claim);
        if (!claim_fits(engine, &claim, &part)) {
            claim_obstacle(engine, &claim, part, &answer.obstacle);
        }
    }
    effect_answer(engine, acquire->session->id, acquire->request_id, &answer);
    acquire_remove(engine, acquire);
}

/* ------------------------------------------------------------------- serving
 */

/* Grants a waiter whose turn it is, or refuses it for a quota. */
static void serve(struct engine *engine, struct claim *claim,
                  struct acquire *acquire)
{
    const char *refusal = grants_refusal(engine, claim);

    if (refusal != NULL) {
        acquire_refuse(engine, acquire, PERMIT_E_TOO_MANY, refusal);
        return;
    }
    acquire_unqueue(engine, acquire);
    acquire->aside = 0;
    grant(engine, claim, acquire);
}

static bool is_before(const struct queue_place *place,
                      const struct queue_place *other)
{
    return place->key_ns != other->key_ns ? place->key_ns < other->key_ns
                                          : place->number < other->number;
}

/* The next that may be granted by what this semaphore alone knows: it fits, and
 * whoever is before it has passes left. A place, or 0. */
static uint32_t next_candidate(const struct engine *engine,
                               const struct semaphore *semaphore)
{
    const struct queues *queues = &engine->queues;
    int64_t fitting = semaphore->shadow
                          ? LIMIT_PERMITS_MAX
                          : semaphore_free_permits(engine, semaphore);
    uint32_t stop = semaphore->shadow
                        ? 0
                        : queue_first_exhausted(queues, &semaphore->queue,
                                                semaphore->bypass);
    uint32_t place;

    if (fitting <= 0) {
        return 0;
    }
    place = queue_next_fitting(queues, &semaphore->queue, engine->serve_place,
                               (uint32_t)fitting);
    if (place != 0 && stop != 0 && place != stop &&
        is_before(queue_place_at(queues, stop),
                  queue_place_at(queues, place))) {
        return 0;
    }
    return place;
}

void serve_step(struct engine *engine)
{
    struct semaphore *semaphore = semaphore_at(engine, engine->serve_first);
    uint32_t place = next_candidate(engine, semaphore);
    struct acquire *acquire;
    struct claim claim;

    if (place == 0) {
        semaphore_unmark_first(engine);
        semaphore_arm(engine, semaphore);
        if (semaphore->template_bytes != 0 &&
            semaphore_is_idle(engine, semaphore)) {
            template_forget(engine, semaphore);
        }
        return;
    }
    acquire =
        acquire_at(engine, queue_place_at(&engine->queues, place)->waiter);
    claim_of_waiter(engine, acquire, &claim);
    if (claim_fits(engine, &claim, NULL)) {
        engine->serve_place = 0;
        serve(engine, &claim, acquire);
    } else {
        engine->serve_place = place;
    }
}

void share_step(struct engine *engine)
{
    struct acquire *acquire;
    unsigned aside;

    acquire = acquire_at(engine, engine->sharing_waiter);
    if (acquire == NULL) {
        engine->sharing = NULL;
        return;
    }
    engine->sharing_waiter = acquire->in_session.next;
    aside = acquire->aside & ~(unsigned)ENGINE_ASIDE_SHARE;
    if (acquire_is_over_share(engine, acquire)) {
        aside |= ENGINE_ASIDE_SHARE;
    }
    acquire_set_aside(engine, acquire, aside);
}
