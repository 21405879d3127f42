/* SPDX-License-Identifier: MIT */
/* What the engine decided, carried out: records to the gate, answers and pushes
 * to their sessions. */
#include "session_private.h"

#include <assert.h>
#include <stdlib.h>

#include <utlist.h>

/* ------------------------------------------------------------------ answers */

static void to_message(const struct answer *answer,
                       const struct wire_live_grant *granted,
                       struct wire_server_message *message)
{
    if (answer->status != PERMIT_OK) {
        message->type = WIRE_REFUSED;
        message->refused.reason = answer->status;
        message->refused.detail = answer->detail == NULL
                                      ? permit_strerror(answer->status)
                                      : answer->detail;
        message->refused.position = answer->refused.position;
        message->refused.permits_in_the_way =
            answer->refused.permits_in_the_way;
    } else if (answer->to == ENGINE_ACQUIRE) {
        message->type = WIRE_GRANTED;
        message->granted.grant_id = answer->granted.grant_id;
        message->granted.fence = answer->granted.grant_id;
        message->granted.waited_ms = answer->granted.waited_ms;
        message->granted.hold_ms = answer->granted.hold_ms;
        if (granted != NULL) {
            message->granted.parts = granted->parts;
            message->granted.parts_count = granted->parts_count;
        }
    } else if (answer->to == ENGINE_CANCEL) {
        /* The numbers on the wire are the engine's. */
        message->type = WIRE_CANCELLED;
        message->cancelled = (enum wire_cancel_outcome)answer->cancelled;
    } else if (answer->to == ENGINE_RENEW) {
        message->type = WIRE_RENEWED;
        message->renewed.hold_ms = answer->renewed_ms;
    } else if (answer->to == ENGINE_POST) {
        message->type = WIRE_POSTED;
        message->posted.available = answer->available;
    } else {
        message->type = WIRE_DONE;
    }
}

_Static_assert((int)ENGINE_CANCEL_CANCELLED == (int)WIRE_CANCEL_CANCELLED &&
                   (int)ENGINE_CANCEL_GRANTED == (int)WIRE_CANCEL_GRANTED &&
                   (int)ENGINE_CANCEL_NOT_FOUND == (int)WIRE_CANCEL_NOT_FOUND,
               "outcomes of Cancel have one numbering");

void session_answer(struct session *session, uint64_t id,
                    const struct answer *answer,
                    const struct wire_live_grant *granted, bool is_lost)
{
    struct wire_server_message message = {.id = id};
    uint32_t before = session->in_flight;

    to_message(answer, granted, &message);
    if (message.type == WIRE_GRANTED) {
        message.granted.lost = is_lost;
    }
    session_send(session, &message, true);
    if (message.type == WIRE_GRANTED && session->in_flight > before &&
        takes_send(&session->takes, id)) { /* It is in the gate. */
        gate_mark(session->all->options.gate);
    }
}

static struct answer compact(const struct engine_answer *from)
{
    struct answer to = {
        .to = from->to, .status = from->status, .detail = from->detail};

    if (from->status != PERMIT_OK) {
        to.refused.position = from->position;
        to.refused.permits_in_the_way = from->permits_in_the_way;
    } else if (from->to == ENGINE_ACQUIRE) {
        to.granted.grant_id = from->grant_id;
        to.granted.waited_ms = from->waited_ms;
        to.granted.hold_ms = from->hold_ms;
    } else if (from->to == ENGINE_CANCEL) {
        to.cancelled = from->cancelled;
    } else if (from->to == ENGINE_RENEW) {
        to.renewed_ms = from->hold_ms;
    } else {
        to.available = from->available;
    }
    return to;
}

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

/* What a record says to a session, besides the effects. Most say nothing. */
static void note_record(const struct sessions *sessions,
                        const struct engine_record *record)
{
    bool is_take = record->type == ENGINE_RECORD_GRANTED && record->consume;
    bool is_loss = record->type == ENGINE_RECORD_EXPIRED ||
                   record->type == ENGINE_RECORD_REVOKED;
    struct session *session =
        is_take || is_loss ? session_find(sessions, record->session_id) : NULL;

    if (session == NULL) {
        return;
    }
    if (is_take) {
        takes_add(&session->takes, record->request_id, record->semaphore,
                  record->permits);
    } else {
        answers_lose(&session->answers, record->acquire_id, record->loss);
    }
}

static void carry_out_record(struct sessions *sessions,
                             const struct engine_record *record)
{
    note_record(sessions, record);
    if (record->type == ENGINE_RECORD_DELETED) {
        forget_takes(sessions, record->semaphore);
    }
    if (gate_record(sessions->options.gate, record) != PERMIT_OK) {
        sessions->has_failed = true;
    }
    if (record->type == ENGINE_RECORD_RELEASED ||
        record->type == ENGINE_RECORD_EXPIRED) {
        drop_labels_of_ended(sessions, record->session_id, record->acquire_id);
    }
}

static void carry_out_answer(struct sessions *sessions,
                             const struct engine_effect *effect)
{
    struct session *session;
    struct answer answer;
    struct permit_part_info part = {.permits = 0};
    struct wire_live_grant granted = {.parts = &part};
    uint32_t slots[LIMIT_SLOTS_MAX];

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
    answer = compact(&effect->answer);
    if (answer.to == ENGINE_VERIFY) {
        session_answer(session, effect->request_id, &answer, NULL, false);
        return; /* It is done anew each time. */
    }
    answers_end(&session->answers, effect->request_id, &answer);
    watcher_stop(session, effect->request_id);
    drop_labels_of_ended(sessions, effect->session_id, effect->request_id);
    if (effect->answer.slots != NULL) {
        part.semaphore = effect->answer.semaphore;
        part.slots = slots;
        part.slots_count =
            (uint32_t)engine_slots_list(effect->answer.slots, slots);
        part.permits = part.slots_count;
        granted.parts_count = 1;
    }
    session_answer(session, effect->request_id, &answer, &granted, false);
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
        engine_apply(sessions->options.engine, &event);
        sessions_carry_out(sessions);
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
