/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <assert.h>
#include <string.h>

#include "model_state.h"

struct model_session *model_find_session(struct model *model,
                                         uint64_t session_id)
{
    for (size_t i = 0; i < model->sessions_count; i++) {
        if (model->sessions[i].id == session_id) {
            return &model->sessions[i];
        }
    }
    return NULL;
}

size_t model_arrivals(const struct model *model, uint64_t session_id,
                      uint64_t arrivals[MODEL_WAITERS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < model->waiters_count; i++) {
        size_t at = count;

        if (model->waiters[i].session_id != session_id) {
            continue;
        }
        while (at > 0 && arrivals[at - 1] > model->waiters[i].arrival) {
            arrivals[at] = arrivals[at - 1];
            at--;
        }
        arrivals[at] = model->waiters[i].arrival;
        count++;
    }
    return count;
}

/* Forgets (forget) the waiters of a session, or leaves them, set aside, and
 * serves those that they blocked. */
void model_unblock(struct model *model, uint64_t session_id, bool forget)
{
    static uint64_t arrivals[MODEL_WAITERS_MAX];
    size_t count = model_arrivals(model, session_id, arrivals);

    for (size_t i = 0; i < count; i++) {
        size_t at = 0;

        while (model->waiters[at].arrival != arrivals[i]) {
            at++;
        }
        for (size_t j = 0; j < model->waiters[at].parts_count; j++) {
            model_mark(model, model->waiters[at].parts[j].semaphore);
        }
        if (forget) {
            model_remove_waiter(model, at);
        }
    }
    model_serve(model);
}

void model_disconnect(struct model *model, struct model_session *session,
                      uint64_t from_ns)
{
    session->disconnected = true;
    session->deadline_ns = model_after_ms(from_ns, session->linger_ms);
    model_unblock(model, session->id, /* forget= */ false);
}

/* Nothing was heard of it for its timeout. */
void model_fall_silent(struct model *model, struct model_session *session)
{
    if (session->disconnected || session->linger_ms == 0) {
        model_end_session(model, session, ENGINE_SESSION_ENDED_BY_SILENCE);
        return;
    }
    model_tell(model, ENGINE_EFFECT_SESSION_SILENT, session->id, 0);
    model_disconnect(model, session, session->deadline_ns);
}

void model_end_session(struct model *model, struct model_session *session,
                       enum engine_session_end how)
{
    uint64_t id = session->id;

    session->disconnected = true;
    model_unblock(model, id, /* forget= */ true);
    for (size_t i = 0; i < model->grants_count;) {
        if (model->grants[i].session_id == id) {
            model_count_lost(model, &model->grants[i], PERMIT_LOSS_SESSION);
            model_end_grant(model, i);
            model_serve(model);
        } else {
            i++;
        }
    }
    for (size_t i = 0; i < model->lost_count;) {
        if (model->lost[i].session_id == id) {
            REMOVE(model->lost, model->lost_count, i);
        } else {
            i++;
        }
    }
    REMOVE(model->sessions, model->sessions_count,
           (size_t)(model_find_session(model, id) - model->sessions));
    model_tell(model, ENGINE_EFFECT_SESSION_ENDED, id, 0)->ended = how;
}

void model_session_heard(struct model *model, uint64_t session_id,
                         uint64_t now_ns)
{
    struct model_session *session = model_find_session(model, session_id);

    if (session != NULL) {
        session->deadline_ns = model_after_ms(now_ns, session->timeout_ms);
        session->heard = true;
    }
}

static void resume(struct model *model, struct model_session *session,
                   const struct engine_event *event)
{
    session->disconnected = false;
    session->deadline_ns = model_after_ms(model->now_ns, session->timeout_ms);
    model_answer(model, session->id, event->request_id, event->type, PERMIT_OK);
    model_unblock(model, session->id, /* forget= */ false);
}

void model_open(struct model *model, const struct engine_event *event)
{
    struct model_session *former =
        model_find_session(model, event->session_open.end_id);
    struct model_session *session = &model->sessions[model->sessions_count];

    if (former != NULL) {
        model_end_session(model, former, ENGINE_SESSION_ENDED_BY_CLIENT);
    }
    former = model_find_session(model, event->session_open.resume_id);
    if (former != NULL) {
        resume(model, former, event);
        return;
    }
    session = &model->sessions[model->sessions_count];
    if (model->sessions_count == model->limits.max_sessions) {
        model_answer(model, 0, event->request_id, event->type,
                     PERMIT_E_TOO_MANY);
        return;
    }
    *session = (struct model_session){
        .id = ++model->fence,
        .request_id = event->request_id,
        .timeout_ms = event->session_open.timeout_ms,
        .linger_ms = event->session_open.linger_ms,
        .deadline_ns =
            model_after_ms(model->now_ns, event->session_open.timeout_ms),
        .deadline_order = ++model->order};
    model->sessions_count++;
    model_answer(model, session->id, event->request_id, event->type, PERMIT_OK);
}
