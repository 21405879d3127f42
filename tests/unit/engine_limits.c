/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "script.h"
#include "table.h"

static struct script script;

/* The linker sends the engine's calls of calloc() here (--wrap). */
static uint64_t allocations;
static uint64_t allocation_to_fail = UINT64_MAX;
static bool fails_always;
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    bool fails = fails_always || allocations == allocation_to_fail;

    allocations++;
    return fails ? NULL : __real_calloc(count, bytes);
}

static const struct engine_limits small = {
    .max_sessions = 8,
    .max_semaphores = 2,
    .max_waiters = 3,
    .max_grants = 4,
    .max_lost = 1,
    .max_waiters_per_session = 2,
    .max_grants_per_session = 3,
};

START_TEST(creation_survives_each_failing_allocation)
{
    static const uint8_t secret[ENGINE_HASH_SECRET_BYTES] = {1};
    struct engine *engine = engine_create(&small, 0, secret);
    uint64_t count = allocations;

    ck_assert_ptr_nonnull(engine);
    ck_assert_uint_gt(count, 8);
    engine_destroy(engine);
    for (uint64_t n = 0; n < count; n++) {
        allocations = 0;
        allocation_to_fail = n;
        ck_assert_ptr_null(engine_create(&small, 0, secret));
    }
    engine_destroy(NULL);
}
END_TEST

START_TEST(nothing_is_allocated_after_creation)
{
    script_init_with(&script, &small);
    allocations = 0;
    script_open(&script, 1, 2, 1000);
    script_bounded(&script, "jobs", 1);
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 2, 21, -1);
    script_end(&script, 1);
    script_delete(&script, "jobs", true, 100);
    script_tick(&script, 2000);
    ck_assert_uint_eq(allocations, 0);
    script_finish(&script);
}
END_TEST

/* Of 32 bits: waiters, grants, what was lost, sessions and one more. */
START_TEST(limits_that_cannot_be_counted_are_refused)
{
    static const uint8_t secret[ENGINE_HASH_SECRET_BYTES] = {1};
    struct engine_limits limits[4] = {small, small, small, small};

    limits[0].max_waiters = UINT32_MAX - 3;
    limits[1].max_lost = UINT32_MAX - 6;
    limits[2].max_sessions = UINT32_MAX - 7;
    limits[3].max_sessions = UINT32_MAX - 8;
    allocations = 0;
    ck_assert_ptr_null(engine_create(&limits[_i], 0, secret));
    ck_assert_uint_eq(allocations, 1); /* The engine itself. */
}
END_TEST

START_TEST(a_table_has_a_bucket_for_each_one_or_two_entries)
{
    static const struct {
        uint32_t entries;
        uint32_t buckets;
    } cases[] = {{0, 1},
                 {1, 1},
                 {2, 2},
                 {3, 2},
                 {4, 4},
                 {1023, 512},
                 {UINT32_MAX / 2, 1U << 30},
                 {1U << 31, 1U << 31},
                 {UINT32_MAX, 1U << 31}};
    struct table table;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fails_always = true; /* No machine needs to have so much. */
        ck_assert(!table_init(&table, UINT32_MAX, cases[i].entries));
        fails_always = false;
        ck_assert_uint_eq(table.mask, cases[i].buckets - 1);
        table_deinit(&table);
    }
}
END_TEST

START_TEST(an_engine_that_may_remember_no_loss_forgets_it)
{
    struct engine_limits limits = small;

    limits.max_lost = 0;
    script_init_with(&script, &limits);
    script_open(&script, 1, 1, 100000);
    script_bounded(&script, "jobs", 1);
    script_acquire_hold(&script, 1, 11, 0, 100);
    script_tick(&script, 100);
    script_forget(&script);
    script_release(&script, 1, 12, 11);
    script_expect(&script, "[ 100] s1 r12 NOT_HELD\n");
    script_finish(&script);
}
END_TEST

START_TEST(quotas_of_waiters_and_grants_refuse_the_one_too_many)
{
    script_init_with(&script, &small);
    script_open(&script, 1, 3, 1000);
    script_bounded(&script, "jobs", 4);
    script_bounded(&script, "more", 1);
    script_forget(&script);
    for (uint64_t i = 11; i <= 14; i++) {
        script_acquire(&script, 1, i, 0); /* 3 grants a session. */
    }
    script_acquire(&script, 2, 21, 0);
    script_acquire_of(&script, 2, 22, 0, "more"); /* 4 in all. */
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s1 r12 GRANTED\n"
                           "[   0] s1 r13 GRANTED\n"
                           "[   0] s1 r14 TOO_MANY\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s2 r22 TOO_MANY\n");
    script_acquire(&script, 1, 31, -1);
    script_acquire(&script, 1, 32, -1);
    script_acquire(&script, 1, 33, -1); /* 2 waiters a session. */
    script_acquire(&script, 2, 34, -1);
    script_acquire(&script, 3, 35, -1);  /* 3 in all. */
    script_release(&script, 2, 36, 21);  /* s1 holds 3: it must not get it. */
    script_bounded(&script, "third", 1); /* 2 semaphores. */
    script_expect(&script, "[   0] s1 r33 TOO_MANY\n"
                           "[   0] s3 r35 TOO_MANY\n"
                           "[   0] s2 r36 OK\n"
                           "[   0] s1 r31 TOO_MANY\n"
                           "[   0] s1 r32 TOO_MANY\n"
                           "[   0] s2 r34 GRANTED\n"
                           "[   0] s0 r1 TOO_MANY\n");
    script_finish(&script);
}
END_TEST

START_TEST(limits_that_cannot_be_counted_make_no_engine)
{
    static const uint8_t secret[ENGINE_HASH_SECRET_BYTES] = {1};
    struct engine_limits limits = small;

    limits.max_semaphores = UINT32_MAX;
    ck_assert_ptr_null(engine_create(&limits, 0, secret));
}
END_TEST

static const struct engine_limits roomy = {
    .max_sessions = 3,
    .max_semaphores = 8,
    .max_waiters = 1000,
    .max_grants = 1000,
    .max_waiters_per_session = 1000,
    .max_grants_per_session = 1000,
};

/* 40 grants of eight parts have more records than one call may make. */
START_TEST(many_parts_are_granted_in_slices)
{
    struct engine_event event = {.type = ENGINE_RELEASE, .request_id = 2};
    struct engine_effect effect;

    script_init_with(&script, &roomy);
    script.is_quiet = true;
    for (char name[] = "a"; name[0] <= 'h'; name[0]++) {
        script_bounded(&script, name, 40);
    }
    script_open(&script, 1, 2, 1000000);
    script_acquire_of(&script, 1, 1, 0, "a 40");
    for (uint64_t id = 1; id <= 40; id++) {
        script_acquire_of(&script, 2, id, -1, "h b c d e f g a");
    }
    event.session_id = script.session_ids[1];
    event.now_ns = script.now_ns;
    event.release.acquire_id = 1;
    engine_apply(script.engine, &event);
    ck_assert(engine_has_work(script.engine));
    do {
        int effects = 0;
        while (engine_next_effect(script.engine, &effect)) {
            effects++;
        }
        ck_assert_int_le(effects, 3 * LIMIT_STEPS_MAX);
        if (!engine_has_work(script.engine)) {
            break;
        }
        engine_continue(script.engine);
    } while (true);
    for (char name[] = "a"; name[0] <= 'h'; name[0]++) {
        ck_assert_uint_eq(script_view(&script, name).held, 40);
    }
    engine_destroy(script.engine);
}
END_TEST

/* Of a long queue it does not look at all to find who waits for tokens. */
START_TEST(behind_many_who_wait_for_another_tokens_are_found_in_time)
{
    script_init_with(&script, &roomy);
    script.is_quiet = true;
    script_define_as(&script, "jobs", "kind=3 rate=1 burst=10 bypass=1000");
    script_bounded(&script, "tool", 1);
    script_open(&script, 1, 3, 1000000);
    script_acquire_of(&script, 3, 1, 0, "jobs 10");
    script_acquire_of(&script, 3, 2, 0, "tool");
    for (uint64_t id = 1; id <= 300; id++) {
        script_acquire_of(&script, 1, id, -1, "jobs tool");
    }
    script_acquire_of(&script, 2, 1, -1, "jobs 5");
    script_tick(&script, 1000);
    ck_assert_uint_eq(engine_next_deadline(script.engine), 2000 * NS_PER_MS);
    script_tick(&script, 4999);
    ck_assert_uint_eq(script_view(&script, "jobs").waiters, 301);
    script_tick(&script, 5000);
    ck_assert_uint_eq(script_view(&script, "jobs").waiters, 300);
    script_finish(&script);
}
END_TEST

#define MANY 100000

static void init_many(void)
{
    const struct engine_limits limits = {
        .max_sessions = 3,
        .max_semaphores = 3,
        .max_waiters = MANY,
        .max_grants = MANY,
        .max_lost = MANY,
        .max_waiters_per_session = MANY,
        .max_grants_per_session = MANY,
    };

    script_init_with(&script, &limits);
    script.is_quiet = true;
    script_bounded(&script, "jobs", MANY);
    script_define(&script, "jobs",
                  &(struct engine_definition){.fields = ENGINE_FIELD_MAX_QUEUE,
                                              .max_queue = MANY});
    script_open(&script, 1, 2, 1000000);
}

START_TEST(a_session_of_many_grants_ends_in_slices)
{
    struct engine_event event = {.type = ENGINE_SESSION_END};
    struct engine_effect effect;
    uint64_t calls = 1;
    uint64_t granted = 0;

    init_many();
    for (uint64_t i = 1; i <= MANY; i++) {
        script_acquire(&script, 1, i, 0);
    }
    for (uint64_t i = 1; i <= MANY; i++) {
        script_acquire(&script, 2, i, -1);
    }
    event.session_id = script.session_ids[1];
    engine_apply(script.engine, &event);
    while (engine_has_work(script.engine)) {
        uint64_t effects = 0;
        while (engine_next_effect(script.engine, &effect)) {
            effects++;
            granted += effect.type == ENGINE_EFFECT_ANSWER ? 1 : 0;
        }
        ck_assert_uint_le(effects, 2 * LIMIT_STEPS_MAX);
        engine_session_heard(script.engine, script.session_ids[2], calls);
        engine_continue(script.engine);
        calls++;
    }
    while (engine_next_effect(script.engine, &effect)) {
        granted += effect.type == ENGINE_EFFECT_ANSWER ? 1 : 0;
    }
    ck_assert_uint_eq(granted, MANY);
    ck_assert_uint_ge(calls, 2 * MANY / LIMIT_STEPS_MAX);
    ck_assert_uint_le(calls, 4 * MANY / LIMIT_STEPS_MAX + 2);
    ck_assert_uint_eq(script_view(&script, "jobs").held, MANY);
    script_finish(&script);
}
END_TEST

START_TEST(no_event_is_applied_while_work_is_left)
{
    struct engine_event event = {.type = ENGINE_TICK,
                                 .now_ns = 1000 * NS_PER_MS};

    init_many();
    for (uint64_t i = 1; i <= MANY / 10; i++) {
        script_acquire_hold(&script, 1, i, 0, 1000);
    }
    engine_apply(script.engine, &event);
    ck_assert(engine_has_work(script.engine));
    engine_apply(script.engine, &event); /* Aborts. */
}
END_TEST

/* What another name would not be answered. */
static char kept_name[] = "jobs";
static char kept_rate[] = "rate";
static const struct engine_part kept_parts[] = {
    {.semaphore = kept_name, .permits = MANY - 1},
    {.semaphore = kept_name, .permits = 1},
    {.semaphore = kept_rate, .permits = 1},
};
static const struct {
    struct engine_event event;
    enum permit_status status;
} kept_cases[] = {
    {{.type = ENGINE_ACQUIRE, /* Not before all holds are over. */
      .acquire = {.parts = &kept_parts[0], .parts_count = 1}},
     PERMIT_OK},
    {{.type = ENGINE_RELEASE,
      .release = {.acquire_id = 1, .parts = &kept_parts[1], .parts_count = 1}},
     PERMIT_OK},
    {{.type = ENGINE_SETTLE,
      .settle = {.acquire_id = 2, .actual = &kept_parts[2], .actual_count = 1}},
     PERMIT_OK},
    {{.type = ENGINE_WHY,
      .acquire = {.parts = &kept_parts[0], .parts_count = 1}},
     PERMIT_OK},
    {{.type = ENGINE_POST, .post = {.semaphore = kept_name, .permits = 1}},
     PERMIT_E_INVALID},
    {{.type = ENGINE_DEFINE,
      .define = {kept_name, {ENGINE_FIELD_KIND, .kind = ENGINE_COUNTING}}},
     PERMIT_E_INVALID},
    {{.type = ENGINE_DELETE, .delete = {.semaphore = kept_name, .force = true}},
     PERMIT_OK},
};

START_TEST(the_name_of_an_event_is_kept_while_it_waits)
{
    struct engine_event event = kept_cases[_i].event;
    struct engine_event settled;
    struct engine_effect effect;
    enum permit_status status = PERMIT_E_PROTOCOL;

    init_many();
    script_acquire(&script, 2, 1, 0);
    script_define_as(&script, "rate", "kind=3 rate=1");
    settled = script_acquire_event(&script, 2, 2, 0, "rate");
    settled.acquire.settle = true;
    script_apply(&script, &settled);
    for (uint64_t i = 1; i < 1000; i++) {
        script_acquire_hold(&script, 1, i, 0, 1000);
    }
    event.now_ns = 1000 * NS_PER_MS;
    event.session_id = script.session_ids[2];
    event.request_id = MANY;
    engine_apply(script.engine, &event);
    kept_name[0] = 'x';
    kept_rate[0] = 'x';
    while (engine_next_effect(script.engine, &effect)) {
    }
    while (engine_has_work(script.engine)) {
        engine_continue(script.engine);
        while (engine_next_effect(script.engine, &effect)) {
            if (effect.type == ENGINE_EFFECT_ANSWER) {
                status = effect.answer.status;
            }
        }
    }
    ck_assert_int_eq(status, kept_cases[_i].status);
    script_finish(&script);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_limits");
    TCase *tcase = tcase_create("limits");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, limits_that_cannot_be_counted_make_no_engine);
    tcase_add_test(tcase, many_parts_are_granted_in_slices);
    tcase_add_test(tcase,
                   behind_many_who_wait_for_another_tokens_are_found_in_time);
    tcase_add_test(tcase, creation_survives_each_failing_allocation);
    tcase_add_test(tcase, nothing_is_allocated_after_creation);
    tcase_add_loop_test(tcase, limits_that_cannot_be_counted_are_refused, 0, 4);
    tcase_add_test(tcase, a_table_has_a_bucket_for_each_one_or_two_entries);
    tcase_add_test(tcase, an_engine_that_may_remember_no_loss_forgets_it);
    tcase_add_test(tcase, quotas_of_waiters_and_grants_refuse_the_one_too_many);
    tcase_add_test(tcase, a_session_of_many_grants_ends_in_slices);
    tcase_add_test_raise_signal(tcase, no_event_is_applied_while_work_is_left,
                                SIGABRT);
    tcase_add_loop_test(tcase, the_name_of_an_event_is_kept_while_it_waits, 0,
                        sizeof(kept_cases) / sizeof(kept_cases[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
