/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t script_secret[ENGINE_HASH_SECRET_BYTES] = {7, 1, 4, 17};

void script_init(struct script *script)
{
    static const struct engine_limits limits = {
        .max_sessions = 64,
        .max_semaphores = 16,
        .max_waiters = 64,
        .max_grants = 64,
        .max_lost = 4,
        .max_waiters_per_session = 32,
        .max_grants_per_session = 32,
    };

    script_init_with(script, &limits);
}

void script_init_with(struct script *script, const struct engine_limits *limits)
{
    memset(script, 0, sizeof(*script));
    script->limits = *limits;
    script->engine = engine_create(limits, 0, script_secret);
    ck_assert_ptr_nonnull(script->engine);
    script_forget(script);
}

void script_finish(struct script *script)
{
    engine_check(script->engine);
    if (!script->is_quiet) {
        struct engine *restored = script_restore(script);
        script_assert_same(script->engine, restored);
        engine_check(restored);
        engine_destroy(restored);
    }
    engine_destroy(script->engine);
    free(script->transcript);
    free(script->records);
    memset(script, 0, sizeof(*script));
}

/* -------------------------------------------------------------- transcript */

static void print(struct script *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void print(struct script *script, const char *format, ...)
{
    char line[512];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    ck_assert(length >= 0 && (size_t)length < sizeof(line));
    script->transcript = realloc(script->transcript,
                                 script->transcript_bytes + (size_t)length + 1);
    ck_assert_ptr_nonnull(script->transcript);
    memcpy(script->transcript + script->transcript_bytes, line,
           (size_t)length + 1);
    script->transcript_bytes += (size_t)length;
}

static int session_number(const struct script *script, uint64_t session_id)
{
    for (int i = 1; i < SCRIPT_SESSIONS_MAX; i++) {
        if (session_id != 0 && script->session_ids[i] == session_id) {
            return i;
        }
    }
    return 0;
}

static const char *status_text(enum permit_status status)
{
    switch (status) {
    case PERMIT_OK:
        return "OK";
#define X(name, value, json, text)                                             \
    case name:                                                                 \
        return &(#name)[sizeof("PERMIT_E_") - 1];
        PERMIT_ERROR_MAP(X)
#undef X
    }
    return "?";
}

static void print_answer(struct script *script,
                         const struct engine_effect *effect)
{
    static const char *const outcomes[] = {"", "CANCELLED", "GRANTED",
                                           "NOT_FOUND"};
    const struct engine_answer *answer = &effect->answer;
    bool is_granted =
        answer->to == ENGINE_ACQUIRE && answer->status == PERMIT_OK;

    ck_assert((answer->status == PERMIT_OK) == (answer->detail == NULL));
    ck_assert((answer->grant_id != 0) == is_granted);
    print(script, " r%" PRIu64 " %s", effect->request_id,
          is_granted ? "GRANTED" : status_text(answer->status));
    if (answer->waited_ms != 0) {
        print(script, " waited %" PRId64, answer->waited_ms);
    }
    if (answer->hold_ms != 0) {
        print(script, " hold %" PRId64, answer->hold_ms);
    }
    if (answer->position != 0) {
        print(script, " position %" PRIu64 " lacks %" PRIu64, answer->position,
              answer->permits_in_the_way);
    }
    if (answer->to == ENGINE_CANCEL) {
        print(script, " %s", outcomes[answer->cancelled]);
    }
    if (answer->to == ENGINE_POST && answer->status == PERMIT_OK) {
        print(script, " available %" PRIu64, answer->available);
    }
}

static void print_record(struct script *script,
                         const struct engine_record *record)
{
    static const char *const types[] = {
        "",        "DEFINED",  "DELETED", "SESSION_OPENED", "SESSION_ENDED",
        "GRANTED", "RELEASED", "REVOKED", "EXPIRED",        "POSTED"};

    print(script, " r%" PRIu64 " record %s", record->request_id,
          types[record->type]);
    if (record->semaphore[0] != '\0') {
        print(script, " %s", record->semaphore);
    }
    if (record->acquire_id != 0) {
        print(script, " of r%" PRIu64, record->acquire_id);
    }
    if (record->permits != 0) {
        print(script, " permits %" PRIu32, record->permits);
    }
    if (record->consume) {
        print(script, " consume");
    }
    if (record->loss != 0) {
        print(script, " loss %d", (int)record->loss);
    }
}

static void print_effect(struct script *script,
                         const struct engine_effect *effect)
{
    static const char *const losses[] = {"",        "hold",   "session",
                                         "revoked", "kicked", "deleted"};

    if (effect->type == ENGINE_EFFECT_RECORD && !script->shows_records) {
        return;
    }
    print(script, "[%4" PRIu64 "] s%d", script->now_ns / NS_PER_MS,
          session_number(script, effect->session_id));
    switch (effect->type) {
    case ENGINE_EFFECT_RECORD:
        print_record(script, effect->record);
        break;
    case ENGINE_EFFECT_ANSWER:
        print_answer(script, effect);
        break;
    case ENGINE_EFFECT_LOST:
        print(script, " r%" PRIu64 " LOST %s", effect->request_id,
              losses[effect->lost.reason]);
        if (effect->lost.grace_ms != 0) {
            print(script, " grace %" PRId64, effect->lost.grace_ms);
        }
        break;
    case ENGINE_EFFECT_SESSION_ENDED:
        print(script, " ENDED by %s",
              effect->ended == ENGINE_SESSION_ENDED_BY_CLIENT ? "client"
                                                              : "silence");
        break;
    }
    print(script, "\n");
}

void script_expect(struct script *script, const char *expected)
{
    ck_assert_str_eq(script->transcript, expected);
    script_forget(script);
}

void script_forget(struct script *script)
{
    script->transcript_bytes = 0;
    print(script, "%s", "");
}

/* ------------------------------------------------------------------ events */

static void take_effect(struct script *script,
                        const struct engine_effect *effect)
{
    script->effects++;
    if (script->is_quiet) {
        return;
    }
    if (effect->type == ENGINE_EFFECT_RECORD) {
        script->records =
            realloc(script->records,
                    (script->records_count + 1) * sizeof(*script->records));
        ck_assert_ptr_nonnull(script->records);
        script->records[script->records_count++] = *effect->record;
    }
    print_effect(script, effect);
}

void script_apply(struct script *script, const struct engine_event *event)
{
    struct engine_event timed = *event;
    struct engine_effect effect;

    timed.now_ns = script->now_ns;
    engine_apply(script->engine, &timed);
    for (;;) {
        script->calls++;
        while (engine_next_effect(script->engine, &effect)) {
            take_effect(script, &effect);
        }
        if (!engine_has_work(script->engine)) {
            break;
        }
        engine_continue(script->engine);
    }
    if (!script->is_quiet) {
        engine_check(script->engine);
    }
}

static struct engine_event event_of(const struct script *script,
                                    enum engine_event_type type, int session,
                                    uint64_t request_id)
{
    ck_assert(session >= 0 && session < SCRIPT_SESSIONS_MAX);
    ck_assert(session == 0 || script->session_ids[session] != 0);
    return (struct engine_event){
        .type = type,
        .session_id = script->session_ids[session],
        .request_id = request_id,
        .body_hash = request_id * 1000,
    };
}

void script_tick(struct script *script, uint64_t now_ms)
{
    script->now_ns = now_ms * NS_PER_MS;
    script_apply(script, &(struct engine_event){.type = ENGINE_TICK});
}

void script_open(struct script *script, int first, int last, int64_t timeout_ms)
{
    for (int i = first; i <= last; i++) {
        struct engine_event event = {.type = ENGINE_SESSION_OPEN,
                                     .now_ns = script->now_ns,
                                     .session_open.timeout_ms = timeout_ms};
        struct engine_effect effect;
        engine_apply(script->engine, &event);
        ck_assert(!engine_has_work(script->engine));
        while (engine_next_effect(script->engine, &effect)) {
            if (effect.type == ENGINE_EFFECT_ANSWER) {
                ck_assert_int_eq(effect.answer.status, PERMIT_OK);
                script->session_ids[i] = effect.session_id;
            } else {
                take_effect(script, &effect);
            }
        }
    }
    script_forget(script);
}

void script_disconnect(struct script *script, int session)
{
    struct engine_event event =
        event_of(script, ENGINE_SESSION_DISCONNECT, session, 0);

    script_apply(script, &event);
}

void script_end(struct script *script, int session)
{
    struct engine_event event =
        event_of(script, ENGINE_SESSION_END, session, 0);

    script_apply(script, &event);
}

void script_heard(struct script *script, int session)
{
    engine_session_heard(script->engine, script->session_ids[session],
                         script->now_ns);
}

void script_drain(struct script *script)
{
    script_apply(script, &(struct engine_event){.type = ENGINE_DRAIN});
}

static struct engine_event acquire_event(const struct script *script,
                                         int session, uint64_t request_id,
                                         int64_t wait_ms)
{
    struct engine_event event =
        event_of(script, ENGINE_ACQUIRE, session, request_id);

    event.acquire.semaphore = "jobs";
    event.acquire.permits = 1;
    event.acquire.wait_ms = wait_ms;
    return event;
}

void script_acquire(struct script *script, int session, uint64_t request_id,
                    int64_t wait_ms)
{
    script_acquire_some(script, session, request_id, wait_ms, 1);
}

void script_acquire_some(struct script *script, int session,
                         uint64_t request_id, int64_t wait_ms, uint32_t permits)
{
    struct engine_event event =
        acquire_event(script, session, request_id, wait_ms);

    event.acquire.permits = permits;
    script_apply(script, &event);
}

void script_acquire_hold(struct script *script, int session,
                         uint64_t request_id, int64_t wait_ms, int64_t hold_ms)
{
    struct engine_event event =
        acquire_event(script, session, request_id, wait_ms);

    event.acquire.hold_ms = hold_ms;
    script_apply(script, &event);
}

void script_acquire_of(struct script *script, int session, uint64_t request_id,
                       int64_t wait_ms, const char *semaphore)
{
    struct engine_event event =
        acquire_event(script, session, request_id, wait_ms);

    event.acquire.semaphore = semaphore;
    script_apply(script, &event);
}

void script_consume(struct script *script, int session, uint64_t request_id,
                    int64_t wait_ms, uint32_t permits)
{
    struct engine_event event =
        acquire_event(script, session, request_id, wait_ms);

    event.acquire.permits = permits;
    event.acquire.consume = true;
    script_apply(script, &event);
}

void script_cancel(struct script *script, int session, uint64_t request_id,
                   uint64_t acquire_id)
{
    struct engine_event event =
        event_of(script, ENGINE_CANCEL, session, request_id);

    event.cancel.acquire_id = acquire_id;
    script_apply(script, &event);
}

void script_release(struct script *script, int session, uint64_t request_id,
                    uint64_t acquire_id)
{
    script_release_some(script, session, request_id, acquire_id, NULL, 0);
}

void script_release_some(struct script *script, int session,
                         uint64_t request_id, uint64_t acquire_id,
                         const char *semaphore, uint32_t permits)
{
    struct engine_event event =
        event_of(script, ENGINE_RELEASE, session, request_id);

    event.release.acquire_id = acquire_id;
    event.release.semaphore = semaphore;
    event.release.permits = permits;
    script_apply(script, &event);
}

void script_bounded(struct script *script, const char *semaphore,
                    uint32_t permits)
{
    script_define(script, semaphore,
                  &(struct engine_definition){.fields = ENGINE_FIELD_PERMITS,
                                              .permits = permits});
}

void script_counting(struct script *script, const char *semaphore,
                     uint32_t permits)
{
    script_define(script, semaphore,
                  &(struct engine_definition){.fields = ENGINE_FIELD_KIND |
                                                        ENGINE_FIELD_PERMITS,
                                              .kind = ENGINE_COUNTING,
                                              .permits = permits});
}

void script_define(struct script *script, const char *semaphore,
                   const struct engine_definition *definition)
{
    struct engine_event event = event_of(script, ENGINE_DEFINE, 0, 1);

    event.define.semaphore = semaphore;
    event.define.definition = *definition;
    script_apply(script, &event);
}

void script_delete(struct script *script, const char *semaphore, bool force,
                   int64_t grace_ms)
{
    struct engine_event event = event_of(script, ENGINE_DELETE, 0, 2);

    event.delete.semaphore = semaphore;
    event.delete.force = force;
    event.delete.grace_ms = grace_ms;
    script_apply(script, &event);
}

void script_post(struct script *script, const char *semaphore, uint32_t permits)
{
    struct engine_event event = event_of(script, ENGINE_POST, 0, 3);

    event.post.semaphore = semaphore;
    event.post.permits = permits;
    script_apply(script, &event);
}

struct engine_semaphore_view script_view(const struct script *script,
                                         const char *semaphore)
{
    struct engine_semaphore_view view;

    ck_assert(engine_view_semaphore(script->engine, semaphore, &view));
    return view;
}
