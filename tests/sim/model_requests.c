/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <assert.h>
#include <string.h>

#include "model_state.h"

/* ------------------------------------------------------------------- events */

/* Fills position and permits_in_the_way. */
static void say_what_would_help(struct model *model,
                                const struct model_waiter *asked,
                                struct engine_answer *told)
{
    const struct model_semaphore *semaphore =
        &model->semaphores[asked->semaphore];
    int64_t free = (int64_t)semaphore->value;
    int64_t needed = asked->permits;

    if (semaphore->definition.kind == ENGINE_BOUNDED) { /* Below 0 if shrunk. */
        free = (int64_t)semaphore->definition.permits -
               (int64_t)model_held(model, asked->semaphore);
    }
    told->position = 1;
    for (size_t i = 0; i < model->waiters_count; i++) {
        if (model->waiters[i].semaphore == asked->semaphore) {
            told->position++;
            if (!model_is_set_aside(model, &model->waiters[i])) {
                needed += model->waiters[i].permits;
            }
        }
    }
    told->permits_in_the_way = needed > free ? (uint64_t)(needed - free) : 0;
}

/* Does anybody wait there? Who is set aside counts only if count_all. */
static uint64_t waiters_of(struct model *model, size_t semaphore,
                           bool count_all)
{
    uint64_t count = 0;

    for (size_t i = 0; i < model->waiters_count; i++) {
        count += model->waiters[i].semaphore == semaphore &&
                 (count_all || !model_is_set_aside(model, &model->waiters[i]));
    }
    return count;
}

/* Why an acquire is neither granted nor may wait on an existing semaphore;
 * PERMIT_OK if there is no reason that lies in its own words. */
static enum permit_status check_acquire(const struct model_semaphore *semaphore,
                                        const struct engine_event *event)
{
    const struct engine_definition *definition = &semaphore->definition;
    bool bounded = definition->kind == ENGINE_BOUNDED;

    if (event->acquire.consume && bounded) {
        return PERMIT_E_INVALID;
    }
    if (event->acquire.expect_permits != 0 &&
        event->acquire.expect_permits != definition->permits) {
        return PERMIT_E_LIMIT_MISMATCH;
    }
    if (bounded && event->acquire.permits > definition->permits) {
        return PERMIT_E_IMPOSSIBLE;
    }
    return PERMIT_OK;
}

/* An acquire that was not granted waits, or is refused. */
static void queue(struct model *model, const struct engine_event *event,
                  struct model_waiter *asked)
{
    struct model_semaphore *semaphore = &model->semaphores[asked->semaphore];
    int64_t cap_ms = semaphore->definition.max_wait_ms;
    int64_t wait_ms = event->acquire.wait_ms;

    if (cap_ms >= 0 && (wait_ms < 0 || wait_ms > cap_ms)) {
        wait_ms = cap_ms;
    }
    if (wait_ms == 0) {
        say_what_would_help(
            model, asked,
            model_answer_event(model, event, PERMIT_E_WOULD_BLOCK));
        return;
    }
    if (waiters_of(model, asked->semaphore, /* count_all= */ true) >=
        semaphore->definition.max_queue) {
        semaphore->queue_full_total++;
        say_what_would_help(
            model, asked,
            model_answer_event(model, event, PERMIT_E_QUEUE_FULL));
        return;
    }
    if (model_waiters_are_used_up(model, event->session_id)) {
        model_answer_event(model, event, PERMIT_E_TOO_MANY);
        return;
    }
    assert(model->waiters_count < MODEL_WAITERS_MAX);
    asked->deadline_ns =
        wait_ms < 0 ? TIME_NEVER : model_after_ms(model->now_ns, wait_ms);
    asked->deadline_order = ++model->order;
    model->waiters[model->waiters_count++] = *asked;
}

static void apply_acquire(struct model *model, const struct engine_event *event)
{
    size_t row = model_find_semaphore(model, event->acquire.semaphore);
    enum permit_status status = PERMIT_E_NOT_FOUND;
    struct model_waiter asked = {.session_id = event->session_id,
                                 .acquire_id = event->request_id,
                                 .semaphore = row,
                                 .permits = event->acquire.permits,
                                 .consume = event->acquire.consume,
                                 .hold_ms = event->acquire.hold_ms,
                                 .queued_ns = model->now_ns};

    if (model->draining) {
        status = PERMIT_E_DRAINING;
    } else if (row != MODEL_SEMAPHORES_MAX) {
        status = check_acquire(&model->semaphores[row], event);
    }
    if (status != PERMIT_OK) {
        model_answer_event(model, event, status);
    } else if (waiters_of(model, row, /* count_all= */ false) > 0 ||
               asked.permits > model_available(model, row)) {
        queue(model, event, &asked);
    } else if (!asked.consume &&
               model_grants_are_used_up(model, asked.session_id)) {
        model_answer_event(model, event, PERMIT_E_TOO_MANY);
    } else {
        model_grant(model, &asked);
    }
}

static void apply_cancel(struct model *model, const struct engine_event *event)
{
    uint64_t acquire_id = event->cancel.acquire_id;
    size_t i = model_find_waiter(model, event->session_id, acquire_id);
    bool held = model_find_grant(model, event->session_id, acquire_id) <
                model->grants_count;
    size_t semaphore;

    if (i == model->waiters_count) {
        model_answer_event(model, event, PERMIT_OK)->cancelled =
            held ? ENGINE_CANCEL_GRANTED : ENGINE_CANCEL_NOT_FOUND;
        return;
    }
    semaphore = model->waiters[i].semaphore;
    model_refuse_waiter(model, i, PERMIT_E_CANCELLED);
    model_answer_event(model, event, PERMIT_OK)->cancelled =
        ENGINE_CANCEL_CANCELLED;
    model_serve(model, semaphore);
}

static void apply_post(struct model *model, const struct engine_event *event)
{
    size_t row = model_find_semaphore(model, event->post.semaphore);
    struct model_semaphore *semaphore = &model->semaphores[row];

    if (event->post.permits == 0 || event->post.permits > LIMIT_PERMITS_MAX) {
        model_answer_event(model, event, PERMIT_E_INVALID);
        return;
    }
    if (row == MODEL_SEMAPHORES_MAX) {
        model_answer_event(model, event, PERMIT_E_NOT_FOUND);
        return;
    }
    if (semaphore->definition.kind != ENGINE_COUNTING) {
        model_answer_event(model, event, PERMIT_E_INVALID);
        return;
    }
    if (semaphore->value + model_held(model, row) + event->post.permits >
        LIMIT_PERMITS_MAX) {
        model_answer_event(model, event, PERMIT_E_OVERFLOW);
        return;
    }
    semaphore->value += event->post.permits;
    model_serve(model, row);
    model_answer_event(model, event, PERMIT_OK)->available = semaphore->value;
}

/* The definition that is asked for, on top of the one that is there. */
static struct engine_definition merge(struct engine_definition merged,
                                      const struct engine_definition *asked)
{
    if (asked->fields & ENGINE_FIELD_KIND) {
        merged.kind = asked->kind;
    }
    if (asked->fields & ENGINE_FIELD_PERMITS) {
        merged.permits = asked->permits;
    }
    if (asked->fields & ENGINE_FIELD_MAX_QUEUE) {
        merged.max_queue = asked->max_queue;
    }
    if (asked->fields & ENGINE_FIELD_MAX_WAIT) {
        merged.max_wait_ms = asked->max_wait_ms;
    }
    if (asked->fields & ENGINE_FIELD_HOLD) {
        merged.hold_ms = asked->hold_ms;
    }
    if (asked->fields & ENGINE_FIELD_SLOTS) {
        merged.slots = asked->slots;
    }
    return merged;
}

static bool makes_sense(const struct engine_definition *definition)
{
    bool counting = definition->kind == ENGINE_COUNTING;

    return (definition->kind == ENGINE_BOUNDED || counting) &&
           (definition->permits > 0 || counting) &&
           definition->permits <= LIMIT_PERMITS_MAX &&
           definition->max_wait_ms >= -1 && definition->hold_ms >= 0 &&
           (!definition->slots ||
            (!counting && definition->permits <= LIMIT_SLOTS_MAX));
}

/* Are there as many semaphores with slots as there may be? */
static bool slots_are_used_up(const struct model *model)
{
    size_t count = 0;

    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        count +=
            model->semaphores[i].used && model->semaphores[i].definition.slots;
    }
    return count >= model->limits.max_semaphores_with_slots;
}

/* Finds a free row for a new semaphore, or MODEL_SEMAPHORES_MAX. */
static size_t free_row(const struct model *model)
{
    size_t count = 0;
    size_t row = MODEL_SEMAPHORES_MAX;

    for (size_t i = MODEL_SEMAPHORES_MAX; i-- > 0;) {
        if (!model->semaphores[i].used) {
            row = i;
        } else {
            count++;
        }
    }
    if (count >= model->limits.max_semaphores) {
        return MODEL_SEMAPHORES_MAX;
    }
    assert(row != MODEL_SEMAPHORES_MAX);
    return row;
}

static enum permit_status
define(struct model *model, const struct engine_event *event, size_t *ret_row)
{
    static const struct engine_definition defaults = {
        63, ENGINE_BOUNDED, 1, DEFAULT_MAX_QUEUE, -1, 0, false};
    size_t row = model_find_semaphore(model, event->define.semaphore);
    bool is_new = row == MODEL_SEMAPHORES_MAX;
    struct engine_definition old =
        is_new ? defaults : model->semaphores[row].definition;
    struct engine_definition merged = merge(old, &event->define.definition);

    if (!makes_sense(&merged) ||
        (!is_new &&
         (merged.kind != old.kind ||
          (old.kind == ENGINE_COUNTING && merged.permits != old.permits)))) {
        return PERMIT_E_INVALID;
    }
    if (!is_new && merged.slots != old.slots && model_held(model, row) > 0) {
        return PERMIT_E_CONFLICT;
    }
    if (merged.slots && !old.slots && slots_are_used_up(model)) {
        return PERMIT_E_TOO_MANY;
    }
    if (is_new) {
        row = free_row(model);
        if (row == MODEL_SEMAPHORES_MAX) {
            return PERMIT_E_TOO_MANY;
        }
        memset(&model->semaphores[row], 0, sizeof(model->semaphores[row]));
        model->semaphores[row].used = true;
        strcpy(model->semaphores[row].name, event->define.semaphore);
        model->semaphores[row].value = merged.permits;
    }
    model->semaphores[row].definition = merged;
    *ret_row = row;
    return PERMIT_OK;
}

static void apply_define(struct model *model, const struct engine_event *event)
{
    size_t row = MODEL_SEMAPHORES_MAX;
    enum permit_status status = define(model, event, &row);
    const struct engine_definition *definition;

    model_answer_event(model, event, status);
    if (status != PERMIT_OK) {
        return;
    }
    definition = &model->semaphores[row].definition;
    for (size_t i = 0; i < model->waiters_count;) {
        if (model->waiters[i].semaphore == row &&
            definition->kind == ENGINE_BOUNDED &&
            model->waiters[i].permits > definition->permits) {
            model_refuse_waiter(model, i, PERMIT_E_IMPOSSIBLE);
        } else {
            i++;
        }
    }
    model_serve(model, row);
}

static void refuse_all(struct model *model, size_t semaphore,
                       enum permit_status status)
{
    for (size_t i = 0; i < model->waiters_count;) {
        if (model->waiters[i].semaphore == semaphore) {
            model_refuse_waiter(model, i, status);
        } else {
            i++;
        }
    }
}

/* Refuses all who wait, in the order of the semaphores' names. */
static void apply_drain(struct model *model)
{
    model->draining = true;
    while (model->waiters_count > 0) {
        size_t least = model->waiters[0].semaphore;

        for (size_t i = 1; i < model->waiters_count; i++) {
            size_t other = model->waiters[i].semaphore;

            if (strcmp(model->semaphores[other].name,
                       model->semaphores[least].name) < 0) {
                least = other;
            }
        }
        refuse_all(model, least, PERMIT_E_DRAINING);
    }
}

/* Tells the holders of a semaphore that is deleted; what they hold is free
 * after the grace, or the hold if that is over before. */
static void revoke_all(struct model *model, size_t row, int64_t grace_ms)
{
    uint64_t end_ns = model_after_ms(model->now_ns, grace_ms);

    for (size_t i = 0; i < model->grants_count;) {
        struct model_grant *held = &model->grants[i];

        if (held->semaphore != row) {
            i++;
            continue;
        }
        model_tell_lost(model, held, PERMIT_LOSS_DELETED, grace_ms);
        held->lost = true;
        held->grace_ms = grace_ms;
        if (end_ns < held->deadline_ns) {
            held->deadline_ns = end_ns;
            held->deadline_order = ++model->order;
        }
        if (grace_ms == 0) {
            model_expire(model, i);
        } else {
            i++;
        }
    }
}

static void apply_delete(struct model *model, const struct engine_event *event)
{
    size_t row = model_find_semaphore(model, event->delete.semaphore);

    if (row == MODEL_SEMAPHORES_MAX) {
        model_answer_event(model, event, PERMIT_E_NOT_FOUND);
        return;
    }
    if (model_held(model, row) > 0 && !event->delete.force) {
        model_answer_event(model, event, PERMIT_E_CONFLICT);
        return;
    }
    model_answer_event(model, event, PERMIT_OK);
    refuse_all(model, row, PERMIT_E_NOT_FOUND);
    model->semaphores[row].deleted = true;
    model->semaphores[row].used = model_held(model, row) > 0;
    revoke_all(model, row, event->delete.grace_ms);
}

void model_apply(struct model *model, const struct engine_event *event)
{
    struct model_session *session;

    model->effects_count = 0;
    model_pass_time(model, event->now_ns);
    session = model_find_session(model, event->session_id);
    if (event->session_id != 0 && session == NULL) {
        return; /* Nobody to answer to. */
    }
    if (session != NULL && session->disconnected &&
        event->type != ENGINE_SESSION_END) {
        return; /* Without a connection nothing comes from it. */
    }
    switch (event->type) {
    case ENGINE_TICK:
        break;
    case ENGINE_SESSION_OPEN:
        model_open(model, event);
        break;
    case ENGINE_SESSION_DISCONNECT:
        if (!event->session_disconnect.by_client) {
            model_disconnect(model, session, session->deadline_ns);
        } else if (session->linger_ms > 0) {
            model_disconnect(model, session, model->now_ns);
        } else {
            model_end_session(model, session, ENGINE_SESSION_ENDED_BY_CLIENT);
        }
        break;
    case ENGINE_SESSION_END:
        model_end_session(model, session, ENGINE_SESSION_ENDED_BY_CLIENT);
        break;
    case ENGINE_ACQUIRE:
        apply_acquire(model, event);
        break;
    case ENGINE_CANCEL:
        apply_cancel(model, event);
        break;
    case ENGINE_RELEASE:
        model_release(model, event);
        break;
    case ENGINE_RENEW:
        model_renew(model, event);
        break;
    case ENGINE_VERIFY:
        model_verify(model, event);
        break;
    case ENGINE_POST:
        apply_post(model, event);
        break;
    case ENGINE_DEFINE:
        apply_define(model, event);
        break;
    case ENGINE_DELETE:
        apply_delete(model, event);
        break;
    case ENGINE_DRAIN:
        apply_drain(model);
        break;
    default:
        assert(false);
    }
}
