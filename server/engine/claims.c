/* SPDX-License-Identifier: MIT */
#include "claims.h"

#include <assert.h>
#include <string.h>

#define UNKNOWN_MS UINT64_MAX

void claim_of_event(const struct engine *engine, struct session *session,
                    struct claim *ret_claim)
{
    const struct engine_event *event = &engine->event;
    int64_t moved_ms = (LIMIT_PRIORITY_MAX - (int64_t)event->acquire.priority) *
                       engine->priority_step_ms;

    ret_claim->session = session;
    ret_claim->request_id = event->request_id;
    ret_claim->body_hash = event->body_hash;
    /* The most urgent keep their arrival; so no key is before the clock's
     * start. */
    ret_claim->key_ns = deadline_after_ms(engine->now_ns, moved_ms);
    ret_claim->number = engine->arrivals + 1;
    ret_claim->hold_ms = event->acquire.hold_ms;
    ret_claim->waited_ms = 0;
    ret_claim->count = 0;
}

void claim_of_waiter(const struct engine *engine, const struct acquire *acquire,
                     struct claim *ret_claim)
{
    const struct queue_place *place;
    uint32_t count = 0;

    assert(acquire->state == ACQUIRE_WAITING);
    place =
        queue_place_at(&engine->queues, part_at(engine, acquire->parts)->place);
    ret_claim->session = acquire->session;
    ret_claim->request_id = acquire->request_id;
    ret_claim->body_hash = acquire->body_hash;
    ret_claim->key_ns = place->key_ns;
    ret_claim->number = place->number;
    ret_claim->hold_ms = acquire->hold_ms;
    ret_claim->waited_ms =
        (int64_t)((engine->now_ns - acquire->since_ns) / NS_PER_MS);
    for (const struct part *part = part_at(engine, acquire->parts);
         part != NULL; part = part_at(engine, part->next)) {
        struct semaphore *semaphore = semaphore_at(engine, part->semaphore);
        ret_claim->parts[count++] =
            (struct claim_part){.semaphore = semaphore,
                                .consume = part->consume != 0,
                                .name = semaphore->name,
                                .permits = part->permits};
    }
    ret_claim->count = count;
}

/* ----------------------------------------------------------------- refusals */

bool claim_part_is_impossible(const struct claim_part *part)
{
    const struct semaphore *semaphore = part->semaphore;

    return (semaphore->kind != ENGINE_COUNTING &&
            part->permits > semaphore->permits) ||
           (semaphore->per_session != 0 &&
            part->permits > semaphore->per_session);
}

static enum permit_status check_part(const struct engine_part *asked,
                                     const struct claim_part *part,
                                     const char **ret_detail)
{
    const struct semaphore *semaphore = part->semaphore;

    if (asked->consume && semaphore->kind == ENGINE_BOUNDED) {
        *ret_detail = "a bounded semaphore cannot be consumed from";
        return PERMIT_E_INVALID;
    }
    if (asked->expect_permits != 0 &&
        asked->expect_permits != semaphore->permits) {
        *ret_detail = "its permits differ from those expected";
        return PERMIT_E_LIMIT_MISMATCH;
    }
    if (!semaphore->shadow && claim_part_is_impossible(part)) {
        *ret_detail = "more than the semaphore, or the share of a session, can "
                      "ever give: ask for fewer permits";
        return PERMIT_E_IMPOSSIBLE;
    }
    return PERMIT_OK;
}

static enum permit_status find_part(struct engine *engine, struct claim *claim,
                                    const char **ret_detail)
{
    const struct engine_part *asked =
        &engine->event.acquire.parts[claim->count];
    struct claim_part *part = &claim->parts[claim->count];

    assert(asked->permits >= 1 && asked->permits <= LIMIT_PERMITS_MAX);
    part->semaphore = semaphore_find(engine, asked->semaphore);
    part->is_new = part->semaphore == NULL;
    part->name = part->is_new
                     ? engine_keep_name(engine, claim->count, asked->semaphore)
                     : part->semaphore->name;
    part->permits = asked->permits;
    if (part->is_new) {
        part->semaphore = template_find(engine, asked->semaphore);
    }
    if (part->semaphore == NULL) {
        *ret_detail = "no such semaphore: define it first";
        return PERMIT_E_NOT_FOUND;
    }
    if (asked->semaphore[strlen(asked->semaphore) - 1] == '*') {
        *ret_detail = "that is a template: name a semaphore, without the star";
        return PERMIT_E_INVALID;
    }
    part->consume = part->semaphore->kind == ENGINE_RATE
                        ? !engine->event.acquire.settle
                        : asked->consume;
    return check_part(asked, part, ret_detail);
}

/* May templates make what is not there yet? */
static enum permit_status check_making(const struct engine *engine,
                                       const struct claim *claim,
                                       const char **ret_detail)
{
    const struct engine_limits *limits = &engine->limits;
    uint32_t made = 0;
    uint32_t holds = 0;
    uint32_t slot_maps = 0;

    for (uint32_t i = 0; i < claim->count; i++) {
        const struct claim_part *part = &claim->parts[i];
        made += part->is_new ? 1 : 0;
        holds += part->is_new && part->semaphore->holds != 0 ? 1 : 0;
        slot_maps += part->is_new && part->semaphore->slot_map != 0 ? 1 : 0;
    }
    if (made == 0) {
        return PERMIT_OK;
    }
    if (claim->session->made + made > limits->max_templated_per_session) {
        *ret_detail = "templates made too many semaphores for this session: "
                      "let some of them be idle";
    } else if (engine->made + made > limits->max_templated ||
               engine->semaphores.used + made > limits->max_semaphores ||
               engine->holds.used + holds >
                   limits->max_semaphores_with_estimates ||
               engine->slot_maps.used + slot_maps >
                   limits->max_semaphores_with_slots) {
        *ret_detail = "templates made too many semaphores: raise "
                      "max_templated";
    } else {
        return PERMIT_OK;
    }
    return PERMIT_E_TOO_MANY;
}

enum permit_status claim_check(struct engine *engine, struct claim *claim,
                               const char **ret_detail)
{
    const struct engine_event *event = &engine->event;
    bool has_rate = false;

    assert(event->acquire.parts_count >= 1 &&
           event->acquire.parts_count <= LIMIT_PARTS_MAX);
    while (claim->count < event->acquire.parts_count) {
        enum permit_status status = find_part(engine, claim, ret_detail);
        if (status != PERMIT_OK) {
            return status;
        }
        has_rate = has_rate ||
                   claim->parts[claim->count].semaphore->kind == ENGINE_RATE;
        claim->count++;
    }
    if (event->acquire.settle && !has_rate) {
        *ret_detail = "nothing to settle: none of these is a rate";
        return PERMIT_E_INVALID;
    }
    if (event->acquire.join && claim->count > 1) {
        *ret_detail = "who joins names one semaphore";
        return PERMIT_E_INVALID;
    }
    return check_making(engine, claim, ret_detail);
}

/* -------------------------------------------------------------------- lacks */

/* What nobody made yet has all that its template says. */
static int64_t free_permits(const struct engine *engine,
                            const struct claim_part *part)
{
    return part->is_new ? (int64_t)part->semaphore->permits
                        : semaphore_free_permits(engine, part->semaphore);
}

static uint64_t share_of(const struct engine *engine, const struct claim *claim,
                         const struct claim_part *part)
{
    return part->is_new
               ? 0
               : semaphore_share_of(engine, part->semaphore, claim->session);
}

static bool lacks_share(const struct engine *engine, const struct claim *claim,
                        const struct claim_part *part)
{
    return part->semaphore->per_session != 0 &&
           share_of(engine, claim, part) + part->permits >
               part->semaphore->per_session;
}

enum lack claim_part_lack(const struct engine *engine,
                          const struct claim *claim, uint32_t part,
                          bool as_if_real)
{
    const struct claim_part *asked = &claim->parts[part];
    const struct semaphore *semaphore = asked->semaphore;

    if (semaphore->shadow && !as_if_real) {
        return LACK_NOTHING;
    }
    if (semaphore->queue.root != 0 && !semaphore->shadow &&
        queue_is_blocked(&engine->queues, &semaphore->queue, claim->key_ns,
                         claim->number, semaphore->bypass)) {
        return LACK_TURN;
    }
    if (free_permits(engine, asked) < asked->permits) {
        return LACK_PERMITS;
    }
    return lacks_share(engine, claim, asked) ? LACK_SHARE : LACK_NOTHING;
}

bool claim_fits(const struct engine *engine, const struct claim *claim,
                uint32_t *ret_part)
{
    for (uint32_t i = 0; i < claim->count; i++) {
        if (claim_part_lack(engine, claim, i, false) != LACK_NOTHING) {
            if (ret_part != NULL) {
                *ret_part = i;
            }
            return false;
        }
    }
    return true;
}

bool claim_lacks_tokens_only(const struct engine *engine,
                             const struct claim *claim)
{
    for (uint32_t i = 0; i < claim->count; i++) {
        if (claim->parts[i].semaphore->kind != ENGINE_RATE &&
            claim_part_lack(engine, claim, i, false) != LACK_NOTHING) {
            return false;
        }
    }
    return true;
}

/* ---------------------------------------------------------------- obstacles */

/* What those before it, and it, ask for and is not there; may be negative. */
static int64_t missing_permits(const struct engine *engine,
                               const struct claim *claim, uint32_t part)
{
    const struct claim_part *asked = &claim->parts[part];
    const struct queue *queue = &asked->semaphore->queue;
    uint64_t before = queue->root == 0 || asked->semaphore->shadow
                          ? 0
                          : queue_permits_before(&engine->queues, queue,
                                                 claim->key_ns, claim->number);

    return (int64_t)(before + asked->permits) - free_permits(engine, asked);
}

/* In how long it would have its turn there. */
static uint64_t part_wait_ms(const struct engine *engine,
                             const struct claim *claim, uint32_t part)
{
    struct semaphore *semaphore = claim->parts[part].semaphore;
    int64_t missing;
    uint64_t ms;

    if (claim->parts[part].is_new ||
        (semaphore->kind != ENGINE_RATE && semaphore->holds == 0) ||
        lacks_share(engine, claim, &claim->parts[part])) {
        return UNKNOWN_MS;
    }
    missing = missing_permits(engine, claim, part);
    if (semaphore->kind == ENGINE_RATE) {
        uint64_t when_ns = semaphore_tokens_ns(
            engine, semaphore,
            (uint64_t)(missing + semaphore_free_permits(engine, semaphore)));
        uint64_t wait_ns = when_ns - engine->now_ns;
        return when_ns == TIME_NEVER
                   ? UNKNOWN_MS
                   : wait_ns / NS_PER_MS + (wait_ns % NS_PER_MS != 0);
    }
    return holds_estimate(pool_at(&engine->holds, semaphore->holds),
                          missing > 0 ? (uint64_t)missing : 0,
                          semaphore->kind == ENGINE_COUNTING
                              ? semaphore->value + semaphore->held
                              : semaphore->permits,
                          &ms)
               ? ms
               : UNKNOWN_MS;
}

/* Of all that it lacks, in ms; 0 if that is not known. */
static uint64_t claim_retry_ms(const struct engine *engine,
                               const struct claim *claim)
{
    uint64_t retry_ms = 0;

    for (uint32_t i = 0; i < claim->count; i++) {
        uint64_t ms = part_wait_ms(engine, claim, i);
        if (ms == UNKNOWN_MS && claim->count == 1) {
            return 0;
        }
        if (claim_part_lack(engine, claim, i, false) == LACK_NOTHING) {
            continue;
        }
        if (ms == UNKNOWN_MS) {
            return 0;
        }
        retry_ms = ms > retry_ms ? ms : retry_ms;
    }
    return retry_ms;
}

void claim_obstacle(const struct engine *engine, const struct claim *claim,
                    uint32_t part, struct engine_obstacle *ret_obstacle)
{
    const struct claim_part *asked = &claim->parts[part];
    const struct semaphore *semaphore = asked->semaphore;
    const struct part *oldest = part_at(engine, semaphore->holders.first);
    int64_t missing = missing_permits(engine, claim, part);

    if (semaphore->per_session != 0 &&
        claim_part_lack(engine, claim, part, false) == LACK_SHARE) {
        missing = (int64_t)(share_of(engine, claim, asked) + asked->permits) -
                  (int64_t)semaphore->per_session;
    }
    *ret_obstacle = (struct engine_obstacle){
        .semaphore = asked->name,
        .position =
            1 + (uint64_t)queue_rank_of(&engine->queues, &semaphore->queue,
                                        claim->key_ns, claim->number),
        .permits_in_the_way = missing > 0 ? (uint64_t)missing : 0,
        .retry_after_ms = claim_retry_ms(engine, claim)};
    if (oldest != NULL) {
        const struct acquire *holder = acquire_at(engine, oldest->acquire);
        ret_obstacle->oldest_session_id = holder->session->id;
        ret_obstacle->oldest_hold_ns = holder->since_ns < engine->started_ns
                                           ? engine->started_ns
                                           : holder->since_ns;
    }
}

/* Would it wait for what its own session gives back? */
static bool is_over_share(const struct engine *engine,
                          const struct claim *claim)
{
    for (uint32_t i = 0; i < claim->count; i++) {
        if (!claim->parts[i].semaphore->shadow &&
            lacks_share(engine, claim, &claim->parts[i])) {
            return true;
        }
    }
    return false;
}

bool claim_is_hopeless(const struct engine *engine, const struct claim *claim,
                       int64_t wait_ms, uint32_t *ret_part,
                       uint64_t *ret_excess_ms)
{
    if (wait_ms < 0 || is_over_share(engine, claim)) {
        return false;
    }
    for (uint32_t i = 0; i < claim->count; i++) {
        uint64_t ms;
        if (!claim->parts[i].semaphore->refuse_hopeless ||
            claim_part_lack(engine, claim, i, false) == LACK_NOTHING) {
            continue;
        }
        ms = part_wait_ms(engine, claim, i);
        if (ms != UNKNOWN_MS && ms > (uint64_t)wait_ms) {
            *ret_part = i;
            *ret_excess_ms = ms - (uint64_t)wait_ms;
            return true;
        }
    }
    return false;
}
