/* SPDX-License-Identifier: MIT */
#include "laws.h"

#include <stdlib.h>
#include <string.h>

#include "laws_order.h"
#include "laws_permits.h"
#include "laws_retry.h"
#include "records.h"
#include "world.h"

#define REQUESTS_MAX 4096

struct request { /* Not answered yet. */
    uint64_t session_id;
    uint64_t request_id;
    uint64_t arrived_ns;
    bool is_acquire;
    bool join;
    struct engine_part parts[LIMIT_PARTS_MAX]; /* ACQUIRE. */
    uint32_t parts_count;
};

struct laws {
    const struct engine_event *event;
    uint64_t priority_step_ns;
    uint64_t fence;
    struct {
        uint64_t id;
        bool silent; /* Has no connection: its requests are dropped. */
    } sessions[MODEL_SESSIONS_MAX];
    size_t sessions_count;
    struct request requests[REQUESTS_MAX];
    size_t requests_count;
    struct permit_laws *permits;
    struct order_laws *order;
    struct retry_laws retries;
    struct records records;                        /* Of this event. */
    struct engine_record granted[LIMIT_PARTS_MAX]; /* Not told yet. */
    uint32_t granted_count;
    const char *broken;
};

struct laws *laws_create(int64_t priority_step_ms)
{
    struct laws *laws = malloc(sizeof(*laws));

    if (laws == NULL) {
        return NULL;
    }
    /* The arrays need not be cleared: they have counts. */
    laws->event = NULL;
    laws->priority_step_ns = (uint64_t)priority_step_ms * NS_PER_MS;
    laws->fence = WORLD_FIRST_FENCE;
    laws->sessions_count = 0;
    laws->requests_count = 0;
    laws->granted_count = 0;
    retry_laws_forget(&laws->retries);
    laws->records.seq = 0;
    laws->records.is_torn = false;
    records_begin(&laws->records);
    laws->broken = NULL;
    laws->permits = permit_laws_create();
    laws->order = order_laws_create(laws->permits);
    if (laws->permits == NULL || laws->order == NULL) {
        laws_destroy(laws);
        return NULL;
    }
    return laws;
}

void laws_destroy(struct laws *laws)
{
    if (laws != NULL) {
        permit_laws_destroy(laws->permits);
        order_laws_destroy(laws->order);
        free(laws);
    }
}

static void demand(struct laws *laws, bool holds, const char *law)
{
    if (!holds && laws->broken == NULL) {
        laws->broken = law;
    }
}

/* What another law says: NULL if it holds. */
static void obey(struct laws *laws, const char *problem)
{
    demand(laws, problem == NULL, problem);
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
    retry_laws_forget(&laws->retries);
    permit_laws_restart(laws->permits);
    order_laws_restart(laws->order);
    for (size_t i = 0; i < laws->sessions_count; i++) {
        laws->sessions[i].silent = true;
    }
}

/* ------------------------------------------------------------------- events */

static void came(struct laws *laws, const struct engine_event *event)
{
    struct request *request = &laws->requests[laws->requests_count];
    uint32_t levels = LIMIT_PRIORITY_MAX - event->acquire.priority;

    demand(laws, laws->requests_count < REQUESTS_MAX, "too many wait");
    *request = (struct request){.session_id = event->session_id,
                                .request_id = event->request_id,
                                .arrived_ns = event->now_ns};
    laws->requests_count++;
    if (event->type == ENGINE_ACQUIRE) {
        request->is_acquire = true;
        request->join = event->acquire.join;
        request->parts_count = event->acquire.parts_count;
        memcpy(request->parts, event->acquire.parts,
               request->parts_count * sizeof(request->parts[0]));
        order_laws_came(laws->order, event,
                        event->now_ns + levels * laws->priority_step_ns);
    }
}

void laws_event(struct laws *laws, const struct engine_event *event)
{
    size_t session = find_session(laws, event->session_id);

    laws->event = event;
    records_begin(&laws->records);
    permit_laws_event(laws->permits, event);
    retry_laws_event(&laws->retries);
    if (event->type == ENGINE_SESSION_DISCONNECT ||
        event->type == ENGINE_SESSION_END) {
        order_laws_line(laws->order, event->session_id, LAWS_LINE_MAY_BREAK);
    } else if (event->type == ENGINE_SESSION_OPEN) {
        order_laws_line(laws->order, event->session_open.end_id,
                        LAWS_LINE_MAY_BREAK);
    } else if (event->type != ENGINE_TICK && event->type != ENGINE_DRAIN) {
        came(laws, event);
        return;
    }
    if (event->type == ENGINE_SESSION_OPEN) {
        came(laws, event);
    }
    if (event->type == ENGINE_SESSION_DISCONNECT &&
        session < laws->sessions_count) {
        laws->sessions[session].silent = true;
    }
}

/* ------------------------------------------------------------------ effects */

static size_t find_request(const struct laws *laws, uint64_t session_id,
                           uint64_t request_id, bool of_any)
{
    size_t i = 0;

    while (i < laws->requests_count &&
           (laws->requests[i].request_id != request_id ||
            (laws->requests[i].session_id != session_id && !of_any))) {
        i++;
    }
    return i;
}

static void forget_request(struct laws *laws, size_t i)
{
    if (laws->requests[i].is_acquire) {
        order_laws_gone(laws->order, laws->requests[i].session_id,
                        laws->requests[i].request_id);
    }
    laws->requests[i] = laws->requests[--laws->requests_count];
}

static bool was_recorded(const struct laws *laws, enum engine_record_type type,
                         const struct engine_effect *effect)
{
    return records_have(&laws->records, type, effect->session_id,
                        effect->request_id, 0);
}

/* An acquire got all that it asked for, as was recorded just now. */
static void granted(struct laws *laws, const struct request *request,
                    const struct engine_effect *effect)
{
    const struct engine_answer *answer = &effect->answer;

    demand(laws, answer->grant_id > laws->fence, "fences only grow");
    laws->fence = answer->grant_id;
    demand(laws,
           laws->granted_count == answer->granted_count &&
               laws->granted[0].grant_id == answer->grant_id &&
               laws->granted[0].session_id == effect->session_id &&
               laws->granted[0].request_id == effect->request_id,
           "a grant is recorded just before it is told");
    demand(laws, answer->granted_count == request->parts_count,
           "all parts are granted, or none");
    for (uint32_t i = 0; laws->broken == NULL && i < request->parts_count;
         i++) {
        const struct engine_record *told = &answer->granted[i];
        const struct engine_part *asked = &request->parts[i];
        const struct engine_record *recorded = &laws->granted[i];

        demand(laws,
               strcmp(told->semaphore, asked->semaphore) == 0 &&
                   told->permits == asked->permits,
               "what is granted is what was asked for");
        demand(laws,
               strcmp(told->semaphore, recorded->semaphore) == 0 &&
                   told->permits == recorded->permits &&
                   told->consume == recorded->consume,
               "what is told is what was recorded");
    }
    laws->granted_count = 0;
}

static void joined(struct laws *laws, const struct request *request,
                   const struct engine_answer *answer)
{
    const struct engine_event *event = laws->event;

    demand(laws, request->join, "only who asked to join does");
    demand(laws,
           event->type == ENGINE_RELEASE && event->release.outcome != NULL &&
               answer->outcome != NULL &&
               answer->outcome_bytes == event->release.outcome_bytes &&
               memcmp(answer->outcome, event->release.outcome,
                      answer->outcome_bytes) == 0,
           "who joins is told the outcome of a release");
}

static void opened(struct laws *laws, const struct engine_effect *effect)
{
    size_t resumed = find_session(laws, effect->session_id);

    if (resumed < laws->sessions_count) {
        demand(laws, effect->session_id == laws->event->session_open.resume_id,
               "nobody gets another's session");
        laws->sessions[resumed].silent = false;
        order_laws_line(laws->order, effect->session_id, LAWS_LINE_IS_UP);
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

static void succeeded(struct laws *laws, const struct engine_effect *effect,
                      const struct request *request)
{
    static const enum engine_record_type records[] = {
        [ENGINE_RELEASE] = ENGINE_RECORD_RELEASED,
        [ENGINE_SETTLE] = ENGINE_RECORD_SETTLED,
        [ENGINE_RENEW] = ENGINE_RECORD_RENEWED,
        [ENGINE_DEFINE] = ENGINE_RECORD_DEFINED,
        [ENGINE_DELETE] = ENGINE_RECORD_DELETED,
        [ENGINE_DRAIN] = 0};
    const struct engine_answer *answer = &effect->answer;

    if (answer->to == ENGINE_ACQUIRE && answer->grant_id != 0) {
        granted(laws, request, effect);
    } else if (answer->to == ENGINE_ACQUIRE) {
        joined(laws, request, answer);
    } else if (answer->to == ENGINE_SESSION_OPEN) {
        opened(laws, effect);
    } else if (records[answer->to] != 0) {
        demand(laws, was_recorded(laws, records[answer->to], effect),
               "what is done is recorded before it is told");
    }
}

static void answered(struct laws *laws, const struct engine_effect *effect)
{
    size_t i = find_request(laws, effect->session_id, effect->request_id,
                            effect->answer.to == ENGINE_SESSION_OPEN);
    struct request request;

    if (i == laws->requests_count) {
        demand(laws, false, "an answer belongs to a request without one");
        return;
    }
    request = laws->requests[i];
    forget_request(laws, i);
    demand(laws, request.is_acquire == (effect->answer.to == ENGINE_ACQUIRE),
           "an answer is of the kind of its request");
    if (request.is_acquire && request.request_id == laws->event->request_id) {
        obey(laws,
             retry_laws_answer(&laws->retries, laws->event, &effect->answer,
                               laws->requests_count == 0));
    }
    if (effect->answer.status == PERMIT_OK) {
        succeeded(laws, effect, &request);
    }
}

static void lost(struct laws *laws, const struct engine_effect *effect)
{
    uint64_t grant_id = effect->lost.grant_id;

    demand(laws,
           records_have(&laws->records, ENGINE_RECORD_REVOKED,
                        effect->session_id, 0, grant_id) ||
               (effect->lost.grace_ms == 0 &&
                records_have(&laws->records, ENGINE_RECORD_EXPIRED,
                             effect->session_id, 0, grant_id)),
           "what is lost is recorded before it is told");
}

static void fell_silent(struct laws *laws, const struct engine_effect *effect)
{
    size_t session = find_session(laws, effect->session_id);

    demand(laws, session < laws->sessions_count, "who falls silent was there");
    if (session < laws->sessions_count) {
        laws->sessions[session].silent = true;
    }
    order_laws_line(laws->order, effect->session_id, LAWS_LINE_IS_DOWN);
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
                            effect->session_id, laws->event->request_id, 0),
           "SESSION_ENDED has a request only if one made it");
    for (size_t i = laws->requests_count; i-- > 0;) {
        if (laws->requests[i].session_id == effect->session_id) {
            forget_request(laws, i);
        }
    }
}

/* The first record of a grant comes when it is made, the last is told. */
static void recorded_grant(struct laws *laws,
                           const struct engine_record *record)
{
    size_t i =
        find_request(laws, record->session_id, record->request_id, false);

    demand(laws, i < laws->requests_count, "who is granted something asked");
    if (laws->granted_count == 0) {
        obey(laws, order_laws_granted(laws->order, record->session_id,
                                      record->request_id));
    }
    demand(laws, laws->granted_count < LIMIT_PARTS_MAX,
           "a grant has only so many parts");
    if (laws->broken == NULL) {
        laws->granted[laws->granted_count++] = *record;
        obey(laws, permit_laws_record(laws->permits, record,
                                      laws->requests[i].arrived_ns));
    }
}

static void recorded(struct laws *laws, const struct engine_record *record)
{
    demand(laws,
           laws->granted_count == 0 ||
               (record->type == ENGINE_RECORD_GRANTED &&
                record->grant_id == laws->granted[0].grant_id),
           "a grant is told as soon as it is recorded");
    obey(laws, records_note(&laws->records, record));
    if (record->type == ENGINE_RECORD_GRANTED) {
        recorded_grant(laws, record);
        return;
    }
    if (record->type == ENGINE_RECORD_SESSION_ENDED) {
        order_laws_line(laws->order, record->session_id, LAWS_LINE_IS_DOWN);
    }
    obey(laws, permit_laws_record(laws->permits, record, 0));
}

void laws_effect(struct laws *laws, const struct engine_effect *effect)
{
    if (effect->type != ENGINE_EFFECT_RECORD) {
        demand(laws, !laws->records.is_torn,
               "records that go together come together");
        demand(laws,
               laws->granted_count == 0 ||
                   (effect->type == ENGINE_EFFECT_ANSWER &&
                    effect->answer.to == ENGINE_ACQUIRE &&
                    effect->answer.grant_id != 0),
               "a grant is told as soon as it is recorded");
    }
    switch (effect->type) {
    case ENGINE_EFFECT_RECORD:
        recorded(laws, effect->record);
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

/* All requests have their answer, but those of sessions that are gone and the
 * acquires that wait. */
static void check_answers(struct laws *laws, const struct engine *engine)
{
    for (size_t i = laws->requests_count; i-- > 0;) {
        const struct request *request = &laws->requests[i];
        struct engine_waiter_view waiter;
        struct engine_obstacle obstacle;
        size_t session;

        if (request->request_id != laws->event->request_id ||
            (request->is_acquire &&
             engine_view_waiter(engine, request->session_id,
                                request->request_id, &waiter, &obstacle))) {
            continue;
        }
        session = find_session(laws, request->session_id);
        demand(laws,
               request->session_id != 0 && (session == laws->sessions_count ||
                                            laws->sessions[session].silent),
               "who is there is answered");
        forget_request(laws, i);
    }
}

const char *laws_check(struct laws *laws, const struct engine *engine)
{
    const struct engine_event *event = laws->event;
    struct engine_totals totals;

    if (event->type == ENGINE_SESSION_DISCONNECT) {
        order_laws_line(laws->order, event->session_id, LAWS_LINE_IS_DOWN);
    }
    demand(laws, !laws->records.is_torn && laws->granted_count == 0,
           "records that go together come together");
    check_answers(laws, engine);
    obey(laws, permit_laws_check(laws->permits));
    obey(laws, order_laws_check(laws->order, engine));
    engine_get_totals(engine, &totals);
    demand(laws, totals.waiters == laws->requests_count,
           "who has no answer waits");
    if (event->type == ENGINE_ACQUIRE && laws->requests_count > 0) {
        const struct request *latest =
            &laws->requests[laws->requests_count - 1];

        demand(laws,
               !permit_laws_holds(laws->permits, latest->session_id,
                                  latest->request_id),
               "who waits holds nothing");
    }
    return laws->broken;
}
