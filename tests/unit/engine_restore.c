/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_bounded(&script, "jobs", 4);
    script_counting(&script, "pool", 5);
    script_open(&script, 1, 4, 15000);
}

static void teardown(void)
{
    script_finish(&script);
}

/* Something of everything. */
static void run_a_day(void)
{
    struct engine_event event;

    script_define_as(&script, "t/*", "permits=3 per_session=2");
    script_define_as(&script, "rate", "kind=3 rate=1 burst=9 bypass=1");
    event = script_acquire_event(&script, 4, 43, 0, "t/a 2 rate 3 pool 1!");
    event.acquire.settle = true;
    script_apply(&script, &event);
    script_acquire_of(&script, 3, 33, -1, "t/a 2 rate t/b");
    script_settle(&script, 4, 44, 43, "rate 1");
    script_acquire_hold(&script, 1, 11, 0, 100);
    script_acquire_some(&script, 2, 21, 0, 3);
    script_acquire(&script, 3, 31, -1);
    script_acquire_of(&script, 3, 32, 0, "pool");
    script_post(&script, "pool", 2);
    script_release_some(&script, 2, 22, 21, "jobs 1");
    script_define_as(&script, "jobs", "per_session=4");
    script_tick(&script, 150);
    script_slots(&script, "gone", 2, true);
    script_acquire_of(&script, 4, 41, 0, "gone");
    script_acquire_of(&script, 1, 12, 0, "gone");
    script_delete(&script, "gone", true, 50);
    script_slots(&script, "gone", 7, true);
    script_bounded(&script, "jobs", 2);
    script_release(&script, 4, 42, 41);
    script_renew(&script, 2, 23, 21, 5000);
    script_tick(&script, 250);
    script_end(&script, 3);
}

START_TEST(records_rebuild_the_state_after_each_event)
{
    struct engine *restored;

    run_a_day(); /* script_finish() compares. */
    restored = script_restore(&script);
    script_assert_same(script.engine, restored);
    engine_destroy(restored);
}
END_TEST

START_TEST(a_restored_engine_starts_its_clocks_at_the_first_event)
{
    struct engine *restored;
    struct engine_grant_view view;
    struct engine_event event = {.type = ENGINE_TICK};
    struct engine_effect effect;
    struct engine_totals totals;
    const uint64_t boot_ns = 777 * NS_PER_MS;

    script_acquire_hold(&script, 1, 11, 0, 5000);
    restored = script_restore(&script);
    ck_assert_uint_eq(engine_next_deadline(restored), 0);
    engine_get_totals(restored, &totals);
    ck_assert_uint_eq(totals.sessions_disconnected, 4);
    event.now_ns = boot_ns;
    engine_apply(restored, &event);
    ck_assert(!engine_next_effect(restored, &effect));
    ck_assert(engine_view_grant(restored, script.session_ids[1], 11, &view));
    ck_assert_uint_eq(view.granted_ns, boot_ns);
    ck_assert_uint_eq(view.expires_ns, boot_ns + 5000 * NS_PER_MS);
    event.now_ns = boot_ns + 15000 * NS_PER_MS - 1;
    engine_apply(restored, &event);
    while (engine_next_effect(restored, &effect)) {
        ck_assert_int_ne(effect.type, ENGINE_EFFECT_SESSION_ENDED);
    }
    event.now_ns++;
    engine_apply(restored, &event);
    while (engine_next_effect(restored, &effect)) {
    }
    engine_get_totals(restored, &totals);
    ck_assert_uint_eq(totals.sessions, 0);
    engine_destroy(restored);
}
END_TEST

START_TEST(a_lost_grant_is_restored_and_ends_with_its_session)
{
    struct engine *restored;

    script_acquire_hold(&script, 1, 11, 0, 100);
    script_tick(&script, 100);
    restored = script_restore(&script);
    engine_check(restored);
    engine_destroy(script.engine);
    script.engine = restored;
    script.shows_records = true;
    script_forget(&script);
    script_end(&script, 1);
    script_expect(&script, "[ 100] s1 r0 record SESSION_ENDED\n"
                           "[ 100] s1 ENDED by client\n");
}
END_TEST

START_TEST(fences_go_on_above_what_was_restored)
{
    struct engine *restored;
    struct engine_totals before;
    struct engine_totals after;
    struct engine_event event = {.type = ENGINE_SESSION_OPEN,
                                 .session_open.timeout_ms = 1};
    struct engine_effect effect;

    run_a_day();
    engine_get_totals(script.engine, &before);
    restored = script_restore(&script);
    engine_apply(restored, &event);
    while (engine_next_effect(restored, &effect)) {
    }
    engine_get_totals(restored, &after);
    ck_assert_uint_eq(after.fence, before.fence + 1);
    engine_destroy(restored);
}
END_TEST

/* Sets some bytes of a record: it is refused or it fits, but never breaks the
 * engine. */
START_TEST(a_broken_record_is_refused_or_fits_but_breaks_nothing)
{
    static const unsigned char bytes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct engine *engine = NULL;
    uint64_t refused = 0;

    run_a_day();
    for (size_t n = 0; n < script.records_count; n++) {
        for (size_t at = 0; at < sizeof(struct engine_record); at += 4) {
            struct engine_record broken = script.records[n];
            memset((unsigned char *)&broken + at,
                   bytes[(n + at / 4) % sizeof(bytes)], 4);
            /* Must be bools. */
            broken.consume = script.records[n].consume;
            broken.more = script.records[n].more;
            broken.by_template = script.records[n].by_template;
            if (broken.type == ENGINE_RECORD_DEFINED) {
                const struct engine_definition *is =
                    &script.records[n].definition;
                broken.definition.slots = is->slots;
                broken.definition.shadow = is->shadow;
                broken.definition.refuse_hopeless = is->refuse_hopeless;
            }
            engine = engine_create(&script.limits, 0, script_secret);
            ck_assert_ptr_nonnull(engine);
            for (size_t i = 0; i < n; i++) {
                (void)engine_restore(engine, &script.records[i]);
            }
            refused += engine_restore(engine, &broken) != PERMIT_OK ? 1 : 0;
            for (size_t i = n + 1; i < script.records_count; i++) {
                (void)engine_restore(engine, &script.records[i]);
            }
            engine_check(engine);
            engine_destroy(engine);
        }
    }
    ck_assert_uint_gt(refused, 50);
}
END_TEST

/* The first record of a type, with one thing wrong. */
static const struct {
    enum engine_record_type type;
    size_t offset;
    size_t bytes;
} wrong_cases[] = {
#define WRONG(type, field)                                                     \
    {                                                                          \
        type, offsetof(struct engine_record, field),                           \
            sizeof(((struct engine_record *)NULL)->field)                      \
    }
    WRONG(ENGINE_RECORD_DEFINED, definition.fields),
    WRONG(ENGINE_RECORD_DEFINED, definition.permits),
    WRONG(ENGINE_RECORD_DEFINED, definition.hold_ms),
    WRONG(ENGINE_RECORD_DEFINED, definition.rate),
    WRONG(ENGINE_RECORD_DEFINED, definition.bypass),
    WRONG(ENGINE_RECORD_DEFINED, definition.per_session),
    WRONG(ENGINE_RECORD_DELETED, semaphore),
    WRONG(ENGINE_RECORD_SESSION_OPENED, timeout_ms),
    WRONG(ENGINE_RECORD_SESSION_OPENED, linger_ms),
    WRONG(ENGINE_RECORD_SESSION_ENDED, session_id),
    WRONG(ENGINE_RECORD_GRANTED, session_id),
    WRONG(ENGINE_RECORD_GRANTED, permits),
    WRONG(ENGINE_RECORD_GRANTED, hold_ms),
    WRONG(ENGINE_RECORD_GRANTED, semaphore),
    WRONG(ENGINE_RECORD_GRANTED, slots),
    WRONG(ENGINE_RECORD_RELEASED, acquire_id),
    WRONG(ENGINE_RECORD_RELEASED, grant_id),
    WRONG(ENGINE_RECORD_RELEASED, permits),
    WRONG(ENGINE_RECORD_RELEASED, semaphore),
    WRONG(ENGINE_RECORD_REVOKED, loss),
    WRONG(ENGINE_RECORD_REVOKED, timeout_ms),
    WRONG(ENGINE_RECORD_EXPIRED, grant_id),
    WRONG(ENGINE_RECORD_EXPIRED, loss),
    WRONG(ENGINE_RECORD_EXPIRED, session_id),
    WRONG(ENGINE_RECORD_POSTED, permits),
    WRONG(ENGINE_RECORD_POSTED, semaphore),
    WRONG(ENGINE_RECORD_POSTED, type),
    WRONG(ENGINE_RECORD_POSTED, seq),
    WRONG(ENGINE_RECORD_RENEWED, grant_id),
    WRONG(ENGINE_RECORD_RENEWED, hold_ms),
    WRONG(ENGINE_RECORD_SETTLED, acquire_id),
    WRONG(ENGINE_RECORD_SETTLED, grant_id),
#undef WRONG
};

START_TEST(a_record_that_does_not_fit_changes_nothing)
{
    struct engine *engine = engine_create(&script.limits, 0, script_secret);
    struct engine *same = engine_create(&script.limits, 0, script_secret);
    struct engine_record wrong;
    size_t at = 0;

    run_a_day();
    for (; script.records[at].type != wrong_cases[_i].type; at++) {
        ck_assert_int_eq(engine_restore(engine, &script.records[at]),
                         PERMIT_OK);
        ck_assert_int_eq(engine_restore(same, &script.records[at]), PERMIT_OK);
    }
    wrong = script.records[at];
    /* -1 is too much, or negative, everywhere; but seq goes back. */
    memset((unsigned char *)&wrong + wrong_cases[_i].offset,
           wrong_cases[_i].offset == offsetof(struct engine_record, seq) ? 0
                                                                         : 0xff,
           wrong_cases[_i].bytes);
    ck_assert_int_eq(engine_restore(engine, &wrong), PERMIT_E_INVALID);
    script_assert_same(engine, same);
    for (; at < script.records_count; at++) {
        ck_assert_int_eq(engine_restore(engine, &script.records[at]),
                         PERMIT_OK);
    }
    script_assert_same(engine, script.engine);
    engine_destroy(engine);
    engine_destroy(same);
}
END_TEST

START_TEST(records_of_larger_limits_are_refused)
{
    struct engine_limits limits = script.limits;
    struct engine *engine;
    enum permit_status status = PERMIT_OK;

    limits.max_sessions = 2;
    engine = engine_create(&limits, 0, script_secret);
    for (size_t i = 0; i < script.records_count && status == PERMIT_OK; i++) {
        status = engine_restore(engine, &script.records[i]);
    }
    ck_assert_int_eq(status, PERMIT_E_INVALID);
    ck_assert_int_eq(engine_restore(engine, &script.records[0]),
                     PERMIT_E_INVALID); /* Out of order. */
    engine_destroy(engine);
}
END_TEST

/* Records by hand, on the edge of limits: what the day above has not. */
#define FIELDS_ALL (ENGINE_FIELD_REFUSE_HOPELESS * 2 - 1)
#define HELD_MAX 3
#define HELD_MAX_A_SESSION 2

static const struct engine_record edge[] = {
    {.type = ENGINE_RECORD_DEFINED,
     .definition = {.fields = FIELDS_ALL,
                    .kind = ENGINE_BOUNDED,
                    .permits = 9,
                    .max_queue = 9,
                    .max_wait_ms = -1},
     .semaphore = "jobs"},
    {.type = ENGINE_RECORD_DEFINED,
     .definition = {.fields = FIELDS_ALL,
                    .kind = ENGINE_COUNTING,
                    .permits = 5,
                    .max_queue = 9,
                    .max_wait_ms = -1},
     .semaphore = "pool"},
    {.type = ENGINE_RECORD_DEFINED,
     .definition = {.fields = FIELDS_ALL,
                    .kind = ENGINE_BOUNDED,
                    .permits = 1,
                    .max_queue = 9,
                    .max_wait_ms = -1},
     .semaphore = "team/*"},
    {.type = ENGINE_RECORD_SESSION_OPENED, .session_id = 7, .timeout_ms = 1},
    {.type = ENGINE_RECORD_SESSION_OPENED, .session_id = 8, .timeout_ms = 1},
#define GRANTED(session, request, grant, taken, name)                          \
    {                                                                          \
        .type = ENGINE_RECORD_GRANTED, .session_id = (session),                \
        .request_id = (request), .grant_id = (grant), .permits = 1,            \
        .consume = (taken), .semaphore = name                                  \
    }
#define OF_GRANT(record, session, request, grant, reason)                      \
    {                                                                          \
        .type = (record), .session_id = (session), .acquire_id = (request),    \
        .grant_id = (grant), .loss = (reason)                                  \
    }
    GRANTED(7, 1, 71, false, "jobs"),
    OF_GRANT(ENGINE_RECORD_EXPIRED, 7, 1, 71, PERMIT_LOSS_HOLD),
    GRANTED(7, 1, 72, false, "jobs"), /* The id of one that was lost. */
    GRANTED(7, 2, 73, false, "jobs"),
    OF_GRANT(ENGINE_RECORD_REVOKED, 7, 2, 73, PERMIT_LOSS_DELETED),
    GRANTED(8, 1, 81, false, "jobs"),
    GRANTED(8, 2, 82, true, "pool"),
    OF_GRANT(ENGINE_RECORD_EXPIRED, 8, 1, 81, PERMIT_LOSS_HOLD),
    GRANTED(8, 3, 83, false, "jobs"),
};

static const struct engine_record beyond_edge[] = {
    {.type = ENGINE_RECORD_SESSION_OPENED, .timeout_ms = 1}, /* Of id 0. */
    {.type = ENGINE_RECORD_SESSION_OPENED, .session_id = 7, .timeout_ms = 1},
    GRANTED(8, 3, 84, false, "jobs"),   /* A live acquire has its id. */
    GRANTED(7, 4, 84, false, "jobs"),   /* The session holds all it may. */
    GRANTED(8, 4, 84, false, "jobs"),   /* All sessions together do. */
    GRANTED(8, 4, 84, true, "jobs"),    /* Only a counting one is consumed. */
    GRANTED(8, 4, 84, false, "team/*"), /* A template holds nothing. */
    OF_GRANT(ENGINE_RECORD_EXPIRED, 8, 1, 81, PERMIT_LOSS_HOLD), /* Was lost. */
    OF_GRANT(ENGINE_RECORD_REVOKED, 7, 2, 73, PERMIT_LOSS_DELETED),
    OF_GRANT(ENGINE_RECORD_RENEWED, 7, 2, 73, 0), /* It was revoked. */
    {.type = ENGINE_RECORD_POSTED, .permits = 1, .semaphore = "jobs"},
    {.type = ENGINE_RECORD_POSTED,
     .permits = LIMIT_PERMITS_MAX, /* Fewer than were taken. */
     .semaphore = "pool"},
#undef GRANTED
#undef OF_GRANT
};

static struct engine *restore_edge(uint32_t max_grants)
{
    struct engine_limits limits = script.limits;
    struct engine *engine;

    limits.max_grants = max_grants;
    limits.max_grants_per_session = HELD_MAX_A_SESSION;
    engine = engine_create(&limits, 0, script_secret);
    for (size_t i = 0; i < sizeof(edge) / sizeof(edge[0]); i++) {
        struct engine_record record = edge[i];
        record.seq = i + 1;
        ck_assert_int_eq(engine_restore(engine, &record), PERMIT_OK);
    }
    return engine;
}

START_TEST(a_record_beyond_the_edge_is_refused_and_changes_nothing)
{
    struct engine_record record = beyond_edge[_i];
    /* Its own quota refuses session 7, not that of all. */
    uint32_t max_grants = record.session_id == 7 ? HELD_MAX + 1 : HELD_MAX;
    struct engine *engine = restore_edge(max_grants);
    struct engine *same = restore_edge(max_grants);

    record.seq = engine_seq(engine) + 1;
    ck_assert_int_eq(engine_restore(engine, &record), PERMIT_E_INVALID);
    engine_check(engine);
    script_assert_same(engine, same);
    ck_assert_uint_eq(engine_seq(engine), engine_seq(same));
    engine_destroy(engine);
    engine_destroy(same);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_restore");
    TCase *tcase = tcase_create("restore");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, records_rebuild_the_state_after_each_event);
    tcase_add_test(tcase,
                   a_restored_engine_starts_its_clocks_at_the_first_event);
    tcase_add_test(tcase, a_lost_grant_is_restored_and_ends_with_its_session);
    tcase_add_test(tcase, fences_go_on_above_what_was_restored);
    tcase_add_test(tcase,
                   a_broken_record_is_refused_or_fits_but_breaks_nothing);
    tcase_add_loop_test(tcase, a_record_that_does_not_fit_changes_nothing, 0,
                        sizeof(wrong_cases) / sizeof(wrong_cases[0]));
    tcase_add_test(tcase, records_of_larger_limits_are_refused);
    tcase_add_loop_test(tcase,
                        a_record_beyond_the_edge_is_refused_and_changes_nothing,
                        0, sizeof(beyond_edge) / sizeof(beyond_edge[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
