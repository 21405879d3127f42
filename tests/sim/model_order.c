/* SPDX-License-Identifier: MIT */
/* Who can be granted, before whom, and what is in the way of the others. */
#include "model.h"

#include <string.h>

#include "model_state.h"

const struct model_part *model_part_of(const struct model_part *parts,
                                       size_t count, size_t semaphore)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].semaphore == semaphore) {
            return &parts[i];
        }
    }
    return NULL;
}

bool model_is_disconnected(const struct model *model,
                           const struct model_waiter *waiter)
{
    for (size_t i = 0; i < model->sessions_count; i++) {
        if (model->sessions[i].id == waiter->session_id) {
            return model->sessions[i].disconnected;
        }
    }
    return false;
}

bool model_is_eligible(const struct model *model,
                       const struct model_waiter *waiter)
{
    return !waiter->over_share && !model_is_disconnected(model, waiter);
}

bool model_is_before(const struct model_waiter *one,
                     const struct model_waiter *other)
{
    return one->key_ns < other->key_ns ||
           (one->key_ns == other->key_ns && one->arrival < other->arrival);
}

uint64_t model_share(const struct model *model, uint64_t session_id,
                     size_t semaphore)
{
    uint64_t share = 0;

    for (size_t i = 0; i < model->grants_count; i++) {
        const struct model_grant *held = &model->grants[i];
        const struct model_part *part =
            model_part_of(held->parts, held->parts_count, semaphore);

        if (held->session_id == session_id && part != NULL) {
            share += part->permits;
        }
    }
    return share;
}

static bool lacks_share(const struct model *model, uint64_t session_id,
                        const struct model_part *part)
{
    uint32_t most = model->semaphores[part->semaphore].definition.per_session;

    return most != 0 &&
           model_share(model, session_id, part->semaphore) + part->permits >
               most;
}

bool model_is_over_share(const struct model *model,
                         const struct model_waiter *asked)
{
    for (size_t i = 0; i < asked->parts_count; i++) {
        const struct model_part *part = &asked->parts[i];

        if (!model->semaphores[part->semaphore].definition.shadow &&
            lacks_share(model, asked->session_id, part)) {
            return true;
        }
    }
    return false;
}

int64_t model_free(const struct model *model, size_t semaphore)
{
    const struct model_semaphore *row = &model->semaphores[semaphore];

    switch (row->definition.kind) {
    case ENGINE_COUNTING:
        return (int64_t)row->value;
    case ENGINE_RATE:
        return (int64_t)model_tokens_at(row, model->now_ns).whole;
    case ENGINE_BOUNDED:
    default:
        return (int64_t)row->definition.permits - (int64_t)row->held;
    }
}

uint64_t model_available(const struct model *model, size_t semaphore)
{
    int64_t free = model_free(model, semaphore);

    return free > 0 ? (uint64_t)free : 0;
}

/* Does somebody before it, who is not set aside, have no pass left? */
static bool is_blocked(const struct model *model,
                       const struct model_waiter *asked, size_t semaphore)
{
    uint32_t bypass = model->semaphores[semaphore].definition.bypass;

    for (size_t i = 0; i < model->waiters_count; i++) {
        const struct model_waiter *other = &model->waiters[i];
        const struct model_part *part;

        if (!model_is_before(other, asked)) {
            return false;
        }
        part = model_part_of(other->parts, other->parts_count, semaphore);
        if (part != NULL && part->passes >= bypass &&
            model_is_eligible(model, other)) {
            return true;
        }
    }
    return false;
}

unsigned model_lacks_alone(const struct model *model,
                           const struct model_waiter *asked,
                           const struct model_part *part)
{
    unsigned lacks = 0;

    if (model_free(model, part->semaphore) < (int64_t)part->permits) {
        lacks |= MODEL_LACKS_PERMITS;
    }
    if (lacks_share(model, asked->session_id, part)) {
        lacks |= MODEL_LACKS_SHARE;
    }
    /* Nobody waits for one in shadow. */
    if (!model->semaphores[part->semaphore].definition.shadow &&
        is_blocked(model, asked, part->semaphore)) {
        lacks |= MODEL_LACKS_TURN;
    }
    return lacks;
}

unsigned model_lacks(const struct model *model,
                     const struct model_waiter *asked,
                     const struct model_part *part)
{
    return model->semaphores[part->semaphore].definition.shadow
               ? 0
               : model_lacks_alone(model, asked, part);
}

bool model_can_be_granted(const struct model *model,
                          const struct model_waiter *asked)
{
    for (size_t i = 0; i < asked->parts_count; i++) {
        if (model_lacks(model, asked, &asked->parts[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* ---------------------------------------------------------- what is in the way
 */

/* Permits of those before it who are not set aside. */
static uint64_t permits_before(const struct model *model,
                               const struct model_waiter *asked,
                               size_t semaphore)
{
    uint64_t permits = 0;

    for (size_t i = 0; i < model->waiters_count; i++) {
        const struct model_waiter *other = &model->waiters[i];
        const struct model_part *part =
            model_part_of(other->parts, other->parts_count, semaphore);

        if (part != NULL && model_is_before(other, asked) &&
            model_is_eligible(model, other)) {
            permits += part->permits;
        }
    }
    return permits;
}

static uint64_t position_of(const struct model *model,
                            const struct model_waiter *asked, size_t semaphore)
{
    uint64_t position = 1;

    for (size_t i = 0; i < model->waiters_count; i++) {
        const struct model_waiter *other = &model->waiters[i];

        position +=
            model_is_before(other, asked) &&
            model_part_of(other->parts, other->parts_count, semaphore) != NULL;
    }
    return position;
}

static uint64_t missing_of(const struct model *model,
                           const struct model_waiter *asked,
                           const struct model_part *part)
{
    int64_t missing = (int64_t)permits_before(model, asked, part->semaphore) +
                      (int64_t)part->permits -
                      model_free(model, part->semaphore);

    return missing > 0 ? (uint64_t)missing : 0;
}

/* By the mean of its holds. */
static bool estimate(const struct model_semaphore *semaphore, uint64_t missing,
                     uint64_t *ret_ms)
{
    __extension__ unsigned __int128 weighted = 0;
    uint64_t permits = 0;
    uint64_t capacity = semaphore->definition.kind == ENGINE_BOUNDED
                            ? semaphore->definition.permits
                            : semaphore->value + semaphore->held;
    __extension__ unsigned __int128 divisor;

    for (size_t i = 0; i < semaphore->holds_count; i++) {
        const struct model_hold *hold = &semaphore->holds[i];

        permits += hold->permits;
        weighted += hold->permits * (uint64_t)hold->held_ms;
    }
    if (semaphore->holds_count < LIMIT_HOLDS_MIN || capacity == 0) {
        return false;
    }
    divisor = permits;
    divisor *= capacity;
    *ret_ms = (uint64_t)((missing * weighted + divisor - 1) / divisor);
    return true;
}

bool model_part_time(const struct model *model,
                     const struct model_waiter *asked,
                     const struct model_part *part, uint64_t *ret_ms)
{
    const struct model_semaphore *semaphore =
        &model->semaphores[part->semaphore];
    uint64_t then_ns;

    if (semaphore->definition.kind == ENGINE_RATE) {
        then_ns = model_tokens_when(
            semaphore, model->now_ns,
            permits_before(model, asked, part->semaphore) + part->permits);
        *ret_ms = (then_ns - model->now_ns) / NS_PER_MS +
                  ((then_ns - model->now_ns) % NS_PER_MS != 0);
        return then_ns != TIME_NEVER;
    }
    return semaphore->definition.refuse_hopeless &&
           !lacks_share(model, asked->session_id, part) &&
           estimate(semaphore, missing_of(model, asked, part), ret_ms);
}

/* When all that is in the way is gone; 0 if that is not known. */
static uint64_t retry_after(const struct model *model,
                            const struct model_waiter *asked)
{
    uint64_t longest_ms = 0;

    for (size_t i = 0; i < asked->parts_count; i++) {
        const struct model_part *part = &asked->parts[i];
        uint64_t ms = 0;

        if (model_lacks(model, asked, part) == 0) {
            continue;
        }
        if (!model_part_time(model, asked, part, &ms)) {
            return 0;
        }
        longest_ms = ms > longest_ms ? ms : longest_ms;
    }
    return longest_ms;
}

struct engine_obstacle model_obstacle_of(const struct model *model,
                                         const struct model_waiter *asked,
                                         const struct model_part *part)
{
    const struct model_semaphore *semaphore =
        &model->semaphores[part->semaphore];
    struct engine_obstacle obstacle = {
        .semaphore = semaphore->name,
        .position = position_of(model, asked, part->semaphore),
        .permits_in_the_way = missing_of(model, asked, part),
        .retry_after_ms = retry_after(model, asked)};

    if (model_lacks(model, asked, part) == MODEL_LACKS_SHARE) {
        obstacle.permits_in_the_way =
            model_share(model, asked->session_id, part->semaphore) +
            part->permits - semaphore->definition.per_session;
    }
    for (size_t i = model->grants_count; i-- > 0;) {
        const struct model_grant *held = &model->grants[i];

        if (model_part_of(held->parts, held->parts_count, part->semaphore) !=
            NULL) {
            obstacle.oldest_session_id = held->session_id;
            obstacle.oldest_hold_ns = held->granted_ns;
        }
    }
    return obstacle;
}

struct engine_obstacle model_obstacle(const struct model *model,
                                      const struct model_waiter *waiter)
{
    for (size_t i = 0; i < waiter->parts_count; i++) {
        if (model_lacks(model, waiter, &waiter->parts[i]) != 0) {
            return model_obstacle_of(model, waiter, &waiter->parts[i]);
        }
    }
    return (struct engine_obstacle){0};
}
