/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "session_private.h"

/* ------------------------------------------------------------------ the set */

static struct session **bucket(const struct sessions *sessions, uint64_t id)
{
    /* Ids are the server's own and count up: their low bits spread them. */
    return &sessions->buckets[id & (sessions->buckets_count - 1)];
}

struct session *session_find(const struct sessions *sessions, uint64_t id)
{
    struct session *session = id == 0 ? NULL : *bucket(sessions, id);

    while (session != NULL && session->id != id) {
        session = session->next_same_bucket;
    }
    return session;
}

void session_enter(struct session *session)
{
    struct session **first = bucket(session->all, session->id);

    assert(session->id != 0);
    session->next_same_bucket = *first;
    *first = session;
}

void session_leave(struct session *session)
{
    struct session **at = bucket(session->all, session->id);

    while (*at != session) {
        assert(*at != NULL);
        at = &(*at)->next_same_bucket;
    }
    *at = session->next_same_bucket;
    session->former_id = session->id;
    session->id = 0;
}

struct sessions *sessions_create(const struct sessions_options *options)
{
    struct sessions *sessions = calloc(1, sizeof(*sessions));

    if (sessions == NULL) {
        return NULL;
    }
    sessions->options = *options;
    sessions->buckets_count = 1;
    while (sessions->buckets_count < options->limits->max_connections) {
        sessions->buckets_count *= 2;
    }
    sessions->buckets =
        calloc(sessions->buckets_count, sizeof(struct session *));
    sessions->arena.capacity = WIRE_ARENA_BYTES;
    sessions->arena.bytes = malloc(sessions->arena.capacity);
    if (sessions->buckets == NULL || sessions->arena.bytes == NULL) {
        sessions_destroy(sessions);
        return NULL;
    }
    return sessions;
}

void sessions_destroy(struct sessions *sessions)
{
    if (sessions == NULL) {
        return;
    }
    for (uint32_t i = 0;
         sessions->buckets != NULL && i < sessions->buckets_count; i++) {
        while (sessions->buckets[i] != NULL) {
            session_free(sessions->buckets[i]);
        }
    }
    takes_deinit(&(struct takes){.unsent = sessions->undone});
    outcome_drop(sessions->joined);
    free(sessions->buckets);
    free(sessions->arena.bytes);
    free(sessions);
}

/* -------------------------------------------------------------- one session */

struct session *session_create(struct sessions *sessions,
                               uint64_t connection_id, const char *address)
{
    size_t bytes = strlen(address) + 1;
    struct session *session = calloc(1, sizeof(*session) + bytes);

    assert(connection_id != 0);
    if (session == NULL) {
        return NULL;
    }
    session->all = sessions;
    session->connection_id = connection_id;
    session->stage = SESSION_STAGE_PREFACE;
    session->close_reason = "";
    session->name = session->host = session->purpose = "";
    memcpy(session->address, address, bytes);
    answers_init(&session->answers,
                 sessions->options.limits->max_answers_per_session,
                 sessions->options.limits->max_output_buffer);
    return session;
}

void session_free(struct session *session)
{
    struct sessions *sessions = session->all;

    watcher_stop_all(session);
    if (session->id != 0) {
        session_leave(session);
    }
    if (session->is_closing) {
        DL_DELETE(sessions->closing, session);
    }
    if (sessions->opening == session) {
        sessions->opening = NULL;
    }
    explicit_bzero(session->secret, sizeof(session->secret));
    answers_deinit(&session->answers);
    labels_deinit(&session->labels);
    takes_deinit(&session->takes);
    free(session->texts);
    free(session);
}

/* DESIGN's list of what may overtake answers that wait for the store: what
 * tells nothing of its state. */
static bool may_pass(const struct wire_server_message *message)
{
    enum permit_status reason;

    if (message->type == WIRE_PONG || message->type == WIRE_GOAWAY) {
        return true;
    }
    if (message->type != WIRE_REFUSED) {
        return false;
    }
    reason = message->refused.reason;
    return reason == PERMIT_E_INVALID || reason == PERMIT_E_DENIED ||
           reason == PERMIT_E_UNSUPPORTED || reason == PERMIT_E_UNAVAILABLE;
}

void session_send(struct session *session,
                  const struct wire_server_message *message, bool is_answer)
{
    struct sessions *sessions = session->all;
    size_t length;

    if (session->connection_id == 0) {
        return; /* Nobody is there to hear it. */
    }
    length =
        wire_encode_server(message, sessions->frame, sizeof(sessions->frame));
    assert(length > 0);
    if (gate_frame(sessions->options.gate, session->connection_id,
                   sessions->frame, length, is_answer,
                   may_pass(message)) != PERMIT_OK) {
        session_close(session, "unavailable");
        return;
    }
    session->fed_bytes += (uint32_t)length;
    session->in_flight += is_answer;
}

void session_refuse(struct session *session, uint64_t id,
                    enum permit_status status, const char *detail)
{
    struct wire_server_message message = {.id = id, .type = WIRE_REFUSED};

    message.refused.reason = status;
    message.refused.detail = detail == NULL ? permit_strerror(status) : detail;
    session_send(session, &message, true);
}

void session_close(struct session *session, const char *reason)
{
    if (session->stage == SESSION_STAGE_CLOSING) {
        return;
    }
    session->stage = SESSION_STAGE_CLOSING;
    session->close_reason = reason;
    if (session->connection_id != 0) {
        session->is_closing = true;
        DL_APPEND(session->all->closing, session);
    }
}

bool sessions_next_closing(struct sessions *sessions,
                           uint64_t *ret_connection_id)
{
    struct session *session = sessions->closing;

    if (session == NULL) {
        return false;
    }
    DL_DELETE(sessions->closing, session);
    session->is_closing = false;
    *ret_connection_id = session->connection_id;
    return true;
}

void session_goaway(struct session *session, enum wire_goaway_reason reason,
                    int64_t retry_after_ms, const char *detail)
{
    static const char *const names[] = {
#define X(name, value, text) [value] = (text),
        WIRE_GOAWAY_MAP(X)
#undef X
    };
    struct wire_server_message message = {.type = WIRE_GOAWAY};

    if (session->stage == SESSION_STAGE_CLOSING) {
        return;
    }
    if (session->stage != SESSION_STAGE_PREFACE) {
        message.goaway.reason = reason;
        message.goaway.retry_after_ms = retry_after_ms;
        message.goaway.detail = detail;
        session_send(session, &message, false);
    }
    session_close(session, names[reason]);
}

void session_disconnect(struct session *session, enum session_disconnect how,
                        uint64_t now_ns)
{
    struct engine_event event = {.type = ENGINE_SESSION_DISCONNECT,
                                 .now_ns = now_ns,
                                 .session_id = session->id};

    session->connection_id = 0;
    if (session->is_closing) {
        DL_DELETE(session->all->closing, session);
        session->is_closing = false;
    }
    watcher_stop_all(session);
    if (session->id == 0) {
        session_free(session);
        return;
    }
    event.session_disconnect.by_client = how == SESSION_DISCONNECT_BY_CLIENT;
    sessions_do(session->all, &event); /* Frees it when it has ended. */
}

/* --------------------------------------------------------------------- feed */

/* Returns the bytes used: 0 if more must come. */
static size_t feed_preface(struct session *session, const uint8_t *bytes,
                           size_t length)
{
    int used = frame_read_preface(bytes, length);

    if (used == 0) {
        return 0;
    }
    if (used > 0 || used == PERMIT_E_VERSION) {
        if (gate_frame(session->all->options.gate, session->connection_id,
                       frame_preface, FRAME_PREFACE_BYTES, false,
                       true) != PERMIT_OK) {
            session_close(session, "unavailable");
            return length;
        }
    }
    if (used < 0) {
        session_close(session, "preface");
        return length;
    }
    session->stage = SESSION_STAGE_HELLO;
    return (size_t)used;
}

static size_t feed_frame(struct session *session, const uint8_t *bytes,
                         size_t length)
{
    struct sessions *sessions = session->all;
    bool is_ready = session->stage == SESSION_STAGE_READY;
    struct wire_client_message message;
    struct frame frame;
    int64_t used = frame_parse(
        bytes, length,
        is_ready ? FRAME_BYTES_MAX : FRAME_BYTES_MAX_BEFORE_WELCOME, &frame);

    if (used == 0) {
        return 0;
    }
    if (used < 0) {
        session_goaway(session, WIRE_GOAWAY_PROTOCOL, 0,
                       is_ready ? "a frame has at most 65536 bytes"
                                : "a frame has at most 1024 bytes before "
                                  "Hello is obeyed");
        return length;
    }
    if (wire_decode_client(frame.message, frame.message_bytes, &sessions->arena,
                           &message) != PERMIT_OK) {
        session_goaway(session, WIRE_GOAWAY_PROTOCOL, 0,
                       "a message does not parse, or is too intricate");
        return length;
    }
    if (is_ready) {
        session_obey(session, &message);
    } else {
        session_open(session, &message);
    }
    return (size_t)used;
}

size_t session_feed(struct session *session, const uint8_t *bytes,
                    size_t length, uint64_t now_ns)
{
    struct sessions *sessions = session->all;
    uint32_t frames = 0;
    size_t total = 0;

    sessions->now_ns = now_ns;
    session->fed_bytes = 0;
    while (total < length) {
        size_t used;
        if (session->stage == SESSION_STAGE_CLOSING) {
            return length;
        }
        if (sessions_have_work(sessions) || frames++ == SESSION_FEED_FRAMES ||
            session->in_flight >= sessions->options.limits->max_in_flight ||
            session->fed_bytes >= sessions->options.limits->max_output_buffer /
                                      SESSION_FEED_SHARE) {
            break;
        }
        used = session->stage == SESSION_STAGE_PREFACE
                   ? feed_preface(session, bytes + total, length - total)
                   : feed_frame(session, bytes + total, length - total);
        if (used == 0) {
            break;
        }
        total += used;
    }
    return total;
}

void session_heard(struct session *session, uint64_t now_ns)
{
    engine_session_heard(session->all->options.engine, session->id, now_ns);
}

void session_answered(struct session *session, const struct gate_chunk *chunk,
                      uint64_t offset, uint64_t written)
{
    assert(chunk->answers <= session->in_flight);
    session->in_flight -= chunk->answers;
    takes_leave_gate(&session->takes, chunk->marked, offset, written);
}

void session_cut(struct session *session, uint64_t written)
{
    takes_cut(&session->takes, written);
}

/* ------------------------------------------------------------------ queries */

enum session_stage session_get_stage(const struct session *session)
{
    return session->stage;
}

const char *session_close_reason(const struct session *session)
{
    return session->close_reason;
}

const char *session_client_name(const struct session *session)
{
    return session->name;
}

bool session_is_open(const struct session *session)
{
    return session->id != 0;
}

bool session_holds_nothing(const struct session *session)
{
    struct engine_session_view view;

    return session->stage == SESSION_STAGE_READY &&
           engine_view_session(session->all->options.engine, session->id,
                               &view) &&
           view.grants == 0;
}

uint64_t session_get_id(const struct session *session)
{
    return session->id != 0 ? session->id : session->former_id;
}
