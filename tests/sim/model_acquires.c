/* SPDX-License-Identifier: MIT */
/* An acquire that arrives: what it is told, if it need not wait. */
#include "model.h"

#include <assert.h>
#include <string.h>

#include "model_state.h"

static struct model_semaphore *row_of(struct model *model,
                                      const struct model_part *part)
{
    return &model->semaphores[part->semaphore];
}

static bool is_more_than_ever(const struct engine_definition *definition,
                              uint32_t permits)
{
    return (definition->kind == ENGINE_BOUNDED &&
            permits > definition->permits) ||
           (definition->kind == ENGINE_RATE && permits > definition->burst) ||
           (definition->per_session != 0 && permits > definition->per_session);
}

static enum permit_status check_part(const char *name,
                                     const struct engine_definition *definition,
                                     const struct engine_part *part)
{
    uint32_t limit = definition->kind == ENGINE_RATE ? definition->burst
                                                     : definition->permits;

    if (strchr(name, '*') != NULL ||
        (part->consume && definition->kind == ENGINE_BOUNDED)) {
        return PERMIT_E_INVALID;
    }
    if (part->expect_permits != 0 && part->expect_permits != limit) {
        return PERMIT_E_LIMIT_MISMATCH;
    }
    if (!definition->shadow && is_more_than_ever(definition, part->permits)) {
        return PERMIT_E_IMPOSSIBLE;
    }
    return PERMIT_OK;
}

/* What makes an acquire senseless; and of the semaphores that are not there yet
 * the definitions. */
static enum permit_status check(const struct model *model,
                                const struct engine_event *event,
                                struct engine_definition *missing,
                                size_t *missing_count)
{
    bool has_rate = false;

    if (model->draining) {
        return PERMIT_E_DRAINING;
    }
    for (uint32_t i = 0; i < event->acquire.parts_count; i++) {
        const struct engine_part *part = &event->acquire.parts[i];
        size_t row = model_find_semaphore(model, part->semaphore);
        bool is_missing = row == MODEL_SEMAPHORES_MAX;
        const struct engine_definition *definition;
        enum permit_status status;

        if (is_missing) {
            row = model_find_template(model, part->semaphore);
        }
        if (row == MODEL_SEMAPHORES_MAX) {
            return PERMIT_E_NOT_FOUND;
        }
        definition = &model->semaphores[row].definition;
        status = check_part(part->semaphore, definition, part);
        if (status != PERMIT_OK) {
            return status;
        }
        has_rate |= definition->kind == ENGINE_RATE;
        if (is_missing) {
            missing[(*missing_count)++] = *definition;
        }
    }
    if (event->type == ENGINE_ACQUIRE &&
        ((event->acquire.settle && !has_rate) ||
         (event->acquire.join && event->acquire.parts_count > 1))) {
        return PERMIT_E_INVALID;
    }
    return model_may_make(model, event->session_id, missing, *missing_count)
               ? PERMIT_OK
               : PERMIT_E_TOO_MANY;
}

/* Makes what is missing, and finds the rows. Returns a bit for each part whose
 * semaphore was made. */
static unsigned find_rows(struct model *model, const struct engine_event *event,
                          struct model_waiter *asked)
{
    unsigned made = 0;

    asked->parts_count = event->acquire.parts_count;
    for (uint32_t i = 0; i < event->acquire.parts_count; i++) {
        const struct engine_part *part = &event->acquire.parts[i];
        size_t row = model_find_semaphore(model, part->semaphore);

        if (row == MODEL_SEMAPHORES_MAX) {
            size_t template = model_find_template(model, part->semaphore);
            const struct model_semaphore *from = &model->semaphores[template];

            row = model_make(model, part->semaphore, &from->definition);
            model->semaphores[row].template_bytes = strlen(from->name) - 1;
            model->semaphores[row].template_session = event->session_id;
            made |= 1u << i;
        }
        asked->parts[i] = (struct model_part){.semaphore = row,
                                              .permits = part->permits,
                                              .consume = part->consume};
    }
    return made;
}

/* The wait in force: the semaphores may cap it. */
static int64_t cap_wait(struct model *model, const struct model_waiter *asked,
                        int64_t wait_ms)
{
    for (size_t i = 0; i < asked->parts_count; i++) {
        const struct engine_definition *definition =
            &row_of(model, &asked->parts[i])->definition;
        int64_t cap_ms = definition->max_wait_ms;

        if (!definition->shadow && cap_ms >= 0 &&
            (wait_ms < 0 || wait_ms > cap_ms)) {
            wait_ms = cap_ms;
        }
    }
    return wait_ms;
}

/* What would have been said to it, had the semaphores been in earnest. */
static void count_shadows(struct model *model, const struct model_waiter *asked,
                          int64_t wait_ms)
{
    for (size_t i = 0; i < asked->parts_count; i++) {
        const struct model_part *part = &asked->parts[i];
        struct model_semaphore *semaphore = row_of(model, part);
        unsigned lacks = model_lacks_alone(model, asked, part);
        bool never = is_more_than_ever(&semaphore->definition, part->permits);

        if (!semaphore->definition.shadow) {
            continue;
        }
        if (never || (lacks != 0 && wait_ms == 0)) {
            semaphore->would_refuse_total++;
        } else if (lacks != 0) {
            semaphore->would_wait_total++;
        }
    }
}

static bool lacks_only_tokens(struct model *model,
                              const struct model_waiter *asked)
{
    for (size_t i = 0; i < asked->parts_count; i++) {
        if (model_lacks(model, asked, &asked->parts[i]) != 0 &&
            row_of(model, &asked->parts[i])->definition.kind != ENGINE_RATE) {
            return false;
        }
    }
    return true;
}

/* The first part whose queue is full, or NULL. */
static const struct model_part *full_part(struct model *model,
                                          const struct model_waiter *asked)
{
    for (size_t i = 0; i < asked->parts_count; i++) {
        const struct model_part *part = &asked->parts[i];
        const struct engine_definition *definition =
            &row_of(model, part)->definition;
        size_t count = 0;

        for (size_t j = 0; j < model->waiters_count; j++) {
            count += model_part_of(model->waiters[j].parts,
                                   model->waiters[j].parts_count,
                                   part->semaphore) != NULL;
        }
        if (!definition->shadow && count >= definition->max_queue) {
            return part;
        }
    }
    return NULL;
}

/* The first part for which it would wait longer than it may, or NULL. */
static const struct model_part *hopeless_part(struct model *model,
                                              const struct model_waiter *asked,
                                              int64_t wait_ms, uint64_t *ret_ms)
{
    if (wait_ms < 0 || model_is_over_share(model, asked)) {
        return NULL;
    }
    for (size_t i = 0; i < asked->parts_count; i++) {
        const struct model_part *part = &asked->parts[i];
        uint64_t ms = 0;

        if (model_lacks(model, asked, part) != 0 &&
            row_of(model, part)->definition.refuse_hopeless &&
            model_part_time(model, asked, part, &ms) &&
            ms > (uint64_t)wait_ms) {
            *ret_ms = ms;
            return part;
        }
    }
    return NULL;
}

static bool places_are_used_up(const struct model *model,
                               const struct model_waiter *asked)
{
    size_t of_session = 0;
    size_t places = asked->parts_count;

    for (size_t i = 0; i < model->waiters_count; i++) {
        of_session += model->waiters[i].session_id == asked->session_id;
        places += model->waiters[i].parts_count;
    }
    return of_session >= model->limits.max_waiters_per_session ||
           places > model->limits.max_waiters;
}

/* Puts it where its key belongs. */
static void insert(struct model *model, const struct model_waiter *waiter)
{
    size_t at = model->waiters_count;

    assert(model->waiters_count < MODEL_WAITERS_MAX);
    while (at > 0 && model_is_before(waiter, &model->waiters[at - 1])) {
        at--;
    }
    memmove(&model->waiters[at + 1], &model->waiters[at],
            (model->waiters_count - at) * sizeof(*waiter));
    model->waiters[at] = *waiter;
    model->waiters_count++;
}

/* One that cannot be granted now waits, or is refused. Returns whether it
 * waits. */
static bool queue(struct model *model, const struct engine_event *event,
                  struct model_waiter *asked, int64_t wait_ms)
{
    uint64_t ms = 0;
    const struct model_part *full = full_part(model, asked);
    const struct model_part *hopeless =
        hopeless_part(model, asked, wait_ms, &ms);

    if (wait_ms == 0) {
        model_tell_obstacle(model,
                            model_answer_event(model, event,
                                               lacks_only_tokens(model, asked)
                                                   ? PERMIT_E_RATE_LIMITED
                                                   : PERMIT_E_WOULD_BLOCK),
                            model_obstacle(model, asked));
        return false;
    }
    if (full != NULL) {
        row_of(model, full)->queue_full_total++;
        model_tell_obstacle(
            model, model_answer_event(model, event, PERMIT_E_QUEUE_FULL),
            model_obstacle_of(model, asked, full));
        return false;
    }
    if (hopeless != NULL) {
        struct engine_obstacle obstacle =
            model_obstacle_of(model, asked, hopeless);

        row_of(model, hopeless)->hopeless_total++;
        obstacle.retry_after_ms = ms - (uint64_t)wait_ms;
        model_tell_obstacle(model,
                            model_answer_event(model, event, PERMIT_E_TIMEOUT),
                            obstacle);
        return false;
    }
    if (places_are_used_up(model, asked)) {
        model_answer_event(model, event, PERMIT_E_TOO_MANY);
        return false;
    }
    model->arrivals++;
    asked->over_share = model_is_over_share(model, asked);
    asked->deadline_ns =
        wait_ms < 0 ? TIME_NEVER : model_after_ms(model->now_ns, wait_ms);
    asked->deadline_order = ++model->order;
    insert(model, asked);
    return true;
}

/* Grants, queues or refuses it. Returns whether its semaphores are needed. */
static bool decide(struct model *model, const struct engine_event *event,
                   struct model_waiter *asked)
{
    bool only_asks = event->type == ENGINE_WHY;
    int64_t wait_ms =
        only_asks ? 0 : cap_wait(model, asked, event->acquire.wait_ms);

    if (!only_asks) {
        count_shadows(model, asked, wait_ms);
    }
    if (!model_can_be_granted(model, asked)) {
        return queue(model, event, asked, wait_ms);
    }
    if (model_grants_are_used_up(model, asked)) {
        model_answer_event(model, event, PERMIT_E_TOO_MANY);
        return false;
    }
    if (only_asks) {
        model_answer_event(model, event, PERMIT_OK);
        return false;
    }
    model_grant(model, asked);
    return true;
}

void model_acquire(struct model *model, const struct engine_event *event)
{
    struct engine_definition missing[LIMIT_PARTS_MAX];
    size_t missing_count = 0;
    enum permit_status status = check(model, event, missing, &missing_count);
    struct model_waiter asked = {
        .key_ns =
            model->now_ns + (LIMIT_PRIORITY_MAX - event->acquire.priority) *
                                model->priority_step_ns,
        .arrival = model->arrivals + 1,
        .session_id = event->session_id,
        .acquire_id = event->request_id,
        .priority = event->acquire.priority,
        .settle = event->acquire.settle,
        .join = event->acquire.join,
        .hold_ms = event->acquire.hold_ms,
        .queued_ns = model->now_ns};
    unsigned made;

    if (status != PERMIT_OK) {
        model_answer_event(model, event, status);
        return;
    }
    made = find_rows(model, event, &asked);
    if (!decide(model, event, &asked)) {
        for (size_t i = 0; i < asked.parts_count; i++) {
            if ((made >> i & 1) != 0) {
                row_of(model, &asked.parts[i])->used = false;
            }
        }
    }
    model_serve(model);
}
