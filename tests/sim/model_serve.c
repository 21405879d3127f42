/* SPDX-License-Identifier: MIT */
/* Who is granted what, and when whose turn it is. */
#include "model.h"

#include <assert.h>
#include <string.h>

#include "model_state.h"

static struct model_semaphore *row_of(struct model *model,
                                      const struct model_part *part)
{
    return &model->semaphores[part->semaphore];
}

/* ----------------------------------------------------------------- granting */

int64_t model_cap_hold(const struct model *model,
                       const struct model_part *parts, size_t count,
                       int64_t hold_ms)
{
    for (size_t i = 0; i < count; i++) {
        int64_t cap_ms =
            model->semaphores[parts[i].semaphore].definition.hold_ms;

        if (cap_ms != 0 && (hold_ms == 0 || hold_ms > cap_ms)) {
            hold_ms = cap_ms;
        }
    }
    return hold_ms;
}

/* Is the part given back some day, or taken for good? */
static bool is_kept(const struct model *model, const struct model_waiter *asked,
                    const struct model_part *part)
{
    switch (model->semaphores[part->semaphore].definition.kind) {
    case ENGINE_RATE:
        return asked->settle;
    case ENGINE_COUNTING:
        return !part->consume;
    case ENGINE_BOUNDED:
    default:
        return true;
    }
}

bool model_grants_are_used_up(const struct model *model,
                              const struct model_waiter *asked)
{
    size_t of_session = 0;
    size_t parts = 0;
    size_t makes = 0;

    for (size_t i = 0; i < asked->parts_count; i++) {
        makes += is_kept(model, asked, &asked->parts[i]);
    }
    for (size_t i = 0; i < model->grants_count; i++) {
        of_session += model->grants[i].session_id == asked->session_id;
        parts += model->grants[i].parts_count;
    }
    return makes > 0 && (of_session >= model->limits.max_grants_per_session ||
                         parts + makes > model->limits.max_grants);
}

/* Takes one part, and tells it. */
static void take(struct model *model, const struct model_waiter *asked,
                 const struct model_part *part)
{
    struct model_semaphore *semaphore = row_of(model, part);
    struct engine_record *told = &model->told[model->told_count++];
    uint32_t permits = part->permits;

    assert(model->told_count <= MODEL_TOLD_MAX);
    memset(told, 0, sizeof(*told));
    if (semaphore->definition.kind == ENGINE_RATE) {
        uint64_t there = model_available(model, part->semaphore);

        assert(permits <= there || semaphore->definition.shadow);
        model_tokens_add(semaphore,
                         -(int64_t)(permits < there ? permits : there),
                         model->now_ns);
    } else if (semaphore->definition.kind == ENGINE_COUNTING) {
        semaphore->value -= permits;
    }
    if (semaphore->definition.kind != ENGINE_RATE &&
        is_kept(model, asked, part)) {
        semaphore->held += permits;
    }
    semaphore->fence = model->fence;
    semaphore->grants_total++;
    memcpy(told->semaphore, semaphore->name, sizeof(told->semaphore));
    told->permits = permits;
    told->consume = !is_kept(model, asked, part);
    if (semaphore->definition.slots) {
        told->slots = owners_lowest(&semaphore->owners, permits);
        (void)owners_take(&semaphore->owners, &told->slots, permits,
                          model->fence);
    }
}

/* Those who wait there and are passed have one pass more. */
static void count_passes(struct model *model, const struct model_waiter *asked)
{
    for (size_t i = 0; i < model->waiters_count; i++) {
        struct model_waiter *other = &model->waiters[i];

        for (size_t j = 0; j < other->parts_count; j++) {
            struct model_part *part = &other->parts[j];
            const struct engine_definition *definition =
                &row_of(model, part)->definition;

            if (model_is_before(other, asked) && definition->bypass > 0 &&
                !definition->shadow &&
                model_part_of(asked->parts, asked->parts_count,
                              part->semaphore) != NULL) {
                part->passes++;
            }
        }
    }
}

void model_grant(struct model *model, const struct model_waiter *asked)
{
    struct engine_answer *told = model_answer(
        model, asked->session_id, asked->acquire_id, ENGINE_ACQUIRE, PERMIT_OK);
    struct model_grant made = {
        .id = ++model->fence,
        .session_id = asked->session_id,
        .acquire_id = asked->acquire_id,
        .waited_ms = (int64_t)((model->now_ns - asked->queued_ns) / NS_PER_MS),
        .granted_ns = model->now_ns,
        .deadline_ns = TIME_NEVER};

    count_passes(model, asked);
    told->granted = &model->told[model->told_count];
    told->granted_count = (uint32_t)asked->parts_count;
    for (size_t i = 0; i < asked->parts_count; i++) {
        take(model, asked, &asked->parts[i]);
        if (is_kept(model, asked, &asked->parts[i])) {
            made.parts[made.parts_count++] = asked->parts[i];
        }
    }
    model->grants_total++;
    if (made.parts_count > 0) {
        made.hold_ms =
            model_cap_hold(model, made.parts, made.parts_count, asked->hold_ms);
        made.deadline_order = ++model->order;
        if (made.hold_ms != 0) {
            made.deadline_ns = model_after_ms(model->now_ns, made.hold_ms);
        }
        assert(model->grants_count < MODEL_GRANTS_MAX);
        model->grants[model->grants_count++] = made;
    }
    told->grant_id = made.id;
    told->waited_ms = made.waited_ms;
    told->hold_ms = made.hold_ms;
    model_review_shares(model, asked->session_id);
}

/* ------------------------------------------------------------------ serving */

void model_mark(struct model *model, size_t semaphore)
{
    for (size_t i = 0; i < model->marked_count; i++) {
        if (model->marked[i] == semaphore) {
            return;
        }
    }
    if (!model->semaphores[semaphore].deleted) {
        model->marked[model->marked_count++] = semaphore;
    }
}

static void mark_all(struct model *model, const struct model_waiter *waiter)
{
    for (size_t i = 0; i < waiter->parts_count; i++) {
        model_mark(model, waiter->parts[i].semaphore);
    }
}

void model_review_shares(struct model *model, uint64_t session_id)
{
    static uint64_t arrivals[MODEL_WAITERS_MAX];
    bool has_shares = false;
    size_t count;

    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        has_shares |= model->semaphores[i].used &&
                      model->semaphores[i].definition.per_session != 0;
    }
    count = has_shares ? model_arrivals(model, session_id, arrivals) : 0;
    for (size_t i = 0; i < count; i++) {
        struct model_waiter *waiter = model->waiters;

        while (waiter->arrival != arrivals[i]) {
            waiter++;
        }
        if (model_is_over_share(model, waiter) != waiter->over_share) {
            waiter->over_share = !waiter->over_share;
            mark_all(model, waiter);
        }
    }
}

void model_remove_waiter(struct model *model, size_t i)
{
    struct model_waiter waiter = model->waiters[i];

    REMOVE(model->waiters, model->waiters_count, i);
    mark_all(model, &waiter);
}

void model_refuse_waiter(struct model *model, size_t i,
                         enum permit_status status)
{
    model_answer(model, model->waiters[i].session_id,
                 model->waiters[i].acquire_id, ENGINE_ACQUIRE, status);
    model_remove_waiter(model, i);
}

void model_time_out(struct model *model, size_t i)
{
    const struct model_waiter *waiter = &model->waiters[i];
    for (size_t j = 0; j < waiter->parts_count; j++) {
        row_of(model, &waiter->parts[j])->timeouts_total++;
    }
    model->timeouts_total++;
    model_tell_obstacle(model,
                        model_answer(model, waiter->session_id,
                                     waiter->acquire_id, ENGINE_ACQUIRE,
                                     PERMIT_E_TIMEOUT),
                        model_obstacle(model, waiter));
    model_remove_waiter(model, i);
    model_serve(model);
}

/* Grants the first waiter of a semaphore that can be granted; returns false if
 * there is none. */
static bool serve_one(struct model *model, size_t semaphore)
{
    const struct engine_definition *definition =
        &model->semaphores[semaphore].definition;

    for (size_t i = 0; i < model->waiters_count; i++) {
        struct model_waiter waiter = model->waiters[i];
        const struct model_part *part =
            model_part_of(waiter.parts, waiter.parts_count, semaphore);

        if (part == NULL || !model_is_eligible(model, &waiter)) {
            continue;
        }
        if (!model_can_be_granted(model, &waiter)) {
            if (!definition->shadow && part->passes >= definition->bypass) {
                return false; /* All behind it are blocked. */
            }
            continue;
        }
        if (model_grants_are_used_up(model, &waiter)) {
            model_refuse_waiter(model, i, PERMIT_E_TOO_MANY);
        } else {
            model_remove_waiter(model, i);
            model_grant(model, &waiter);
        }
        return true;
    }
    return false;
}

void model_serve(struct model *model)
{
    while (model->marked_count > 0) {
        if (!serve_one(model, model->marked[0])) {
            REMOVE(model->marked, model->marked_count, 0);
        }
    }
    model_forget_idle(model);
}
