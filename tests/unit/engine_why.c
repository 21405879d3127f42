/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_bounded(&script, "jobs", 2);
    script_define_as(&script, "rate", "kind=3 rate=1 burst=2");
    script_define_as(&script, "t/*", "permits=2");
    script_define_as(&script, "dark", "permits=1 shadow=1");
    script_open(&script, 1, 4, 1000000);
    script_acquire(&script, 1, 11, 0);
    script_acquire_of(&script, 1, 12, 0, "rate 2");
    script_acquire_some(&script, 2, 21, -1, 2);
    script_forget(&script);
    script.shows_records = true;
}

static void teardown(void)
{
    script_finish(&script);
}

/* What a try would be answered, but a Granted. */
static const struct {
    const char *parts;
    const char *expected;
} why_cases[] = {
    {"jobs", "[   0] s3 r31 WOULD_BLOCK position 2 lacks 2\n"},
    {"jobs 2", "[   0] s3 r31 WOULD_BLOCK position 2 lacks 3\n"},
    {"jobs 3", "[   0] s3 r31 IMPOSSIBLE\n"},
    {"jobs 1=3", "[   0] s3 r31 LIMIT_MISMATCH\n"},
    {"jobs 1!", "[   0] s3 r31 INVALID\n"},
    {"none", "[   0] s3 r31 NOT_FOUND\n"},
    {"t/*", "[   0] s3 r31 INVALID\n"},
    {"rate", "[   0] s3 r31 RATE_LIMITED at rate position 1 lacks 1 "
             "retry 1000\n"},
    {"rate 2", "[   0] s3 r31 RATE_LIMITED at rate position 1 lacks 2 "
               "retry 2000\n"},
    {"rate jobs", "[   0] s3 r31 WOULD_BLOCK at rate position 1 lacks 1\n"},
    {"t/a", "[   0] s3 r31 OK\n"},
    {"t/a 2 t/b", "[   0] s3 r31 OK\n"},
    {"t/a t/b t/c t/d", "[   0] s3 r31 TOO_MANY\n"},
    {"dark 5", "[   0] s3 r31 OK\n"},
};

START_TEST(a_question_is_answered_like_a_try_and_changes_nothing)
{
    struct engine_totals before;
    struct engine_totals after;
    uint64_t seq = engine_seq(script.engine);
    uint64_t deadline_ns = engine_next_deadline(script.engine);

    engine_get_totals(script.engine, &before);
    script_why(&script, 3, 31, why_cases[_i].parts);
    script_expect(&script, why_cases[_i].expected);
    engine_get_totals(script.engine, &after);
    ck_assert_uint_eq(after.fence, before.fence);
    ck_assert_uint_eq(after.semaphores, before.semaphores);
    ck_assert_uint_eq(after.grants, before.grants);
    ck_assert_uint_eq(after.waiters, before.waiters);
    ck_assert_uint_eq(after.grants_total, before.grants_total);
    ck_assert_uint_eq(engine_seq(script.engine), seq);
    ck_assert_uint_eq(engine_next_deadline(script.engine), deadline_ns);
    ck_assert_uint_eq(script_view(&script, "dark").would_refuse_total, 0);
    ck_assert_uint_eq(script_view(&script, "jobs").waiters, 1);
}
END_TEST

START_TEST(a_question_tells_who_holds_what_is_in_the_way)
{
    script_why(&script, 3, 31, "dark jobs");
    script_expect(&script, "[   0] s3 r31 WOULD_BLOCK position 2 lacks 2\n");
    ck_assert_uint_eq(script.answer.obstacle.oldest_session_id,
                      script.session_ids[1]);
    ck_assert_uint_eq(script.answer.obstacle.oldest_hold_ns, 0);
}
END_TEST

START_TEST(a_question_has_a_priority)
{
    struct engine_event event = script_acquire_event(&script, 3, 31, 0, "jobs");

    event.type = ENGINE_WHY;
    event.acquire.priority = 1; /* Before s2, and one is free. */
    script_apply(&script, &event);
    script_expect(&script, "[   0] s3 r31 OK\n");
}
END_TEST

START_TEST(a_question_knows_the_share_of_who_asks)
{
    script_define_as(&script, "jobs", "permits=9 per_session=2");
    script_forget(&script);
    script_why(&script, 1, 13, "jobs");
    script_why(&script, 1, 14, "jobs 2");
    script_why(&script, 3, 31, "jobs 2");
    script_expect(&script, "[   0] s1 r13 OK\n"
                           "[   0] s1 r14 WOULD_BLOCK position 1 lacks 1\n"
                           "[   0] s3 r31 OK\n");
}
END_TEST

START_TEST(a_question_knows_the_quotas_and_the_drain)
{
    const struct engine_limits limits = {.max_sessions = 4,
                                         .max_semaphores = 3,
                                         .max_waiters = 4,
                                         .max_grants = 4,
                                         .max_waiters_per_session = 2,
                                         .max_grants_per_session = 1};

    script_finish(&script);
    script_init_with(&script, &limits);
    script_open(&script, 1, 2, 1000000);
    script_bounded(&script, "jobs", 9);
    script_counting(&script, "pool", 9);
    script_acquire(&script, 1, 11, 0);
    script_forget(&script);
    script_why(&script, 1, 12, "jobs");
    script_why(&script, 1, 13, "pool!");
    script_why(&script, 2, 21, "jobs");
    script_drain(&script);
    script_why(&script, 2, 22, "none");
    script_expect(&script, "[   0] s1 r12 TOO_MANY\n"
                           "[   0] s1 r13 OK\n"
                           "[   0] s2 r21 OK\n"
                           "[   0] s2 r22 DRAINING\n");
}
END_TEST

/* What is in the way of a waiter, as of a question by its session. */
START_TEST(the_obstacle_of_a_waiter_is_the_one_now)
{
    struct engine_waiter_view waiter;
    struct engine_obstacle obstacle;

    script_acquire_of(&script, 3, 31, -1, "rate 2 jobs");
    ck_assert(engine_view_waiter(script.engine, script.session_ids[3], 31,
                                 &waiter, &obstacle));
    ck_assert_str_eq(obstacle.semaphore, "rate");
    ck_assert_uint_eq(obstacle.position, 1);
    ck_assert_uint_eq(waiter.position, 1);
    ck_assert_uint_eq(obstacle.permits_in_the_way, 2);
    ck_assert_uint_eq(obstacle.retry_after_ms, 0);
    script_tick(&script, 2000); /* Now only its turn. */
    ck_assert(engine_view_waiter(script.engine, script.session_ids[3], 31,
                                 &waiter, &obstacle));
    ck_assert_str_eq(obstacle.semaphore, "jobs");
    ck_assert_uint_eq(obstacle.position, 2);
    ck_assert_uint_eq(obstacle.permits_in_the_way, 2);
    ck_assert_uint_eq(obstacle.oldest_session_id, script.session_ids[1]);
    ck_assert_uint_eq(waiter.parts_count, 2);
    ck_assert_uint_eq(waiter.parts[0].permits, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_why");
    TCase *tcase = tcase_create("why");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase,
                        a_question_is_answered_like_a_try_and_changes_nothing,
                        0, sizeof(why_cases) / sizeof(why_cases[0]));
    tcase_add_test(tcase, a_question_tells_who_holds_what_is_in_the_way);
    tcase_add_test(tcase, a_question_has_a_priority);
    tcase_add_test(tcase, a_question_knows_the_share_of_who_asks);
    tcase_add_test(tcase, a_question_knows_the_quotas_and_the_drain);
    tcase_add_test(tcase, the_obstacle_of_a_waiter_is_the_one_now);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
