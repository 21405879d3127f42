/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <assert.h>
#include <string.h>

#include "model_state.h"

static void apply_cancel(struct model *model, const struct engine_event *event)
{
    uint64_t acquire_id = event->cancel.acquire_id;
    size_t i = model_find_waiter(model, event->session_id, acquire_id);
    bool held = model_find_grant(model, event->session_id, acquire_id) <
                model->grants_count;

    if (i == model->waiters_count) {
        model_answer_event(model, event, PERMIT_OK)->cancelled =
            held ? ENGINE_CANCEL_GRANTED : ENGINE_CANCEL_NOT_FOUND;
        return;
    }
    model_refuse_waiter(model, i, PERMIT_E_CANCELLED);
    model_answer_event(model, event, PERMIT_OK)->cancelled =
        ENGINE_CANCEL_CANCELLED;
    model_serve(model);
}

/* Refuses all who wait: semaphores in the order of their names, each queue in
 * its order. */
static void apply_drain(struct model *model)
{
    model->draining = true;
    while (model->waiters_count > 0) {
        size_t best = 0;
        const char *least = NULL;

        for (size_t i = 0; i < model->waiters_count; i++) {
            const struct model_waiter *waiter = &model->waiters[i];

            for (size_t j = 0; j < waiter->parts_count; j++) {
                const char *name =
                    model->semaphores[waiter->parts[j].semaphore].name;

                if (least == NULL || strcmp(name, least) < 0) {
                    least = name;
                    best = i;
                }
            }
        }
        model_refuse_waiter(model, best, PERMIT_E_DRAINING);
    }
    model_serve(model);
}

void model_apply(struct model *model, const struct engine_event *event)
{
    struct model_session *session;

    model->effects_count = 0;
    model->told_count = 0;
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
    case ENGINE_WHY:
        model_acquire(model, event);
        break;
    case ENGINE_CANCEL:
        apply_cancel(model, event);
        break;
    case ENGINE_RELEASE:
        model_release(model, event);
        break;
    case ENGINE_SETTLE:
        model_settle(model, event);
        break;
    case ENGINE_RENEW:
        model_renew(model, event);
        break;
    case ENGINE_VERIFY:
        model_verify(model, event);
        break;
    case ENGINE_POST:
        model_post(model, event);
        break;
    case ENGINE_DEFINE:
        model_define(model, event);
        break;
    case ENGINE_DELETE:
        model_delete(model, event);
        break;
    case ENGINE_DRAIN:
        apply_drain(model);
        break;
    default:
        assert(false);
    }
}
