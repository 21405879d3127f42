/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <assert.h>
#include <string.h>

#include "model_state.h"

/* ------------------------------------------------------------- giving back */

static void remember_hold(struct model_semaphore *semaphore, uint32_t permits,
                          uint64_t held_ms)
{
    if (!semaphore->definition.refuse_hopeless || permits == 0) {
        return;
    }
    if (semaphore->holds_count == LIMIT_HOLDS) {
        REMOVE(semaphore->holds, semaphore->holds_count, 0);
    }
    semaphore->holds[semaphore->holds_count++] =
        (struct model_hold){permits, held_ms};
}

/* Has anybody a part of it? */
static bool is_held(const struct model *model, size_t semaphore)
{
    for (size_t i = 0; i < model->grants_count; i++) {
        if (model_part_of(model->grants[i].parts, model->grants[i].parts_count,
                          semaphore) != NULL) {
            return true;
        }
    }
    return false;
}

void model_give_back(struct model *model, size_t i, size_t part,
                     uint32_t permits)
{
    struct model_grant *held = &model->grants[i];
    size_t row = held->parts[part].semaphore;
    struct model_semaphore *semaphore = &model->semaphores[row];

    assert(permits <= held->parts[part].permits);
    if (semaphore->definition.slots) {
        owners_give_back(&semaphore->owners, held->id, permits);
    }
    held->parts[part].permits -= permits;
    if (semaphore->definition.kind != ENGINE_RATE) {
        semaphore->held -= permits;
        remember_hold(semaphore, permits,
                      (model->now_ns - held->granted_ns) / NS_PER_MS);
    }
    if (semaphore->definition.kind == ENGINE_COUNTING) {
        semaphore->value += permits;
    }
    if (held->parts[part].permits == 0 ||
        semaphore->definition.kind == ENGINE_RATE) {
        REMOVE(held->parts, held->parts_count, part);
    }
    semaphore->used = !semaphore->deleted || is_held(model, row);
    model_mark(model, row);
}

void model_end_grant(struct model *model, size_t i)
{
    struct model_grant *held = &model->grants[i];

    while (held->parts_count > 0) {
        model_give_back(model, i, 0, held->parts[0].permits);
    }
    REMOVE(model->grants, model->grants_count, i);
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

void model_count_lost(struct model *model, const struct model_grant *gone,
                      enum permit_loss reason)
{
    for (size_t i = 0; i < gone->parts_count; i++) {
        model->semaphores[gone->parts[i].semaphore].lost_total[reason - 1]++;
    }
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
    model_end_grant(model, i);
    model_review_shares(model, gone.session_id);
    model_serve(model);
}

/* --------------------------------------------------------- releases, settles
 */

/* Finds the grant of an acquire of the event's session; else answers. */
static bool find_held(struct model *model, const struct engine_event *event,
                      uint64_t acquire_id, size_t *ret_i)
{
    enum permit_status status = PERMIT_E_NOT_HELD;

    *ret_i = model_find_grant(model, event->session_id, acquire_id);
    if (*ret_i < model->grants_count) {
        return true;
    }
    for (size_t i = 0; i < model->lost_count; i++) {
        if (model->lost[i].session_id == event->session_id &&
            model->lost[i].acquire_id == acquire_id) {
            status = PERMIT_E_EXPIRED;
        }
    }
    model_answer_event(model, event, status);
    return false;
}

/* The part of a grant that has this name, or parts_count. */
static size_t part_named(const struct model *model,
                         const struct model_grant *held, const char *name)
{
    size_t i = 0;

    while (i < held->parts_count &&
           strcmp(model->semaphores[held->parts[i].semaphore].name, name) !=
               0) {
        i++;
    }
    return i;
}

static bool is_rate(const struct model *model, const struct model_part *part)
{
    return model->semaphores[part->semaphore].definition.kind == ENGINE_RATE;
}

/* Does the grant hold all the parts of a release? */
static bool holds_parts(const struct model *model,
                        const struct model_grant *held,
                        const struct engine_event *event)
{
    for (uint32_t i = 0; i < event->release.parts_count; i++) {
        const struct engine_part *part = &event->release.parts[i];
        size_t at = part_named(model, held, part->semaphore);

        if (at == held->parts_count || is_rate(model, &held->parts[at]) ||
            part->permits > held->parts[at].permits) {
            return false;
        }
    }
    return true;
}

/* Answers those who wait to join, of all semaphores of a grant. */
static void tell_outcome(struct model *model, const struct model_grant *held,
                         const struct engine_event *event)
{
    for (size_t i = 0; i < held->parts_count; i++) {
        size_t row = held->parts[i].semaphore;

        for (size_t j = 0; j < model->waiters_count;) {
            struct model_waiter waiter = model->waiters[j];
            struct engine_answer *told;

            if (!waiter.join || waiter.parts[0].semaphore != row) {
                j++;
                continue;
            }
            model->semaphores[row].joined_total++;
            told = model_answer(model, waiter.session_id, waiter.acquire_id,
                                ENGINE_ACQUIRE, PERMIT_OK);
            told->outcome = event->release.outcome;
            told->outcome_bytes = event->release.outcome_bytes;
            model_remove_waiter(model, j);
        }
    }
}

void model_release(struct model *model, const struct engine_event *event)
{
    struct model_grant *held;
    size_t i;

    if (!find_held(model, event, event->release.acquire_id, &i)) {
        return;
    }
    held = &model->grants[i];
    if (!holds_parts(model, held, event)) {
        model_answer_event(model, event, PERMIT_E_OVER_RELEASE);
        return;
    }
    model_answer_event(model, event, PERMIT_OK);
    if (event->release.outcome != NULL) {
        tell_outcome(model, held, event);
    }
    for (uint32_t j = 0; j < event->release.parts_count; j++) {
        const struct engine_part *part = &event->release.parts[j];

        model_give_back(model, i, part_named(model, held, part->semaphore),
                        part->permits);
    }
    if (event->release.parts_count == 0 || held->parts_count == 0) {
        model->releases_total++;
        model_end_grant(model, i);
    }
    model_review_shares(model, event->session_id);
    model_serve(model);
}

static bool can_be_settled(const struct model *model,
                           const struct model_grant *held,
                           const struct engine_event *event)
{
    size_t rates = 0;

    for (size_t i = 0; i < held->parts_count; i++) {
        rates += is_rate(model, &held->parts[i]);
    }
    for (uint32_t i = 0; i < event->settle.actual_count; i++) {
        const struct engine_part *actual = &event->settle.actual[i];
        size_t at = part_named(model, held, actual->semaphore);

        if (at == held->parts_count || !is_rate(model, &held->parts[at]) ||
            actual->permits > held->parts[at].permits) {
            return false;
        }
    }
    return rates > 0;
}

void model_settle(struct model *model, const struct engine_event *event)
{
    struct model_grant *held;
    size_t i;

    if (!find_held(model, event, event->settle.acquire_id, &i)) {
        return;
    }
    held = &model->grants[i];
    if (!can_be_settled(model, held, event)) {
        model_answer_event(model, event, PERMIT_E_INVALID);
        return;
    }
    model_answer_event(model, event, PERMIT_OK);
    for (uint32_t j = 0; j < event->settle.actual_count; j++) {
        const struct engine_part *actual = &event->settle.actual[j];
        const struct model_part *part =
            &held->parts[part_named(model, held, actual->semaphore)];
        struct model_semaphore *semaphore = &model->semaphores[part->semaphore];

        if (!semaphore->definition.shadow) {
            model_tokens_add(semaphore,
                             (int64_t)part->permits - actual->permits,
                             model->now_ns);
        }
    }
    for (size_t j = 0; j < held->parts_count;) {
        if (is_rate(model, &held->parts[j])) {
            model_give_back(model, i, j, held->parts[j].permits);
        } else {
            j++;
        }
    }
    if (held->parts_count == 0) {
        model->releases_total++;
        model_end_grant(model, i);
    }
    model_serve(model);
}

/* ------------------------------------------------------- renewing, verifying
 */

static uint64_t end_of(const struct model *model, int64_t hold_ms)
{
    return hold_ms == 0 ? TIME_NEVER : model_after_ms(model->now_ns, hold_ms);
}

/* What was asked for, capped; but not less than what is left, as far as it was
 * asked for. */
static int64_t hold_renewed(const struct model *model,
                            const struct model_grant *held, int64_t asked_ms)
{
    int64_t hold_ms =
        model_cap_hold(model, held->parts, held->parts_count, asked_ms);
    uint64_t kept_ns = end_of(model, asked_ms);

    if (held->deadline_ns < kept_ns) {
        kept_ns = held->deadline_ns;
    }
    if (end_of(model, hold_ms) >= kept_ns) {
        return hold_ms;
    }
    if (kept_ns == TIME_NEVER) {
        return asked_ms;
    }
    for (hold_ms = (int64_t)((kept_ns - model->now_ns) / NS_PER_MS);
         end_of(model, hold_ms) < kept_ns || hold_ms == 0; hold_ms++) {
    }
    return hold_ms;
}

void model_renew(struct model *model, const struct engine_event *event)
{
    struct model_grant *held;
    size_t i;

    if (!find_held(model, event, event->renew.acquire_id, &i)) {
        return;
    }
    held = &model->grants[i];
    if (held->lost) {
        model_answer_event(model, event, PERMIT_E_EXPIRED);
        return;
    }
    held->hold_ms = hold_renewed(
        model, held,
        event->renew.hold_ms == 0 ? held->hold_ms : event->renew.hold_ms);
    held->deadline_ns = end_of(model, held->hold_ms);
    held->deadline_order = ++model->order;
    model_answer_event(model, event, PERMIT_OK)->hold_ms = held->hold_ms;
}

void model_verify(struct model *model, const struct engine_event *event)
{
    enum permit_status status = PERMIT_E_NOT_HELD;

    for (size_t i = 0; i < model->grants_count; i++) {
        if (model->grants[i].id == event->verify.grant_id) {
            status = model->grants[i].lost ? PERMIT_E_EXPIRED : PERMIT_OK;
        }
    }
    for (size_t i = 0; i < model->lost_count; i++) {
        if (model->lost[i].grant_id == event->verify.grant_id) {
            status = PERMIT_E_EXPIRED;
        }
    }
    if (event->verify.fence != event->verify.grant_id) {
        status = PERMIT_E_NOT_HELD;
    }
    model_answer_event(model, event, status);
}
