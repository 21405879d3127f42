/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <assert.h>
#include <string.h>

#include "model_state.h"

/* ------------------------------------------------------------------ looking */

uint64_t model_after_ms(uint64_t now_ns, int64_t ms)
{
    uint64_t room_ms = (TIME_NEVER - now_ns) / NS_PER_MS;

    return (uint64_t)ms >= room_ms ? TIME_NEVER
                                   : now_ns + (uint64_t)ms * NS_PER_MS;
}

size_t model_find_semaphore(const struct model *model, const char *name)
{
    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        const struct model_semaphore *semaphore = &model->semaphores[i];

        if (semaphore->used && !semaphore->deleted &&
            strcmp(semaphore->name, name) == 0) {
            return i;
        }
    }
    return MODEL_SEMAPHORES_MAX;
}

size_t model_find_grant(const struct model *model, uint64_t session_id,
                        uint64_t acquire_id)
{
    size_t i;

    for (i = 0; i < model->grants_count; i++) {
        if (model->grants[i].session_id == session_id &&
            model->grants[i].acquire_id == acquire_id) {
            break;
        }
    }
    return i;
}

size_t model_find_waiter(const struct model *model, uint64_t session_id,
                         uint64_t acquire_id)
{
    size_t i;

    for (i = 0; i < model->waiters_count; i++) {
        if (model->waiters[i].session_id == session_id &&
            model->waiters[i].acquire_id == acquire_id) {
            break;
        }
    }
    return i;
}

uint64_t model_held(const struct model *model, size_t semaphore)
{
    uint64_t held = 0;

    for (size_t i = 0; i < model->grants_count; i++) {
        if (model->grants[i].semaphore == semaphore) {
            held += model->grants[i].permits;
        }
    }
    return held;
}

uint64_t model_available(const struct model *model, size_t semaphore)
{
    const struct model_semaphore *row = &model->semaphores[semaphore];
    uint64_t held;

    if (row->definition.kind == ENGINE_COUNTING) {
        return row->value;
    }
    held = model_held(model, semaphore);
    return row->definition.permits > held ? row->definition.permits - held : 0;
}

bool model_is_set_aside(struct model *model, const struct model_waiter *waiter)
{
    return model_find_session(model, waiter->session_id)->disconnected;
}

/* Are grants of this session, or of all, at their limit? */
bool model_grants_are_used_up(const struct model *model, uint64_t session_id)
{
    size_t count = 0;

    for (size_t i = 0; i < model->grants_count; i++) {
        count += model->grants[i].session_id == session_id;
    }
    return count >= model->limits.max_grants_per_session ||
           model->grants_count >= model->limits.max_grants;
}

bool model_waiters_are_used_up(const struct model *model, uint64_t session_id)
{
    size_t count = 0;

    for (size_t i = 0; i < model->waiters_count; i++) {
        count += model->waiters[i].session_id == session_id;
    }
    return count >= model->limits.max_waiters_per_session ||
           model->waiters_count >= model->limits.max_waiters;
}

/* ------------------------------------------------------------------ telling */

struct engine_effect *model_tell(struct model *model,
                                 enum engine_effect_type type,
                                 uint64_t session_id, uint64_t request_id)
{
    struct engine_effect *effect = &model->effects[model->effects_count++];

    assert(model->effects_count <= MODEL_EFFECTS_MAX);
    memset(effect, 0, sizeof(*effect));
    effect->type = type;
    effect->session_id = session_id;
    effect->request_id = request_id;
    return effect;
}

struct engine_answer *model_answer(struct model *model, uint64_t session_id,
                                   uint64_t request_id,
                                   enum engine_event_type to,
                                   enum permit_status status)
{
    struct engine_effect *effect =
        model_tell(model, ENGINE_EFFECT_ANSWER, session_id, request_id);

    effect->answer.to = to;
    effect->answer.status = status;
    return &effect->answer;
}

struct engine_answer *model_answer_event(struct model *model,
                                         const struct engine_event *event,
                                         enum permit_status status)
{
    return model_answer(model, event->session_id, event->request_id,
                        event->type, status);
}

/* ----------------------------------------------------------------- granting */

int64_t model_cap_hold(const struct model *model, size_t semaphore,
                       int64_t hold_ms)
{
    int64_t cap_ms = model->semaphores[semaphore].definition.hold_ms;

    return cap_ms != 0 && (hold_ms == 0 || hold_ms > cap_ms) ? cap_ms : hold_ms;
}

void model_grant(struct model *model, const struct model_waiter *waiter)
{
    struct model_semaphore *semaphore = &model->semaphores[waiter->semaphore];
    int64_t hold_ms = waiter->consume ? 0 /* Nothing is held. */
                                      : model_cap_hold(model, waiter->semaphore,
                                                       waiter->hold_ms);
    struct engine_slots *slots = &model->slots[model->effects_count];
    struct engine_answer *told;
    struct model_grant *made;

    told = model_answer(model, waiter->session_id, waiter->acquire_id,
                        ENGINE_ACQUIRE, PERMIT_OK);
    told->grant_id = ++model->fence;
    told->waited_ms =
        (int64_t)((model->now_ns - waiter->queued_ns) / NS_PER_MS);
    told->hold_ms = hold_ms;
    semaphore->fence = model->fence;
    semaphore->grants_total++;
    model->grants_total++;
    if (semaphore->definition.kind == ENGINE_COUNTING) {
        semaphore->value -= waiter->permits;
    }
    if (waiter->consume) {
        return;
    }
    if (semaphore->definition.slots) {
        *slots = owners_lowest(&semaphore->owners, waiter->permits);
        told->slots = slots;
        told->semaphore = semaphore->name;
        (void)owners_take(&semaphore->owners, slots, waiter->permits,
                          model->fence);
    }
    assert(model->grants_count < MODEL_GRANTS_MAX);
    made = &model->grants[model->grants_count++];
    *made = (struct model_grant){
        .id = model->fence,
        .session_id = waiter->session_id,
        .acquire_id = waiter->acquire_id,
        .semaphore = waiter->semaphore,
        .permits = waiter->permits,
        .waited_ms = told->waited_ms,
        .hold_ms = hold_ms,
        .granted_ns = model->now_ns,
        .deadline_ns =
            hold_ms == 0 ? TIME_NEVER : model_after_ms(model->now_ns, hold_ms),
        .deadline_order = ++model->order};
}

/* Grants, from the front of a queue, what fits. */
void model_serve(struct model *model, size_t semaphore)
{
    for (size_t i = 0; i < model->waiters_count;) {
        struct model_waiter waiter = model->waiters[i];

        if (waiter.semaphore != semaphore ||
            model_is_set_aside(model, &waiter)) {
            i++;
            continue;
        }
        if (waiter.permits > model_available(model, semaphore)) {
            return;
        }
        REMOVE(model->waiters, model->waiters_count, i);
        if (!waiter.consume &&
            model_grants_are_used_up(model, waiter.session_id)) {
            model_answer(model, waiter.session_id, waiter.acquire_id,
                         ENGINE_ACQUIRE, PERMIT_E_TOO_MANY);
        } else {
            model_grant(model, &waiter);
        }
    }
}

/* Takes permits back from grant i, which may end it, and serves. */
void model_give_back(struct model *model, size_t i, uint32_t permits)
{
    size_t row = model->grants[i].semaphore;
    struct model_semaphore *semaphore = &model->semaphores[row];

    assert(permits <= model->grants[i].permits);
    owners_give_back(&semaphore->owners, model->grants[i].id, permits);
    model->grants[i].permits -= permits;
    if (model->grants[i].permits == 0) {
        REMOVE(model->grants, model->grants_count, i);
    }
    if (semaphore->definition.kind == ENGINE_COUNTING) {
        semaphore->value += permits;
    }
    if (semaphore->deleted && model_held(model, row) == 0) {
        semaphore->used = false;
    }
    model_serve(model, row);
}

/* ------------------------------------------------------------- what is due */

void model_refuse_waiter(struct model *model, size_t i,
                         enum permit_status status)
{
    struct model_waiter waiter = model->waiters[i];

    REMOVE(model->waiters, model->waiters_count, i);
    model_answer(model, waiter.session_id, waiter.acquire_id, ENGINE_ACQUIRE,
                 status);
}

static void remember_lost(struct model *model, const struct model_grant *gone)
{
    assert(model->limits.max_lost <= MODEL_LOST_MAX);
    if (model->lost_count == model->limits.max_lost) {
        REMOVE(model->lost, model->lost_count, 0);
    }
    model->lost[model->lost_count++] =
        (struct model_lost){gone->session_id, gone->acquire_id, gone->id};
}

void model_tell_lost(struct model *model, const struct model_grant *gone,
                     enum permit_loss reason, int64_t grace_ms)
{
    struct engine_effect *effect = model_tell(
        model, ENGINE_EFFECT_LOST, gone->session_id, gone->acquire_id);

    effect->lost.grant_id = gone->id;
    effect->lost.reason = reason;
    effect->lost.grace_ms = grace_ms;
}

void model_count_lost(struct model *model, const struct model_grant *gone,
                      enum permit_loss reason)
{
    model->semaphores[gone->semaphore].lost_total[reason - 1]++;
    model->lost_total++;
}

/* The hold, or the grace, of grant i is over. */
void model_expire(struct model *model, size_t i)
{
    struct model_grant gone = model->grants[i];

    if (!gone.lost) {
        model_tell_lost(model, &gone, PERMIT_LOSS_HOLD, 0);
    }
    model_count_lost(model, &gone,
                     gone.lost ? PERMIT_LOSS_DELETED : PERMIT_LOSS_HOLD);
    remember_lost(model, &gone);
    model_give_back(model, i, gone.permits);
}

static void time_out(struct model *model, size_t i)
{
    size_t semaphore = model->waiters[i].semaphore;

    model_refuse_waiter(model, i, PERMIT_E_TIMEOUT);
    model->semaphores[semaphore].timeouts_total++;
    model->timeouts_total++;
    model_serve(model, semaphore);
}

/* What is due next: the least time, then what gives back before what ends
 * waits, then the deadline that was set first. */
struct due {
    uint64_t time_ns;
    int rank;
    uint64_t order;
    enum { DUE_NOTHING, DUE_SESSION, DUE_GRANT, DUE_WAITER } what;
    size_t index;
};

static void consider(struct due *least, struct due due)
{
    if (due.time_ns != least->time_ns) {
        if (due.time_ns > least->time_ns) {
            return;
        }
    } else if (due.rank != least->rank) {
        if (due.rank > least->rank) {
            return;
        }
    } else if (due.order > least->order) {
        return;
    }
    *least = due;
}

static struct due next_due(const struct model *model)
{
    struct due least = {TIME_NEVER, 2, 0, DUE_NOTHING, 0};

    for (size_t i = 0; i < model->sessions_count; i++) {
        consider(&least, (struct due){model->sessions[i].deadline_ns, 0,
                                      model->sessions[i].deadline_order,
                                      DUE_SESSION, i});
    }
    for (size_t i = 0; i < model->grants_count; i++) {
        consider(&least,
                 (struct due){model->grants[i].deadline_ns, 0,
                              model->grants[i].deadline_order, DUE_GRANT, i});
    }
    for (size_t i = 0; i < model->waiters_count; i++) {
        consider(&least,
                 (struct due){model->waiters[i].deadline_ns, 1,
                              model->waiters[i].deadline_order, DUE_WAITER, i});
    }
    return least;
}

uint64_t model_next_deadline(const struct model *model)
{
    return next_due(model).time_ns;
}

void model_pass_time(struct model *model, uint64_t now_ns)
{
    for (;;) {
        struct due due = next_due(model);

        if (due.time_ns == TIME_NEVER || due.time_ns > now_ns) {
            break;
        }
        assert(due.time_ns >= model->now_ns);
        model->now_ns = due.time_ns;
        if (due.what == DUE_SESSION) {
            model_fall_silent(model, &model->sessions[due.index]);
        } else if (due.what == DUE_GRANT) {
            model_expire(model, due.index);
        } else {
            time_out(model, due.index);
        }
    }
    model->now_ns = now_ns;
}

void model_restart(struct model *model, uint64_t now_ns)
{
    model->now_ns = now_ns;
    model->waiters_count = 0;
    model->draining = false;
    model->restarted = true;
    for (size_t i = 0; i < model->sessions_count; i++) {
        struct model_session *session = &model->sessions[i];

        session->disconnected = true;
        session->heard = false;
        session->deadline_ns = model_after_ms(
            model_after_ms(now_ns, session->timeout_ms), session->linger_ms);
    }
    for (size_t i = 0; i < model->grants_count; i++) {
        struct model_grant *held = &model->grants[i];

        held->granted_ns = now_ns;
        held->deadline_ns = held->hold_ms == 0
                                ? TIME_NEVER
                                : model_after_ms(now_ns, held->hold_ms);
        if (held->lost &&
            model_after_ms(now_ns, held->grace_ms) < held->deadline_ns) {
            held->deadline_ns = model_after_ms(now_ns, held->grace_ms);
        }
    }
}

void model_init(struct model *model, const struct engine_limits *limits,
                uint64_t first_fence)
{
    assert(limits->max_sessions <= MODEL_SESSIONS_MAX);
    assert(limits->max_grants <= MODEL_GRANTS_MAX);
    assert(limits->max_waiters <= MODEL_WAITERS_MAX);
    memset(model, 0, sizeof(*model));
    model->limits = *limits;
    model->fence = first_fence;
}
