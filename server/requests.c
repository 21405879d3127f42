/* SPDX-License-Identifier: MIT */
/* One message of a client, obeyed: done once, or answered again. */
#include "session_private.h"

/* Has Waiting pushed if the acquire asks for it. Returns false without memory.
 */
static bool watch(struct session *session, uint64_t id,
                  const struct wire_acquire *acquire)
{
    struct watcher *watcher;

    if (!acquire->waiting || acquire->wait_ms == 0) {
        return true;
    }
    watcher = watcher_create(session, id);
    if (watcher != NULL) {
        watcher_start(watcher);
    }
    return watcher != NULL;
}

/* Keeps what an acquire needs besides the engine, before the event, for the
 * answer to it takes off again what is of no more use. Returns false without
 * memory. */
static bool begin_acquire(struct session *session, uint64_t id,
                          const struct wire_acquire *acquire)
{
    session->settles |= acquire->settle;
    if (acquire->labels_count > 0 &&
        !labels_keep(&session->labels, id, acquire->labels,
                     acquire->labels_count)) {
        return false;
    }
    return watch(session, id, acquire);
}

/* Applies a new request, entered as under way. */
static void apply(struct session *session,
                  const struct wire_client_message *message,
                  struct engine_event *event)
{
    if ((message->type == WIRE_ACQUIRE &&
         !begin_acquire(session, message->id, &message->acquire)) ||
        answers_begin(&session->answers, message->id, event->body_hash) !=
            PERMIT_OK) {
        watcher_stop(session, message->id);
        labels_drop(&session->labels, message->id);
        session_refuse(session, message->id, PERMIT_E_UNAVAILABLE,
                       "the daemon has no memory: come back later");
        return;
    }
    sessions_do(session->all, event);
}

static void obey_once(struct session *session,
                      const struct wire_client_message *message)
{
    struct prepared prepared;
    struct engine_event *event = &prepared.event;
    const struct answer *former;
    const char *unserved;

    if (!session_prepare(session, message, &prepared, &unserved)) {
        session_refuse(session, message->id, PERMIT_E_UNSUPPORTED, unserved);
        return;
    }
    if (event->type == ENGINE_VERIFY || event->type == ENGINE_WHY) {
        /* It changes nothing, and is not kept. */
        sessions_do(session->all, event);
        return;
    }
    event->body_hash = wire_body_hash(message);
    switch (answers_find(&session->answers, message->id, event->body_hash,
                         &former)) {
    case ANSWERS_NEW:
        apply(session, message, event);
        break;
    case ANSWERS_UNDER_WAY: /* Its answer will come. */
        if (message->type == WIRE_ACQUIRE) {
            watcher_stop(session, message->id);
            (void)watch(session, message->id, &message->acquire);
        }
        break;
    case ANSWERS_ANSWERED:
        session_answer_again(session, message, former);
        break;
    case ANSWERS_CONFLICT:
        session_refuse(session, message->id, PERMIT_E_CONFLICT,
                       "this request id was used with another body: choose a "
                       "new one");
        break;
    case ANSWERS_STALE:
        session_refuse(session, message->id, PERMIT_E_INVALID,
                       "the request id must be above all earlier ones");
        break;
    }
}

static void obey_bye(struct session *session,
                     const struct wire_client_message *message)
{
    struct engine_event event = {.type = ENGINE_SESSION_END,
                                 .now_ns = session->all->now_ns,
                                 .session_id = session->id};

    session->has_said_bye = true;
    session->bye_id = message->id;
    sessions_do(session->all, &event); /* Done goes when it has ended. */
}

void session_obey(struct session *session,
                  const struct wire_client_message *message)
{
    answers_forget(&session->answers, message->answered_below);
    if (message->type == WIRE_HELLO) {
        session_goaway(session, WIRE_GOAWAY_PROTOCOL, 0,
                       "Hello was said before");
    } else if (message->id < session->answers.below) {
        session_refuse(session, message->id, PERMIT_E_INVALID,
                       "the request id is below answered_below: its answer is "
                       "forgotten");
    } else if (message->status != PERMIT_OK) {
        session_refuse(session, message->id, message->status, message->detail);
    } else if (message->type == WIRE_BYE) {
        obey_bye(session, message);
    } else if (!session_read(session, message)) {
        obey_once(session, message);
    }
}
