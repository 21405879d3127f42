/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <string.h>

#include "model_state.h"

static enum permit_status status_of_lost(const struct model *model,
                                         uint64_t session_id,
                                         uint64_t acquire_id)
{
    for (size_t i = 0; i < model->lost_count; i++) {
        if (model->lost[i].session_id == session_id &&
            model->lost[i].acquire_id == acquire_id) {
            return PERMIT_E_EXPIRED;
        }
    }
    return PERMIT_E_NOT_HELD;
}

void model_release(struct model *model, const struct engine_event *event)
{
    uint64_t acquire_id = event->release.acquire_id;
    size_t i = model_find_grant(model, event->session_id, acquire_id);
    uint32_t permits = event->release.permits;
    const struct model_grant *held = &model->grants[i];

    if (i == model->grants_count) {
        model_answer_event(
            model, event, status_of_lost(model, event->session_id, acquire_id));
        return;
    }
    if (permits > held->permits ||
        (event->release.semaphore != NULL &&
         strcmp(event->release.semaphore,
                model->semaphores[held->semaphore].name) != 0)) {
        model_answer_event(model, event, PERMIT_E_OVER_RELEASE);
        return;
    }
    permits = permits == 0 ? held->permits : permits;
    model->releases_total += permits == held->permits;
    model_answer_event(model, event, PERMIT_OK);
    model_give_back(model, i, permits);
}

static uint64_t end_of(const struct model *model, int64_t hold_ms)
{
    return hold_ms == 0 ? TIME_NEVER : model_after_ms(model->now_ns, hold_ms);
}

/* What was asked for, capped; but not less than what is left, as far as it was
 * asked for. */
static int64_t hold_renewed(const struct model *model,
                            const struct model_grant *held, int64_t asked_ms)
{
    int64_t hold_ms = model_cap_hold(model, held->semaphore, asked_ms);
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
    uint64_t acquire_id = event->renew.acquire_id;
    size_t i = model_find_grant(model, event->session_id, acquire_id);
    struct model_grant *held = &model->grants[i];

    if (i == model->grants_count) {
        model_answer_event(
            model, event, status_of_lost(model, event->session_id, acquire_id));
        return;
    }
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
