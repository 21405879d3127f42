/* SPDX-License-Identifier: MIT */
/* One message of a client, obeyed: a table says, by type, how a request becomes
 * an event of the engine, or how it is answered by itself. */
#include "session_private.h"

#include <assert.h>

/* Fills *event from a request that is valid by itself. Returns NULL, or, if it
 * asks for what is not served yet, a detail that says so. */
typedef const char *prepare_fn(const struct sessions *sessions,
                               const struct wire_client_message *message,
                               struct engine_event *event);

/* Answers a request that changes nothing. */
typedef void read_fn(struct session *session,
                     const struct wire_client_message *message);

/* ------------------------------------------------------------------- events */

static const char *prepare_acquire(const struct sessions *sessions,
                                   const struct wire_client_message *message,
                                   struct engine_event *event)
{
    const struct wire_acquire *acquire = &message->acquire;

    (void)sessions;
    if (acquire->parts_count != 1) {
        return "several semaphores in one acquire are not served yet";
    }
    if (acquire->priority != 0) {
        return "priorities are not served yet";
    }
    if (acquire->settle || acquire->join) {
        return "settle and join are not served yet";
    }
    event->type = ENGINE_ACQUIRE;
    event->acquire.semaphore = acquire->parts[0].semaphore;
    event->acquire.permits = acquire->parts[0].permits;
    event->acquire.consume = acquire->parts[0].consume;
    event->acquire.expect_permits = acquire->parts[0].expect_permits;
    event->acquire.wait_ms = acquire->wait_ms;
    event->acquire.hold_ms = acquire->hold_ms;
    return NULL;
}

static const char *prepare_cancel(const struct sessions *sessions,
                                  const struct wire_client_message *message,
                                  struct engine_event *event)
{
    (void)sessions;
    event->type = ENGINE_CANCEL;
    event->cancel.acquire_id = message->cancel.acquire_id;
    return NULL;
}

static const char *prepare_release(const struct sessions *sessions,
                                   const struct wire_client_message *message,
                                   struct engine_event *event)
{
    const struct wire_release *release = &message->release;

    (void)sessions;
    if (release->has_outcome) {
        return "outcomes are not served yet";
    }
    if (release->parts_count > 1) {
        return "several semaphores in one grant are not served yet";
    }
    event->type = ENGINE_RELEASE;
    event->release.acquire_id = release->acquire_id;
    if (release->parts_count == 1) {
        event->release.semaphore = release->parts[0].semaphore;
        event->release.permits = release->parts[0].permits;
    }
    return NULL;
}

static const char *prepare_renew(const struct sessions *sessions,
                                 const struct wire_client_message *message,
                                 struct engine_event *event)
{
    (void)sessions;
    event->type = ENGINE_RENEW;
    event->renew.acquire_id = message->renew.acquire_id;
    event->renew.hold_ms = message->renew.hold_ms;
    return NULL;
}

static const char *prepare_verify(const struct sessions *sessions,
                                  const struct wire_client_message *message,
                                  struct engine_event *event)
{
    (void)sessions;
    event->type = ENGINE_VERIFY;
    event->verify.grant_id = message->verify.grant_id;
    event->verify.fence = message->verify.fence;
    return NULL;
}

static const char *prepare_post(const struct sessions *sessions,
                                const struct wire_client_message *message,
                                struct engine_event *event)
{
    (void)sessions;
    event->type = ENGINE_POST;
    event->post.semaphore = message->post.semaphore;
    event->post.permits = message->post.permits;
    return NULL;
}

#define FIELDS_SERVED                                                          \
    ((uint32_t)(WIRE_FIELD_KIND | WIRE_FIELD_PERMITS | WIRE_FIELD_MAX_QUEUE |  \
                WIRE_FIELD_MAX_WAIT | WIRE_FIELD_HOLD | WIRE_FIELD_SLOTS))

static const char *prepare_define(const struct sessions *sessions,
                                  const struct wire_client_message *message,
                                  struct engine_event *event)
{
    static const struct {
        uint32_t wire;
        uint32_t engine;
    } fields[] = {{WIRE_FIELD_KIND, ENGINE_FIELD_KIND},
                  {WIRE_FIELD_PERMITS, ENGINE_FIELD_PERMITS},
                  {WIRE_FIELD_MAX_QUEUE, ENGINE_FIELD_MAX_QUEUE},
                  {WIRE_FIELD_MAX_WAIT, ENGINE_FIELD_MAX_WAIT},
                  {WIRE_FIELD_HOLD, ENGINE_FIELD_HOLD},
                  {WIRE_FIELD_SLOTS, ENGINE_FIELD_SLOTS}};
    const struct wire_define *define = &message->define;
    struct engine_definition *definition = &event->define.definition;

    (void)sessions;
    if (define->is_template) {
        return "templates are not served yet";
    }
    if ((define->fields & WIRE_FIELD_KIND) != 0 &&
        define->kind == PERMIT_RATE) {
        return "kind rate is not served yet";
    }
    if ((define->fields & ~FIELDS_SERVED) != 0) {
        return "only kind, permits, max_queue, max_wait, hold and slots are "
               "served yet";
    }
    event->type = ENGINE_DEFINE;
    event->define.semaphore = define->semaphore;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if ((define->fields & fields[i].wire) != 0) {
            definition->fields |= fields[i].engine;
        }
    }
    definition->kind =
        define->kind == PERMIT_COUNTING ? ENGINE_COUNTING : ENGINE_BOUNDED;
    definition->permits = define->permits;
    definition->max_queue = define->max_queue > UINT32_MAX
                                ? UINT32_MAX
                                : (uint32_t)define->max_queue;
    definition->max_wait_ms = define->max_wait_ms;
    definition->hold_ms = define->hold_ms;
    definition->slots = define->slots;
    return NULL;
}

static const char *prepare_delete(const struct sessions *sessions,
                                  const struct wire_client_message *message,
                                  struct engine_event *event)
{
    event->type = ENGINE_DELETE;
    event->delete.semaphore = message->delete.semaphore;
    event->delete.force = message->delete.force;
    event->delete.grace_ms = sessions->options.grace_ms;
    return NULL;
}

/* -------------------------------------------------------------------- reads */

static void read_ping(struct session *session,
                      const struct wire_client_message *message)
{
    struct wire_server_message pong = {.id = message->id, .type = WIRE_PONG};

    session_send(session, &pong, true);
}

static void read_query(struct session *session,
                       const struct wire_client_message *message)
{
    struct sessions *sessions = session->all;
    struct wire_server_message answer = {.id = message->id,
                                         .type = WIRE_SEMAPHORE};

    if (!sessions_view_semaphore(sessions, message->query.semaphore,
                                 sessions->now_ns, &answer.semaphore)) {
        session_refuse(session, message->id, PERMIT_E_NOT_FOUND,
                       "there is no such semaphore: define it first");
        return;
    }
    session_send(session, &answer, true);
}

static void read_list(struct session *session,
                      const struct wire_client_message *message)
{
    struct sessions *sessions = session->all;
    struct wire_server_message answer = {.id = message->id, .type = WIRE_PAGE};
    struct wire_page *page = &answer.page;
    union {
        struct permit_semaphore_info semaphores[WIRE_PAGE_ROWS_MAX];
        struct permit_holder_info holders[WIRE_PAGE_ROWS_MAX];
        struct permit_waiter_info waiters[WIRE_PAGE_ROWS_MAX];
    } rows;
    const char *name = message->list.name;
    uint64_t limit = message->list.limit;
    size_t offset = message->list.offset;
    size_t total = 0;
    size_t count = 0;
    struct permit_semaphore_info found;

    if (limit == 0 || limit > WIRE_PAGE_ROWS_MAX) {
        limit = WIRE_PAGE_ROWS_MAX;
    }
    if (message->list.kind != WIRE_LIST_SEMAPHORES &&
        message->list.kind != WIRE_LIST_SESSIONS &&
        !sessions_view_semaphore(sessions, name, sessions->now_ns, &found)) {
        session_refuse(session, message->id, PERMIT_E_NOT_FOUND,
                       "there is no such semaphore: define it first");
        return;
    }
    switch (message->list.kind) {
    case WIRE_LIST_SEMAPHORES:
        count =
            sessions_view_semaphores(sessions, name, offset, sessions->now_ns,
                                     rows.semaphores, limit, &total);
        page->semaphores = rows.semaphores;
        break;
    case WIRE_LIST_HOLDERS:
        count = sessions_view_holders(sessions, name, offset, sessions->now_ns,
                                      rows.holders, limit, &total);
        page->holders = rows.holders;
        break;
    case WIRE_LIST_WAITERS:
        count = sessions_view_waiters(sessions, name, offset, sessions->now_ns,
                                      rows.waiters, limit, &total);
        page->waiters = rows.waiters;
        break;
    case WIRE_LIST_SESSIONS:
        session_refuse(session, message->id, PERMIT_E_UNSUPPORTED,
                       "lists of sessions are not served yet");
        return;
    }
    page->kind = message->list.kind;
    page->total = total;
    page->offset = offset;
    page->count = (uint32_t)count;
    session_send(session, &answer, true);
}

/* ----------------------------------------------------------------- dispatch */

/* A type without either is not served yet. */
static const struct {
    prepare_fn *prepare;
    read_fn *read;
} table[WIRE_CLIENT_TYPE_COUNT + 1] = {
    [WIRE_PING] = {.read = read_ping},
    [WIRE_QUERY] = {.read = read_query},
    [WIRE_LIST] = {.read = read_list},
    [WIRE_ACQUIRE] = {.prepare = prepare_acquire},
    [WIRE_CANCEL] = {.prepare = prepare_cancel},
    [WIRE_RELEASE] = {.prepare = prepare_release},
    [WIRE_POST] = {.prepare = prepare_post},
    [WIRE_DEFINE] = {.prepare = prepare_define},
    [WIRE_DELETE] = {.prepare = prepare_delete},
    [WIRE_RENEW] = {.prepare = prepare_renew},
    [WIRE_VERIFY] = {.prepare = prepare_verify},
};

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

/* Gives the first answer again; who has lost the grant meanwhile must not
 * believe in it. */
static void repeat_answer(struct session *session, uint64_t id,
                          const struct answer *former)
{
    struct wire_server_message lost = {.id = id, .type = WIRE_LOST};
    enum permit_loss loss = answers_loss(&session->answers, id);
    const struct sessions *sessions = session->all;
    struct engine_grant_view view;
    struct wire_live_grant granted = {0};
    struct permit_part_info part;
    uint32_t slots[LIMIT_SLOTS_MAX];

    if (former->to == ENGINE_ACQUIRE &&
        engine_view_grant(sessions->options.engine, session->id, id, &view)) {
        granted = session_live_grant(sessions, &view, &part, slots);
    }
    session_answer(session, id, former, &granted, loss != 0);
    if (loss != 0) {
        lost.lost.grant_id = former->granted.grant_id;
        lost.lost.reason = loss;
        session_send(session, &lost, false);
    }
}

static void obey_once(struct session *session,
                      const struct wire_client_message *message)
{
    struct sessions *sessions = session->all;
    struct engine_event event = {.now_ns = sessions->now_ns,
                                 .session_id = session->id,
                                 .request_id = message->id};
    const char *unserved =
        table[message->type].prepare(sessions, message, &event);
    const struct answer *former;

    if (unserved != NULL) {
        session_refuse(session, message->id, PERMIT_E_UNSUPPORTED, unserved);
        return;
    }
    if (event.type == ENGINE_VERIFY) { /* Changes nothing, is not kept. */
        sessions_do(sessions, &event);
        return;
    }
    event.body_hash = wire_body_hash(message);
    switch (answers_find(&session->answers, message->id, event.body_hash,
                         &former)) {
    case ANSWERS_NEW:
        apply(session, message, &event);
        break;
    case ANSWERS_UNDER_WAY: /* Its answer will come. */
        if (message->type == WIRE_ACQUIRE) {
            watcher_stop(session, message->id);
            (void)watch(session, message->id, &message->acquire);
        }
        break;
    case ANSWERS_ANSWERED:
        repeat_answer(session, message->id, former);
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
    } else if (table[message->type].read != NULL) {
        table[message->type].read(session, message);
    } else if (table[message->type].prepare != NULL) {
        obey_once(session, message);
    } else {
        session_refuse(session, message->id, PERMIT_E_UNSUPPORTED,
                       "this daemon does not serve that request");
    }
}
