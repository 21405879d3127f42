/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t script_secret[ENGINE_HASH_SECRET_BYTES] = {7, 1, 4, 17};

void script_init(struct script *script)
{
    static const struct engine_limits limits = {
        .max_sessions = 64,
        .max_semaphores = 16,
        .max_semaphores_with_slots = 2,
        .max_semaphores_with_estimates = 2,
        .max_templated = 4,
        .max_templated_per_session = 3,
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

void script_expect(struct script *script, const char *expected)
{
    ck_assert_str_eq(script->transcript, expected);
    script_forget(script);
}

void script_forget(struct script *script)
{
    script->transcript_bytes = 0;
    script_print(script, "%s", "");
}

/* ------------------------------------------------------------------ events */

static void take_effect(struct script *script,
                        const struct engine_effect *effect)
{
    script->effects++;
    if (effect->type == ENGINE_EFFECT_ANSWER) {
        script->answer = effect->answer;
    }
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
    script_print_effect(script, effect);
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
    script_open_lingering(script, first, last, timeout_ms, 0);
}

void script_open_lingering(struct script *script, int first, int last,
                           int64_t timeout_ms, int64_t linger_ms)
{
    for (int i = first; i <= last; i++) {
        struct engine_event event = {.type = ENGINE_SESSION_OPEN,
                                     .now_ns = script->now_ns,
                                     .session_open.timeout_ms = timeout_ms,
                                     .session_open.linger_ms = linger_ms};
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

void script_hang_up(struct script *script, int session)
{
    struct engine_event event =
        event_of(script, ENGINE_SESSION_DISCONNECT, session, 0);

    event.session_disconnect.by_client = true;
    script_apply(script, &event);
}

void script_resume(struct script *script, int session)
{
    struct engine_event event = event_of(script, ENGINE_SESSION_OPEN, 0, 0);

    event.session_open.timeout_ms = 1;
    event.session_open.resume_id = script->session_ids[session];
    script_apply(script, &event);
}

void script_open_ending(struct script *script, int session, int ended)
{
    struct engine_event event = event_of(script, ENGINE_SESSION_OPEN, 0, 0);
    struct engine_totals totals;

    event.session_open.timeout_ms = 15000;
    event.session_open.end_id = script->session_ids[ended];
    script_apply(script, &event);
    engine_get_totals(script->engine, &totals);
    script->session_ids[session] = totals.fence; /* It is the newest. */
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

/* Names and permits of the parts: "jobs", "jobs 2", "jobs 2 api 1!", where "!"
 * takes for good; "=5" after that expects so many permits. */
static uint32_t parts_of(struct script *script, const char *text)
{
    uint32_t count = 0;
    int length;

    while (sscanf(text, " %128[^ !=]%n", script->names[count], &length) == 1) {
        struct engine_part *part = &script->parts[count];
        *part = (struct engine_part){.semaphore = script->names[count],
                                     .permits = 1};
        text += length;
        if (sscanf(text, " %" SCNu32 "%n", &part->permits, &length) == 1) {
            text += length;
        }
        part->consume = text[0] == '!';
        text += part->consume ? 1 : 0;
        if (sscanf(text, "=%" SCNu32 "%n", &part->expect_permits, &length) ==
            1) {
            text += length;
        }
        ck_assert_uint_lt(count++, LIMIT_PARTS_MAX);
    }
    return count;
}

struct engine_event script_acquire_event(struct script *script, int session,
                                         uint64_t request_id, int64_t wait_ms,
                                         const char *parts)
{
    struct engine_event event =
        event_of(script, ENGINE_ACQUIRE, session, request_id);

    event.acquire.parts_count = parts_of(script, parts);
    event.acquire.parts = script->parts;
    event.acquire.wait_ms = wait_ms;
    return event;
}

void script_acquire_of(struct script *script, int session, uint64_t request_id,
                       int64_t wait_ms, const char *parts)
{
    struct engine_event event =
        script_acquire_event(script, session, request_id, wait_ms, parts);

    script_apply(script, &event);
}

void script_acquire(struct script *script, int session, uint64_t request_id,
                    int64_t wait_ms)
{
    script_acquire_of(script, session, request_id, wait_ms, "jobs");
}

void script_acquire_some(struct script *script, int session,
                         uint64_t request_id, int64_t wait_ms, uint32_t permits)
{
    struct engine_event event =
        script_acquire_event(script, session, request_id, wait_ms, "jobs");

    script->parts[0].permits = permits;
    script_apply(script, &event);
}

void script_acquire_hold(struct script *script, int session,
                         uint64_t request_id, int64_t wait_ms, int64_t hold_ms)
{
    struct engine_event event =
        script_acquire_event(script, session, request_id, wait_ms, "jobs");

    event.acquire.hold_ms = hold_ms;
    script_apply(script, &event);
}

void script_consume(struct script *script, int session, uint64_t request_id,
                    int64_t wait_ms, uint32_t permits)
{
    struct engine_event event =
        script_acquire_event(script, session, request_id, wait_ms, "jobs 1!");

    script->parts[0].permits = permits;
    script_apply(script, &event);
}

void script_renew(struct script *script, int session, uint64_t request_id,
                  uint64_t acquire_id, int64_t hold_ms)
{
    struct engine_event event =
        event_of(script, ENGINE_RENEW, session, request_id);

    event.renew.acquire_id = acquire_id;
    event.renew.hold_ms = hold_ms;
    script_apply(script, &event);
}

void script_verify(struct script *script, int session, uint64_t request_id,
                   uint64_t grant_id, uint64_t fence)
{
    struct engine_event event =
        event_of(script, ENGINE_VERIFY, session, request_id);

    event.verify.grant_id = grant_id;
    event.verify.fence = fence;
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
    script_release_some(script, session, request_id, acquire_id, "");
}

void script_release_some(struct script *script, int session,
                         uint64_t request_id, uint64_t acquire_id,
                         const char *parts)
{
    struct engine_event event =
        event_of(script, ENGINE_RELEASE, session, request_id);

    event.release.acquire_id = acquire_id;
    event.release.parts_count = parts_of(script, parts);
    event.release.parts = script->parts;
    script_apply(script, &event);
}

void script_release_with(struct script *script, int session,
                         uint64_t request_id, uint64_t acquire_id,
                         const char *outcome)
{
    struct engine_event event =
        event_of(script, ENGINE_RELEASE, session, request_id);

    event.release.acquire_id = acquire_id;
    event.release.outcome = (const uint8_t *)outcome;
    event.release.outcome_bytes = (uint32_t)strlen(outcome);
    script_apply(script, &event);
}

void script_settle(struct script *script, int session, uint64_t request_id,
                   uint64_t acquire_id, const char *actual)
{
    struct engine_event event =
        event_of(script, ENGINE_SETTLE, session, request_id);

    event.settle.acquire_id = acquire_id;
    event.settle.actual_count = parts_of(script, actual);
    event.settle.actual = script->parts;
    script_apply(script, &event);
}

void script_why(struct script *script, int session, uint64_t request_id,
                const char *parts)
{
    struct engine_event event =
        script_acquire_event(script, session, request_id, 0, parts);

    event.type = ENGINE_WHY;
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

void script_slots(struct script *script, const char *semaphore,
                  uint32_t permits, bool slots)
{
    script_define(script, semaphore,
                  &(struct engine_definition){.fields = ENGINE_FIELD_PERMITS |
                                                        ENGINE_FIELD_SLOTS,
                                              .permits = permits,
                                              .slots = slots});
}

/* X(key, field, member) */
#define DEFINITION_KEYS(X)                                                     \
    X("kind", KIND, kind)                                                      \
    X("permits", PERMITS, permits)                                             \
    X("max_queue", MAX_QUEUE, max_queue)                                       \
    X("max_wait", MAX_WAIT, max_wait_ms)                                       \
    X("hold", HOLD, hold_ms)                                                   \
    X("slots", SLOTS, slots)                                                   \
    X("rate", RATE, rate)                                                      \
    X("per", PER_MS, per_ms)                                                   \
    X("burst", BURST, burst)                                                   \
    X("bypass", BYPASS, bypass)                                                \
    X("per_session", PER_SESSION, per_session)                                 \
    X("shadow", SHADOW, shadow)                                                \
    X("refuse_hopeless", REFUSE_HOPELESS, refuse_hopeless)

void script_define_as(struct script *script, const char *semaphore,
                      const char *text)
{
    struct engine_definition definition = {0};
    char key[32];
    long long value;
    int length;

    for (; sscanf(text, " %31[a-z_]=%lld%n", key, &value, &length) == 2;
         text += length) {
#define X(name, field, member)                                                 \
    if (strcmp(key, name) == 0) {                                              \
        definition.fields |= ENGINE_FIELD_##field;                             \
        definition.member = (__typeof__(definition.member))value;              \
        continue;                                                              \
    }
        DEFINITION_KEYS(X)
#undef X
        ck_abort_msg("no field %s", key);
    }
    ck_assert_str_eq(text, "");
    script_define(script, semaphore, &definition);
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
