/* SPDX-License-Identifier: MIT */
/* Requests as events of the engine: what is valid by itself, filled in. */
#include "session_private.h"

/* Returns NULL, or, if it asks for what is not served, a detail that says so.
 */
typedef const char *prepare_fn(const struct sessions *sessions,
                               const struct wire_client_message *message,
                               struct prepared *to);

/* Returns the parts as the engine knows them. */
static const struct engine_part *
to_parts(const struct wire_part *from, uint32_t count, struct engine_part *to)
{
    for (uint32_t i = 0; i < count; i++) {
        to[i] = (struct engine_part){.semaphore = from[i].semaphore,
                                     .permits = from[i].permits,
                                     .expect_permits = from[i].expect_permits,
                                     .consume = from[i].consume};
    }
    return to;
}

static const char *prepare_acquire(const struct sessions *sessions,
                                   const struct wire_client_message *message,
                                   struct prepared *to)
{
    const struct wire_acquire *acquire = &message->acquire;

    (void)sessions;
    to->event.type = ENGINE_ACQUIRE;
    to->event.acquire.parts =
        to_parts(acquire->parts, acquire->parts_count, to->parts);
    to->event.acquire.parts_count = acquire->parts_count;
    to->event.acquire.priority = acquire->priority;
    to->event.acquire.wait_ms = acquire->wait_ms;
    to->event.acquire.hold_ms = acquire->hold_ms;
    to->event.acquire.settle = acquire->settle;
    to->event.acquire.join = acquire->join;
    return NULL;
}

static const char *prepare_cancel(const struct sessions *sessions,
                                  const struct wire_client_message *message,
                                  struct prepared *to)
{
    (void)sessions;
    to->event.type = ENGINE_CANCEL;
    to->event.cancel.acquire_id = message->cancel.acquire_id;
    return NULL;
}

static const char *prepare_why(const struct sessions *sessions,
                               const struct wire_client_message *message,
                               struct prepared *to)
{
    (void)sessions;
    to->event.type = ENGINE_WHY;
    to->event.acquire.parts = to_parts(message->acquire.parts,
                                       message->acquire.parts_count, to->parts);
    to->event.acquire.parts_count = message->acquire.parts_count;
    to->event.acquire.priority = message->acquire.priority;
    return NULL;
}

static const char *prepare_release(const struct sessions *sessions,
                                   const struct wire_client_message *message,
                                   struct prepared *to)
{
    const struct wire_release *release = &message->release;

    (void)sessions;
    to->event.type = ENGINE_RELEASE;
    to->event.release.acquire_id = release->acquire_id;
    to->event.release.parts =
        to_parts(release->parts, release->parts_count, to->parts);
    to->event.release.parts_count = release->parts_count;
    if (release->has_outcome) {
        static const uint8_t nothing[1];

        to->event.release.outcome =
            release->outcome.length == 0 ? nothing : release->outcome.data;
        to->event.release.outcome_bytes = (uint32_t)release->outcome.length;
    }
    return NULL;
}

static const char *prepare_settle(const struct sessions *sessions,
                                  const struct wire_client_message *message,
                                  struct prepared *to)
{
    const struct wire_release *settle = &message->release;

    (void)sessions;
    to->event.type = ENGINE_SETTLE;
    to->event.settle.acquire_id = settle->acquire_id;
    to->event.settle.actual =
        to_parts(settle->parts, settle->parts_count, to->parts);
    to->event.settle.actual_count = settle->parts_count;
    return NULL;
}

static const char *prepare_renew(const struct sessions *sessions,
                                 const struct wire_client_message *message,
                                 struct prepared *to)
{
    (void)sessions;
    to->event.type = ENGINE_RENEW;
    to->event.renew.acquire_id = message->renew.acquire_id;
    to->event.renew.hold_ms = message->renew.hold_ms;
    return NULL;
}

static const char *prepare_verify(const struct sessions *sessions,
                                  const struct wire_client_message *message,
                                  struct prepared *to)
{
    (void)sessions;
    to->event.type = ENGINE_VERIFY;
    to->event.verify.grant_id = message->verify.grant_id;
    to->event.verify.fence = message->verify.fence;
    return NULL;
}

static const char *prepare_post(const struct sessions *sessions,
                                const struct wire_client_message *message,
                                struct prepared *to)
{
    (void)sessions;
    to->event.type = ENGINE_POST;
    to->event.post.semaphore = message->post.semaphore;
    to->event.post.permits = message->post.permits;
    return NULL;
}

/* Fields of a Define, as the engine knows them. */
static const struct {
    uint32_t wire;
    uint32_t engine;
} fields[] = {{WIRE_FIELD_KIND, ENGINE_FIELD_KIND},
              {WIRE_FIELD_PERMITS, ENGINE_FIELD_PERMITS},
              {WIRE_FIELD_RATE, ENGINE_FIELD_RATE},
              {WIRE_FIELD_PER, ENGINE_FIELD_PER_MS},
              {WIRE_FIELD_BURST, ENGINE_FIELD_BURST},
              {WIRE_FIELD_MAX_QUEUE, ENGINE_FIELD_MAX_QUEUE},
              {WIRE_FIELD_MAX_WAIT, ENGINE_FIELD_MAX_WAIT},
              {WIRE_FIELD_HOLD, ENGINE_FIELD_HOLD},
              {WIRE_FIELD_BYPASS, ENGINE_FIELD_BYPASS},
              {WIRE_FIELD_PER_SESSION, ENGINE_FIELD_PER_SESSION},
              {WIRE_FIELD_SLOTS, ENGINE_FIELD_SLOTS},
              {WIRE_FIELD_SHADOW, ENGINE_FIELD_SHADOW},
              {WIRE_FIELD_REFUSE_HOPELESS, ENGINE_FIELD_REFUSE_HOPELESS}};

_Static_assert((int)ENGINE_BOUNDED == (int)PERMIT_BOUNDED &&
                   (int)ENGINE_COUNTING == (int)PERMIT_COUNTING &&
                   (int)ENGINE_RATE == (int)PERMIT_RATE,
               "kinds have one numbering");

static const char *prepare_define(const struct sessions *sessions,
                                  const struct wire_client_message *message,
                                  struct prepared *to)
{
    const struct wire_define *define = &message->define;
    uint32_t engine_fields = 0;

    (void)sessions;
    if ((define->fields & WIRE_FIELD_NOT_DURABLE) != 0) {
        return "not_durable is not served yet";
    }
    if ((define->fields & WIRE_FIELD_NEWER) != 0) {
        return "one of the fields is newer than this daemon";
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if ((define->fields & fields[i].wire) != 0) {
            engine_fields |= fields[i].engine;
        }
    }
    to->event.type = ENGINE_DEFINE;
    to->event.define.semaphore = define->semaphore;
    to->event.define.definition = (struct engine_definition){
        .fields = engine_fields,
        .kind =
            define->kind == 0 ? ENGINE_BOUNDED : (enum engine_kind)define->kind,
        .permits = define->permits,
        .rate = define->rate,
        .per_ms = define->per_ms,
        .burst = define->burst,
        .bypass = define->bypass,
        .per_session = define->per_session,
        .max_queue = define->max_queue > UINT32_MAX
                         ? UINT32_MAX
                         : (uint32_t)define->max_queue,
        .max_wait_ms = define->max_wait_ms,
        .hold_ms = define->hold_ms,
        .slots = define->slots,
        .shadow = define->shadow,
        .refuse_hopeless = define->refuse_hopeless};
    return NULL;
}

static const char *prepare_delete(const struct sessions *sessions,
                                  const struct wire_client_message *message,
                                  struct prepared *to)
{
    to->event.type = ENGINE_DELETE;
    to->event.delete.semaphore = message->delete.semaphore;
    to->event.delete.force = message->delete.force;
    to->event.delete.grace_ms = sessions->options.grace_ms;
    return NULL;
}

/* A type without an entry is no event, or not served yet. */
static prepare_fn *const table[WIRE_CLIENT_TYPE_COUNT + 1] = {
    [WIRE_ACQUIRE] = prepare_acquire, [WIRE_CANCEL] = prepare_cancel,
    [WIRE_RELEASE] = prepare_release, [WIRE_SETTLE] = prepare_settle,
    [WIRE_WHY] = prepare_why,         [WIRE_POST] = prepare_post,
    [WIRE_DEFINE] = prepare_define,   [WIRE_DELETE] = prepare_delete,
    [WIRE_RENEW] = prepare_renew,     [WIRE_VERIFY] = prepare_verify,
};

bool session_prepare(const struct session *session,
                     const struct wire_client_message *message,
                     struct prepared *ret_prepared, const char **ret_detail)
{
    *ret_detail = "this daemon does not serve that request";
    if (table[message->type] == NULL) {
        return false;
    }
    ret_prepared->event = (struct engine_event){.now_ns = session->all->now_ns,
                                                .session_id = session->id,
                                                .request_id = message->id};
    *ret_detail = table[message->type](session->all, message, ret_prepared);
    return *ret_detail == NULL;
}
