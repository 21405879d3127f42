/* SPDX-License-Identifier: MIT */
/* What the engine decided, carried out: records to the gate, answers and pushes
 * to their sessions. */
#include "session_private.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

/* An acquire was answered, or something of its grant came back: its labels are
 * of no more use if it has no grant now. */
static void drop_labels_of_ended(struct sessions *sessions, uint64_t session_id,
                                 uint64_t acquire_id)
{
    struct session *session = session_find(sessions, session_id);
    struct engine_grant_view grant;

    if (session != NULL && session->labels.kept > 0 &&
        !engine_view_grant(sessions->options.engine, session_id, acquire_id,
                           &grant)) {
        labels_drop(&session->labels, acquire_id);
    }
}

/* What was taken of a deleted semaphore can't come back. */
static void forget_takes(struct sessions *sessions, const char *semaphore)
{
    struct takes undone = {.unsent = sessions->undone};

    takes_forget(&undone, semaphore);
    sessions->undone = undone.unsent;
    for (uint32_t i = 0; i < sessions->buckets_count; i++) {
        struct session *session = sessions->buckets[i];

        for (; session != NULL; session = session->next_same_bucket) {
            takes_forget(&session->takes, semaphore);
        }
    }
}

/* A part was granted: is it one that may have to come back? */
static void note_granted(const struct sessions *sessions,
                         const struct engine_record *record)
{
    struct session *session = session_find(sessions, record->session_id);
    bool is_kept = !record->consume && session != NULL && session->settles &&
                   session_takes_tokens(sessions, record->semaphore);

    if (session != NULL && (record->consume || is_kept)) {
        takes_add(&session->takes, record->request_id, record->semaphore,
                  record->permits, is_kept);
    }
}

/* What a record says to a session, besides the effects. Most say nothing. */
static void note_record(struct sessions *sessions,
                        const struct engine_record *record)
{
    struct session *session;

    if (record->type == ENGINE_RECORD_GRANTED) {
        note_granted(sessions, record);
    } else if (record->type == ENGINE_RECORD_DELETED) {
        /* What a template made is forgotten by nobody's request: what was taken
         * of it may come back, if it is made again. */
        if (record->session_id != 0) {
            forget_takes(sessions, record->semaphore);
        }
    } else if (record->type == ENGINE_RECORD_EXPIRED ||
               record->type == ENGINE_RECORD_REVOKED ||
               record->type == ENGINE_RECORD_SETTLED) {
        session = session_find(sessions, record->session_id);
        if (session != NULL && record->type == ENGINE_RECORD_SETTLED) {
            takes_settle(&session->takes, record->acquire_id);
        } else if (session != NULL) {
            answers_lose(&session->answers, record->acquire_id, record->loss);
        }
    }
}

static void carry_out_record(struct sessions *sessions,
                             const struct engine_record *record)
{
    note_record(sessions, record);
    if (gate_record(sessions->options.gate, record) != PERMIT_OK) {
        sessions->has_failed = true;
    }
    if (record->type == ENGINE_RECORD_RELEASED ||
        record->type == ENGINE_RECORD_SETTLED ||
        record->type == ENGINE_RECORD_EXPIRED) {
        drop_labels_of_ended(sessions, record->session_id, record->acquire_id);
    }
}

static void carry_out_answer(struct sessions *sessions,
                             const struct engine_effect *effect)
{
    struct session *session;

    if (effect->answer.to == ENGINE_SESSION_OPEN) {
        session_carry_out_opening(sessions, effect);
        return;
    }
    if (effect->session_id == 0) {
        sessions->own_status = effect->answer.status;
        sessions->own_detail = effect->answer.detail;
        return;
    }
    session = session_find(sessions, effect->session_id);
    assert(session != NULL);
    if (effect->answer.to != ENGINE_VERIFY &&
        effect->answer.to != ENGINE_WHY) { /* These are done anew. */
        watcher_stop(session, effect->request_id);
        drop_labels_of_ended(sessions, effect->session_id, effect->request_id);
    }
    session_answer(session, effect->request_id, &effect->answer);
}

static void carry_out_lost(struct sessions *sessions,
                           const struct engine_effect *effect)
{
    struct session *session = session_find(sessions, effect->session_id);
    struct wire_server_message message = {.id = effect->request_id,
                                          .type = WIRE_LOST};

    assert(session != NULL);
    message.lost.grant_id = effect->lost.grant_id;
    message.lost.reason = effect->lost.reason;
    message.lost.grace_ms = effect->lost.grace_ms;
    session_send(session, &message, false);
}

static void carry_out_end(struct sessions *sessions,
                          const struct engine_effect *effect)
{
    struct session *session = session_find(sessions, effect->session_id);
    struct wire_server_message done = {.type = WIRE_DONE};

    assert(session != NULL);
    takes_move_unsent(&session->takes, &sessions->undone);
    if (session->connection_id == 0) {
        session_free(session);
        return;
    }
    session_leave(session);
    watcher_stop_all(session);
    labels_deinit(&session->labels);
    if (session->has_said_bye) {
        done.id = session->bye_id;
        session_send(session, &done, true);
        session_close(session, "bye");
    } else if (effect->ended == ENGINE_SESSION_ENDED_BY_CLIENT) {
        session_goaway(session, WIRE_GOAWAY_SUPERSEDED, 0,
                       "another line ended the session");
    } else {
        session_close(session, "silence");
    }
}

/* ------------------------------------------------------------------ effects */

void sessions_carry_out(struct sessions *sessions)
{
    struct engine_effect effect;

    while (engine_next_effect(sessions->options.engine, &effect)) {
        switch (effect.type) {
        case ENGINE_EFFECT_RECORD:
            carry_out_record(sessions, effect.record);
            break;
        case ENGINE_EFFECT_ANSWER:
            carry_out_answer(sessions, &effect);
            break;
        case ENGINE_EFFECT_LOST:
            carry_out_lost(sessions, &effect);
            break;
        case ENGINE_EFFECT_SESSION_SILENT:
            session_close(session_find(sessions, effect.session_id), "silence");
            break;
        case ENGINE_EFFECT_SESSION_ENDED:
            carry_out_end(sessions, &effect);
            break;
        }
    }
}

/* Gives back what ended sessions took for good and were never told. It is of
 * the server's own, but the status of its latest event stays. */
static void undo(struct sessions *sessions)
{
    struct engine_event event = {.type = ENGINE_POST};

    while (sessions->undone != NULL && !sessions_have_work(sessions)) {
        struct take *take = sessions->undone;
        enum permit_status status = sessions->own_status;
        const char *detail = sessions->own_detail;

        DL_DELETE(sessions->undone, take);
        event.now_ns = engine_now_ns(sessions->options.engine);
        event.post.semaphore = take->semaphore;
        event.post.permits = take->permits;
        if (take->permits > 0) {
            engine_apply(sessions->options.engine, &event);
            sessions_carry_out(sessions);
        }
        sessions->own_status = status;
        sessions->own_detail = detail;
        free(take);
    }
}

void sessions_do(struct sessions *sessions, const struct engine_event *event)
{
    engine_apply(sessions->options.engine, event);
    sessions_carry_out(sessions);
    undo(sessions);
}

void sessions_apply(struct sessions *sessions, const struct engine_event *event)
{
    sessions_do(sessions, event);
}

void sessions_continue(struct sessions *sessions)
{
    engine_continue(sessions->options.engine);
    sessions_carry_out(sessions);
    undo(sessions);
}

enum permit_status sessions_own_answer(const struct sessions *sessions,
                                       const char **ret_detail)
{
    *ret_detail = sessions->own_detail;
    return sessions->own_status;
}

bool sessions_have_work(const struct sessions *sessions)
{
    return engine_has_work(sessions->options.engine);
}

bool sessions_have_failed(const struct sessions *sessions)
{
    return sessions->has_failed;
}
