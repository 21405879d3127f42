/* SPDX-License-Identifier: MIT */
#include "laws.h"

#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "world.h"

#define REQUESTS_MAX 4096
#define GRANTS_MAX 4096
#define NAMES_MAX (WORLD_NAMES + 1)
#define NO_NAME NAMES_MAX

struct request { /* Not answered yet. */
    uint64_t session_id;
    uint64_t request_id;
    size_t name;      /* ACQUIRE. */
    uint32_t permits; /* ACQUIRE. */
    bool is_acquire;
    bool consume;
};

struct held {
    uint64_t session_id;
    uint64_t acquire_id;
    size_t name; /* NO_NAME: of a semaphore that was deleted. */
    uint32_t permits;
};

struct semaphore { /* By name. */
    bool is_there;
    bool counting;
    int64_t permits; /* COUNTING: start, plus posted, less consumed. */
    int64_t out;
    int64_t out_before; /* When the event began. */
};

struct laws {
    struct engine_event event;
    uint64_t fence;
    struct {
        uint64_t id;
        bool silent; /* Has no connection: its requests are dropped. */
    } sessions[MODEL_SESSIONS_MAX];
    size_t sessions_count;
    struct request requests[REQUESTS_MAX];
    size_t requests_count;
    struct held held[GRANTS_MAX];
    size_t held_count;
    struct semaphore semaphores[NAMES_MAX];
    struct records records; /* Of this event. */
    const char *broken;
};

struct laws *laws_create(void)
{
    struct laws *laws = malloc(sizeof(*laws));

    if (laws != NULL) {
        /* The arrays need not be cleared: they have counts. */
        laws->fence = WORLD_FIRST_FENCE;
        laws->sessions_count = 0;
        laws->requests_count = 0;
        laws->held_count = 0;
        memset(laws->semaphores, 0, sizeof(laws->semaphores));
        laws->records.seq = 0;
        records_begin(&laws->records);
        laws->broken = NULL;
    }
    return laws;
}

void laws_destroy(struct laws *laws)
{
    free(laws);
}

static void demand(struct laws *laws, bool holds, const char *law)
{
    if (!holds && laws->broken == NULL) {
        laws->broken = law;
    }
}

static size_t name_of(const char *name)
{
    size_t i = 0;

    while (i < WORLD_NAMES && strcmp(world_name((uint32_t)i), name) != 0) {
        i++;
    }
    return i; /* The last is for all that are not in the list. */
}

static size_t find_session(const struct laws *laws, uint64_t session_id)
{
    size_t i = 0;

    while (i < laws->sessions_count && laws->sessions[i].id != session_id) {
        i++;
    }
    return i;
}

void laws_restart(struct laws *laws)
{
    laws->requests_count = 0;
    for (size_t i = 0; i < laws->sessions_count; i++) {
        laws->sessions[i].silent = true;
    }
}

/* ------------------------------------------------------------------- events */

void laws_event(struct laws *laws, const struct engine_event *event)
{
    struct request *request = &laws->requests[laws->requests_count];
    size_t session = find_session(laws, event->session_id);

    laws->event = *event;
    records_begin(&laws->records);
    for (size_t i = 0; i < NAMES_MAX; i++) {
        laws->semaphores[i].out_before = laws->semaphores[i].out;
    }
    if (event->type == ENGINE_SESSION_DISCONNECT &&
        session < laws->sessions_count) {
        laws->sessions[session].silent = true;
    }
    if (event->type == ENGINE_TICK || event->type == ENGINE_DRAIN ||
        event->type == ENGINE_SESSION_END ||
        event->type == ENGINE_SESSION_DISCONNECT) {
        return;
    }
    demand(laws, laws->requests_count < REQUESTS_MAX, "too many wait");
    *request = (struct request){.session_id = event->session_id,
                                .request_id = event->request_id};
    if (event->type == ENGINE_ACQUIRE) {
        request->is_acquire = true;
        request->name = name_of(event->acquire.semaphore);
        request->permits = event->acquire.permits;
        request->consume = event->acquire.consume;
    }
    laws->requests_count++;
}

/* ------------------------------------------------------------------ effects */

static size_t find_held(const struct laws *laws, uint64_t session_id,
                        uint64_t acquire_id)
{
    size_t i = 0;

    while (i < laws->held_count && (laws->held[i].session_id != session_id ||
                                    laws->held[i].acquire_id != acquire_id)) {
        i++;
    }
    return i;
}

static void give_back(struct laws *laws, size_t i, uint32_t permits)
{
    struct held *held = &laws->held[i];

    if (held->name != NO_NAME) {
        laws->semaphores[held->name].out -= permits;
    }
    held->permits -= permits;
    if (held->permits == 0) {
        *held = laws->held[--laws->held_count];
    }
}

static void granted(struct laws *laws, const struct request *request,
                    const struct engine_effect *effect)
{
    struct semaphore *semaphore = &laws->semaphores[request->name];

    demand(laws, effect->answer.grant_id > laws->fence, "fences only grow");
    laws->fence = effect->answer.grant_id;
    demand(laws,
           records_have(&laws->records, ENGINE_RECORD_GRANTED,
                        effect->session_id, effect->request_id,
                        effect->answer.grant_id),
           "GRANTED is recorded before it is told");
    if (request->consume) {
        semaphore->permits -= request->permits;
        return;
    }
    demand(laws, laws->held_count < GRANTS_MAX, "too many grants");
    semaphore->out += request->permits;
    laws->held[laws->held_count++] =
        (struct held){request->session_id, request->request_id, request->name,
                      request->permits};
}

static void released(struct laws *laws, const struct engine_effect *effect)
{
    const struct engine_event *event = &laws->event;
    size_t i = find_held(laws, effect->session_id, event->release.acquire_id);

    demand(laws, i < laws->held_count, "what is released was held");
    demand(laws,
           records_have(&laws->records, ENGINE_RECORD_RELEASED,
                        effect->session_id, effect->request_id, 0),
           "RELEASED is recorded before it is told");
    if (i == laws->held_count) {
        return;
    }
    demand(laws, event->release.permits <= laws->held[i].permits,
           "nobody releases more than he holds");
    give_back(laws, i,
              event->release.permits == 0 ? laws->held[i].permits
                                          : event->release.permits);
}

static void defined(struct laws *laws)
{
    const struct engine_definition *asked = &laws->event.define.definition;
    struct semaphore *semaphore =
        &laws->semaphores[name_of(laws->event.define.semaphore)];

    demand(laws,
           records_have(&laws->records, ENGINE_RECORD_DEFINED,
                        laws->event.session_id, laws->event.request_id, 0),
           "DEFINED is recorded before it is told");
    if (!semaphore->is_there) {
        *semaphore = (struct semaphore){.is_there = true, .permits = 1};
        semaphore->counting = (asked->fields & ENGINE_FIELD_KIND) != 0 &&
                              asked->kind == ENGINE_COUNTING;
        if ((asked->fields & ENGINE_FIELD_PERMITS) != 0) {
            semaphore->permits = asked->permits;
        }
    } else if (!semaphore->counting &&
               (asked->fields & ENGINE_FIELD_PERMITS) != 0) {
        semaphore->permits = asked->permits;
    }
    /* What was granted until now was granted under the old limit. */
    if (semaphore->out_before < semaphore->out) {
        semaphore->out_before = semaphore->out;
    }
}

static void deleted(struct laws *laws)
{
    size_t name = name_of(laws->event.delete.semaphore);

    demand(laws,
           records_have(&laws->records, ENGINE_RECORD_DELETED,
                        laws->event.session_id, laws->event.request_id, 0),
           "DELETED is recorded before it is told");
    memset(&laws->semaphores[name], 0, sizeof(laws->semaphores[name]));
    for (size_t i = 0; i < laws->held_count; i++) {
        if (laws->held[i].name == name) {
            laws->held[i].name = NO_NAME;
        }
    }
}

static void opened(struct laws *laws, const struct engine_effect *effect)
{
    size_t resumed = find_session(laws, effect->session_id);

    if (resumed < laws->sessions_count) {
        demand(laws, effect->session_id == laws->event.session_open.resume_id,
               "nobody gets another's session");
        laws->sessions[resumed].silent = false;
        return;
    }
    demand(laws, effect->session_id > laws->fence, "fences only grow");
    laws->fence = effect->session_id;
    demand(laws, laws->sessions_count < MODEL_SESSIONS_MAX,
           "too many sessions");
    laws->sessions[laws->sessions_count].silent = false;
    laws->sessions[laws->sessions_count++].id = effect->session_id;
    demand(laws,
           records_have(&laws->records, ENGINE_RECORD_SESSION_OPENED,
                        effect->session_id, effect->request_id, 0),
           "SESSION_OPENED is recorded before it is told");
}

static void posted(struct laws *laws)
{
    const struct engine_event *event = &laws->event;

    demand(laws,
           records_have(&laws->records, ENGINE_RECORD_POSTED, event->session_id,
                        event->request_id, 0),
           "POSTED is recorded before it is told");
    laws->semaphores[name_of(event->post.semaphore)].permits +=
        event->post.permits;
}

static void succeeded(struct laws *laws, const struct engine_effect *effect,
                      const struct request *request)
{
    enum engine_event_type to = effect->answer.to;

    if (to == ENGINE_ACQUIRE) {
        granted(laws, request, effect);
    } else if (to == ENGINE_RENEW) {
        demand(laws,
               records_have(&laws->records, ENGINE_RECORD_RENEWED,
                            effect->session_id, effect->request_id, 0),
               "RENEWED is recorded before it is told");
    } else if (to == ENGINE_RELEASE) {
        released(laws, effect);
    } else if (to == ENGINE_DEFINE) {
        defined(laws);
    } else if (to == ENGINE_DELETE) {
        deleted(laws);
    } else if (to == ENGINE_POST) {
        posted(laws);
    } else if (to == ENGINE_SESSION_OPEN) {
        opened(laws, effect);
    }
}

static void answered(struct laws *laws, const struct engine_effect *effect)
{
    bool opens = effect->answer.to == ENGINE_SESSION_OPEN;
    struct request request;
    size_t i = 0;

    while (i < laws->requests_count &&
           (laws->requests[i].request_id != effect->request_id ||
            (laws->requests[i].session_id != effect->session_id && !opens))) {
        i++;
    }
    if (i == laws->requests_count) {
        demand(laws, false, "an answer belongs to a request without one");
        return;
    }
    request = laws->requests[i];
    laws->requests[i] = laws->requests[--laws->requests_count];
    demand(laws, request.is_acquire == (effect->answer.to == ENGINE_ACQUIRE),
           "an answer is of the kind of its request");
    if (effect->answer.status == PERMIT_OK) {
        succeeded(laws, effect, &request);
    }
}

static void lost(struct laws *laws, const struct engine_effect *effect)
{
    size_t i = find_held(laws, effect->session_id, effect->request_id);
    uint64_t grant_id = effect->lost.grant_id;

    demand(laws, i < laws->held_count, "what is lost was held");
    if (effect->lost.grace_ms > 0) {
        demand(laws,
               records_have(&laws->records, ENGINE_RECORD_REVOKED,
                            effect->session_id, 0, grant_id),
               "REVOKED is recorded before it is told");
        return;
    }
    demand(laws,
           records_have(&laws->records, ENGINE_RECORD_EXPIRED,
                        effect->session_id, 0, grant_id) ||
               records_have(&laws->records, ENGINE_RECORD_REVOKED,
                            effect->session_id, 0, grant_id),
           "EXPIRED is recorded before it is told");
    if (i < laws->held_count) {
        give_back(laws, i, laws->held[i].permits);
    }
}

static void fell_silent(struct laws *laws, const struct engine_effect *effect)
{
    size_t session = find_session(laws, effect->session_id);

    demand(laws, session < laws->sessions_count, "who falls silent was there");
    if (session < laws->sessions_count) {
        laws->sessions[session].silent = true;
    }
}

static void ended(struct laws *laws, const struct engine_effect *effect)
{
    size_t session = find_session(laws, effect->session_id);

    demand(laws, session < laws->sessions_count, "who ends was there");
    if (session < laws->sessions_count) {
        laws->sessions[session] = laws->sessions[--laws->sessions_count];
    }
    demand(laws,
           records_have(&laws->records, ENGINE_RECORD_SESSION_ENDED,
                        effect->session_id, 0, 0),
           "SESSION_ENDED is recorded before it is told");
    demand(laws,
           (effect->ended == ENGINE_SESSION_ENDED_BY_CLIENT) ==
               records_have(&laws->records, ENGINE_RECORD_SESSION_ENDED,
                            effect->session_id, laws->event.request_id, 0),
           "SESSION_ENDED has a request only if one made it");
    for (size_t i = laws->held_count; i-- > 0;) {
        if (laws->held[i].session_id == effect->session_id) {
            give_back(laws, i, laws->held[i].permits);
        }
    }
    for (size_t i = laws->requests_count; i-- > 0;) {
        if (laws->requests[i].session_id == effect->session_id) {
            laws->requests[i] = laws->requests[--laws->requests_count];
        }
    }
}

void laws_effect(struct laws *laws, const struct engine_effect *effect)
{
    const char *problem;

    switch (effect->type) {
    case ENGINE_EFFECT_RECORD:
        problem = records_note(&laws->records, effect->record);
        demand(laws, problem == NULL, problem);
        break;
    case ENGINE_EFFECT_ANSWER:
        answered(laws, effect);
        break;
    case ENGINE_EFFECT_LOST:
        lost(laws, effect);
        break;
    case ENGINE_EFFECT_SESSION_SILENT:
        fell_silent(laws, effect);
        break;
    case ENGINE_EFFECT_SESSION_ENDED:
        ended(laws, effect);
        break;
    }
}

/* -------------------------------------------------------------- after each */

/* Could the first waiter that is not set aside be served? */
static bool somebody_could_be_served(const struct engine *engine,
                                     const struct engine_semaphore_view *view)
{
    struct engine_waiter_view waiters[4];
    size_t total;
    size_t count = 1;

    for (size_t offset = 0; count > 0; offset += count) {
        count =
            engine_view_waiters(engine, view->name, offset, waiters, 4, &total);
        for (size_t i = 0; i < count; i++) {
            if (!waiters[i].disconnected) {
                return waiters[i].permits <= view->available;
            }
        }
    }
    return false;
}

const char *laws_check(struct laws *laws, const struct engine *engine)
{
    struct engine_semaphore_view views[NAMES_MAX];
    struct engine_totals totals;
    size_t total;
    size_t count =
        engine_view_semaphores(engine, "", 0, views, NAMES_MAX, &total);

    for (size_t i = 0; i < NAMES_MAX; i++) {
        const struct semaphore *semaphore = &laws->semaphores[i];

        demand(laws,
               semaphore->out <= semaphore->permits ||
                   (!semaphore->counting &&
                    semaphore->out <= semaphore->out_before),
               "never more out than there are permits");
        demand(laws, semaphore->out >= 0, "nothing is given back twice");
    }
    demand(laws, count == total, "there are no names but ours");
    for (size_t i = 0; i < count; i++) {
        demand(laws, !somebody_could_be_served(engine, &views[i]),
               "whoever could be served does not wait");
    }
    engine_get_totals(engine, &totals);
    /* All requests have their answer, but those of sessions that are gone and
     * the acquires that wait. */
    for (size_t i = laws->requests_count; i-- > 0;) {
        const struct request *request = &laws->requests[i];
        struct engine_waiter_view waiter;

        if (request->request_id == laws->event.request_id &&
            !(request->is_acquire &&
              engine_view_waiter(engine, request->session_id,
                                 request->request_id, &waiter))) {
            size_t session = find_session(laws, request->session_id);

            demand(laws,
                   request->session_id != 0 &&
                       (session == laws->sessions_count ||
                        laws->sessions[session].silent),
                   "who is there is answered");
            laws->requests[i] = laws->requests[--laws->requests_count];
        }
    }
    demand(laws, totals.waiters == laws->requests_count,
           "who has no answer waits");
    return laws->broken;
}
