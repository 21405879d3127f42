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

void model_tell_obstacle(struct model *model, struct engine_answer *told,
                         struct engine_obstacle obstacle)
{
    if (obstacle.semaphore != NULL) {
        struct engine_record *kept = &model->told[model->told_count++];

        assert(model->told_count <= MODEL_TOLD_MAX);
        memset(kept, 0, sizeof(*kept));
        strcpy(kept->semaphore, obstacle.semaphore);
        obstacle.semaphore = kept->semaphore;
    }
    told->obstacle = obstacle;
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

/* ------------------------------------------------------------------- tokens */

/* When the tokens of a waiter exist that it lacks of one RATE now, or
 * TIME_NEVER. */
static uint64_t tokens_ns(const struct model *model,
                          const struct model_part *part)
{
    const struct model_semaphore *semaphore =
        &model->semaphores[part->semaphore];

    return semaphore->definition.kind != ENGINE_RATE ||
                   semaphore->definition.shadow ||
                   model_available(model, part->semaphore) >= part->permits
               ? TIME_NEVER
               : model_tokens_when(semaphore, model->now_ns, part->permits);
}

/* When something that waits for tokens of the semaphore may go on. */
static uint64_t wake_ns(const struct model *model, size_t row)
{
    uint64_t least_ns = model_forgotten_ns(model, row);

    for (size_t i = 0; i < model->waiters_count; i++) {
        const struct model_waiter *waiter = &model->waiters[i];
        const struct model_part *part =
            model_part_of(waiter->parts, waiter->parts_count, row);

        if (part == NULL || !model_is_eligible(model, waiter)) {
            continue;
        }
        if (model_can_be_granted(model, waiter)) {
            return model->now_ns; /* They came at this instant. */
        }
        if (tokens_ns(model, part) < least_ns) {
            least_ns = tokens_ns(model, part);
        }
    }
    return least_ns;
}

bool model_may_wake(const struct model *model, uint64_t time_ns)
{
    for (size_t i = 0; i < model->waiters_count; i++) {
        const struct model_waiter *waiter = &model->waiters[i];

        for (size_t j = 0; j < waiter->parts_count; j++) {
            if (tokens_ns(model, &waiter->parts[j]) == time_ns) {
                return true;
            }
        }
    }
    return false;
}

/* When a waiter that lacks nothing but tokens has them all, or TIME_NEVER. */
static uint64_t turn_ns(const struct model *model,
                        const struct model_waiter *waiter)
{
    uint64_t turn_ns = 0;

    for (size_t i = 0; i < waiter->parts_count; i++) {
        const struct model_part *part = &waiter->parts[i];
        uint64_t there_ns = tokens_ns(model, part);
        unsigned lacks = model_lacks(model, waiter, part);

        if (lacks == 0) {
            continue;
        }
        if (lacks != MODEL_LACKS_PERMITS) {
            return TIME_NEVER;
        }
        turn_ns = there_ns > turn_ns ? there_ns : turn_ns;
    }
    return turn_ns == 0 || !model_is_eligible(model, waiter) ? TIME_NEVER
                                                             : turn_ns;
}

/* ------------------------------------------------------------- what is due */

/* What is due next: the least time, then what gives back before tokens before
 * what ends waits, then the deadline that was set first. */
struct due {
    uint64_t time_ns;
    int rank;
    uint64_t order;
    enum { DUE_NOTHING, DUE_SESSION, DUE_GRANT, DUE_TOKENS, DUE_WAITER } what;
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

static struct due next_deadline(const struct model *model)
{
    struct due least = {TIME_NEVER, 3, 0, DUE_NOTHING, 0};

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
                 (struct due){model->waiters[i].deadline_ns, 2,
                              model->waiters[i].deadline_order, DUE_WAITER, i});
    }
    return least;
}

static struct due next_due(const struct model *model)
{
    struct due least = next_deadline(model);

    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        const struct model_semaphore *semaphore = &model->semaphores[i];

        if (semaphore->used && !semaphore->deleted &&
            semaphore->definition.kind == ENGINE_RATE) {
            consider(&least,
                     (struct due){wake_ns(model, i), 1, semaphore->made_order,
                                  DUE_TOKENS, i});
        }
    }
    return least;
}

uint64_t model_next_deadline(const struct model *model)
{
    uint64_t least_ns = next_deadline(model).time_ns;

    for (size_t i = 0; i < model->waiters_count; i++) {
        uint64_t time_ns = turn_ns(model, &model->waiters[i]);

        least_ns = time_ns < least_ns ? time_ns : least_ns;
    }
    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        uint64_t time_ns = model_forgotten_ns(model, i);

        least_ns = time_ns < least_ns ? time_ns : least_ns;
    }
    return least_ns;
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
        } else if (due.what == DUE_TOKENS) {
            model_mark(model, due.index);
            model_serve(model);
        } else {
            model_time_out(model, due.index);
        }
    }
    model->now_ns = now_ns;
}

void model_restart(struct model *model, uint64_t now_ns)
{
    model->now_ns = now_ns;
    model->waiters_count = 0;
    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        struct model_semaphore *semaphore = &model->semaphores[i];

        semaphore->holds_count = 0;
        semaphore->tokens.at_ns = now_ns;
        semaphore->tokens.whole = 0;
        semaphore->tokens.fraction = 0;
    }
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
    model_forget_idle(model);
}

void model_init(struct model *model, const struct engine_limits *limits,
                uint64_t first_fence)
{
    assert(limits->max_sessions <= MODEL_SESSIONS_MAX);
    assert(limits->max_grants <= MODEL_GRANTS_MAX);
    assert(limits->max_waiters <= MODEL_WAITERS_MAX);
    memset(model, 0, offsetof(struct model, effects)); /* They are counted. */
    model->priority_step_ns = DEFAULT_PRIORITY_STEP_MS * NS_PER_MS;
    model->limits = *limits;
    model->fence = first_fence;
}
