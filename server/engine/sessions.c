/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <assert.h>

/* Has the waiters set aside, or put back, one a step. */
static void move_waiters(struct engine *engine, struct session *session)
{
    assert(engine->leaving == NULL);
    engine->leaving = session;
    engine->leaving_waiter =
        engine_session_list(session, ACQUIRE_WAITING)->first;
}

void engine_session_open_apply(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    struct session *session =
        engine_session_find(engine, event->session_open.resume_id);
    struct engine_answer answer = {.to = ENGINE_SESSION_OPEN};
    struct engine_record *record;

    if (session != NULL) {
        if (!session->is_connected) {
            move_waiters(engine, session);
        }
        engine_session_set_connected(engine, session);
        effect_answer(engine, session->id, event->request_id, &answer);
        return;
    }
    session = engine_session_add(engine, engine->fence + 1,
                                 event->session_open.timeout_ms,
                                 event->session_open.linger_ms);
    if (session == NULL) {
        answer.status = PERMIT_E_TOO_MANY;
        answer.detail = "the daemon has too many sessions: raise max_sessions";
        effect_answer(engine, 0, event->request_id, &answer);
        return;
    }
    record = effect_record(engine, ENGINE_RECORD_SESSION_OPENED, session->id);
    record->request_id = event->request_id;
    record->body_hash = event->body_hash;
    record->timeout_ms = session->timeout_ms;
    record->linger_ms = session->linger_ms;
    effect_answer(engine, session->id, event->request_id, &answer);
}

void engine_session_disconnect(struct engine *engine, struct session *session,
                               bool by_client)
{
    if (by_client && session->linger_ms == 0) {
        engine_session_end(engine, session, ENGINE_SESSION_ENDED_BY_CLIENT);
        return;
    }
    engine_session_set_disconnected(engine, session, by_client);
    move_waiters(engine, session);
}

void engine_session_end(struct engine *engine, struct session *session,
                        enum engine_session_end ended)
{
    struct engine_record *record =
        effect_record(engine, ENGINE_RECORD_SESSION_ENDED, session->id);

    assert(engine->leaving == NULL && session->ended == 0);
    if (ended == ENGINE_SESSION_ENDED_BY_CLIENT) {
        record->request_id = engine->event.request_id;
        record->body_hash = engine->event.body_hash;
    }
    session->ended = (uint8_t)ended;
    deadlines_clear(&engine->deadlines, &session->deadline);
    engine->leaving = session;
}

void engine_session_fall_due(struct engine *engine, struct session *session)
{
    uint64_t end_ns = deadline_after_ms(session->heard_ns, session->timeout_ms);

    if (session->is_connected && end_ns > session->deadline.time_ns) {
        deadlines_move(&engine->deadlines, &session->deadline, end_ns);
    } else if (session->is_connected && session->linger_ms > 0) {
        effect_session_silent(engine, session);
        engine_session_disconnect(engine, session, /* by_client= */ false);
    } else {
        engine_session_end(engine, session, ENGINE_SESSION_ENDED_BY_SILENCE);
    }
}

bool leave_waiters_step(struct engine *engine)
{
    struct session *session = engine->leaving;
    struct acquire *acquire;

    if (session->ended != 0) {
        acquire = acquire_at(
            engine, engine_session_list(session, ACQUIRE_WAITING)->first);
        if (acquire != NULL) {
            acquire_remove(engine, acquire);
        }
        return acquire != NULL;
    }
    acquire = acquire_at(engine, engine->leaving_waiter);
    if (acquire == NULL) {
        engine->leaving = NULL;
        return false;
    }
    engine->leaving_waiter = acquire->in_session.next;
    acquire_set_aside(engine, acquire,
                      session->is_connected
                          ? acquire->aside &
                                ~(unsigned)ENGINE_ASIDE_DISCONNECTED
                          : acquire->aside | ENGINE_ASIDE_DISCONNECTED);
    return true;
}

void leave_grants_step(struct engine *engine)
{
    struct session *session = engine->leaving;
    struct acquire *acquire;

    assert(session->ended != 0);
    acquire =
        acquire_at(engine, engine_session_list(session, ACQUIRE_HELD)->first);
    if (acquire != NULL) {
        acquire_lose(engine, acquire, PERMIT_LOSS_SESSION, false);
        return;
    }
    acquire =
        acquire_at(engine, engine_session_list(session, ACQUIRE_LOST)->first);
    if (acquire != NULL) {
        acquire_remove(engine, acquire);
        return;
    }
    effect_session_ended(engine, session);
    engine_session_remove(engine, session);
    engine->leaving = NULL;
}
