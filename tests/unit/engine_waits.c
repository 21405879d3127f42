/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_open(&script, 1, 6, 100000000);
}

static void teardown(void)
{
    script_finish(&script);
}

START_TEST(the_first_full_queue_refuses)
{
    script_define_as(&script, "a", "max_queue=1");
    script_define_as(&script, "b", "max_queue=0");
    script_bounded(&script, "c", 1);
    script_acquire_of(&script, 1, 11, 0, "a b c");
    script_forget(&script);
    script_acquire_of(&script, 2, 21, -1, "c b");
    script_acquire_of(&script, 2, 22, -1, "a");
    script_acquire_of(&script, 3, 31, -1, "c a b");
    script_acquire_of(&script, 3, 32, -1, "c");
    script_expect(&script,
                  "[   0] s2 r21 QUEUE_FULL at b position 1 lacks 1\n"
                  "[   0] s3 r31 QUEUE_FULL at a position 2 lacks 2\n");
    ck_assert_uint_eq(script_view(&script, "a").queue_full_total, 1);
    ck_assert_uint_eq(script_view(&script, "b").queue_full_total, 1);
    ck_assert_uint_eq(script_view(&script, "c").queue_full_total, 0);
}
END_TEST

START_TEST(the_least_of_all_waits_is_in_force)
{
    script_define_as(&script, "a", "max_wait=300");
    script_define_as(&script, "b", "max_wait=200");
    script_define_as(&script, "c", "max_wait=100 shadow=1");
    script_define_as(&script, "d", "max_wait=0");
    script_acquire_of(&script, 1, 11, 0, "a b");
    script_acquire_of(&script, 2, 21, -1, "a");
    script_acquire_of(&script, 3, 31, -1, "a b c");
    script_acquire_of(&script, 4, 41, 150, "b a");
    script_forget(&script);
    script_acquire_of(&script, 5, 51, -1, "a d");
    script_tick(&script, 300);
    script_expect(&script, "[   0] s5 r51 WOULD_BLOCK at a position 4 lacks 4\n"
                           "[ 300] s4 r41 TIMEOUT\n"
                           "[ 300] s3 r31 TIMEOUT\n"
                           "[ 300] s2 r21 TIMEOUT\n");
    ck_assert_uint_eq(script_view(&script, "a").timeouts_total, 3);
    ck_assert_uint_eq(script_view(&script, "b").timeouts_total, 2);
}
END_TEST

START_TEST(a_wait_that_ends_tells_what_was_in_its_way)
{
    script.shows_obstacles = true;
    script_define_as(&script, "jobs", "permits=3");
    script_bounded(&script, "tool", 1);
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire_some(&script, 2, 21, -1, 2);
    script_acquire_of(&script, 3, 31, 100, "tool jobs");
    script_forget(&script);
    script_tick(&script, 100);
    script_expect(&script, "[ 100] s3 r31 TIMEOUT position 2 lacks 2\n");
    ck_assert_uint_eq(script.answer.obstacle.oldest_session_id,
                      script.session_ids[1]);
    ck_assert_uint_eq(script.answer.obstacle.oldest_hold_ns, 0);
}
END_TEST

/* ------------------------------------------------------------ the hopeless */

/* Session 6 holds some of a semaphore for a while, several times. */
static void hold_some(const char *parts, uint64_t held_ms, int times)
{
    static uint64_t id = 1000000;

    for (int i = 0; i < times; i++, id += 2) {
        script_acquire_of(&script, 6, id, 0, parts);
        ck_assert_int_eq(script.answer.status, PERMIT_OK);
        script.now_ns += held_ms * NS_PER_MS;
        script_release(&script, 6, id + 1, id);
    }
    script_forget(&script);
}

/* Of 2 permits, after 10 holds of 100 ms, each in the way costs 50 ms. */
START_TEST(who_would_wait_longer_than_it_may_is_refused_at_once)
{
    script_define_as(&script, "jobs", "permits=2 refuse_hopeless=1");
    hold_some("jobs", 100, 10);
    script_acquire_some(&script, 1, 11, 0, 2);
    script.shows_obstacles = true;
    script_forget(&script);
    script_acquire(&script, 2, 21, 49);
    script_acquire(&script, 2, 22, 50);
    script_acquire(&script, 2, 23, 99);
    script_acquire(&script, 2, 24, -1);
    script_acquire(&script, 2, 25, 0);
    script_expect(&script,
                  "[1000] s2 r21 TIMEOUT position 1 lacks 1 retry 1\n"
                  "[1000] s2 r23 TIMEOUT position 2 lacks 2 retry 1\n"
                  "[1000] s2 r25 WOULD_BLOCK position 3 lacks 3 retry 150\n");
    ck_assert_uint_eq(script_view(&script, "jobs").hopeless_total, 2);
    ck_assert_uint_eq(script_view(&script, "jobs").timeouts_total, 0);
    ck_assert_uint_eq(script_view(&script, "jobs").waiters, 2);
}
END_TEST

/* Holds of `first`, then of `second`; what one permit in the way costs. */
static const struct {
    const char *definition;
    const char *first;
    uint64_t first_ms;
    int first_times;
    const char *second;
    uint64_t second_ms;
    int second_times;
    const char *asked;
    uint64_t retry_ms;
} estimate_cases[] = {
    {"permits=3", "jobs", 100, 9, "jobs", 0, 0, "jobs", 0}, /* Too few. */
    {"permits=3", "jobs", 100, 10, "jobs", 0, 0, "jobs", 34},
    {"permits=3", "jobs", 100, 10, "jobs", 0, 0, "jobs 3", 100},
    {"permits=3", "jobs", 100, 5, "jobs 3", 300, 5, "jobs 3", 250},
    {"permits=3", "jobs 3", 100, 5, "jobs", 300, 5, "jobs 3", 150},
    {"permits=3", "jobs 3", 0, 10, "jobs", 0, 0, "jobs 3", 0},
    {"permits=3", "jobs 3", 0, 9, "jobs", 1, 1, "jobs 3", 1},
    {"permits=3", "jobs", 500, 20, "jobs", 30, 1000, "jobs", 10},
    {"permits=3", "jobs", 500, 1, "jobs", 30, 999, "jobs 3", 31},
    {"kind=2 permits=3", "jobs", 100, 10, "jobs", 0, 0, "jobs 6", 200},
};

START_TEST(the_estimate_is_the_mean_of_the_latest_holds)
{
    const char *definition = estimate_cases[_i].definition;

    script_define_as(&script, "jobs", definition);
    script_define_as(&script, "jobs", "refuse_hopeless=1");
    script.is_quiet = estimate_cases[_i].second_times > 100;
    hold_some(estimate_cases[_i].first, estimate_cases[_i].first_ms,
              estimate_cases[_i].first_times);
    hold_some(estimate_cases[_i].second, estimate_cases[_i].second_ms,
              estimate_cases[_i].second_times);
    script_acquire_some(&script, 1, 11, 0, 3);
    script_acquire_of(&script, 2, 21, 0, estimate_cases[_i].asked);
    ck_assert_int_eq(script.answer.status, PERMIT_E_WOULD_BLOCK);
    ck_assert_uint_eq(script.answer.obstacle.retry_after_ms,
                      estimate_cases[_i].retry_ms);
}
END_TEST

START_TEST(without_the_wish_nothing_is_estimated)
{
    script_define_as(&script, "jobs", "permits=1 refuse_hopeless=1");
    hold_some("jobs", 100, 10);
    script_define_as(&script, "jobs", "refuse_hopeless=0");
    script_acquire(&script, 1, 11, 0);
    script_forget(&script);
    script_acquire(&script, 2, 21, 0);
    script_acquire(&script, 2, 22, 1);
    script_define_as(&script, "jobs", "refuse_hopeless=1"); /* All forgotten. */
    script_acquire(&script, 2, 23, 1);
    script_expect(&script, "[1000] s2 r21 WOULD_BLOCK position 1 lacks 1\n"
                           "[1000] s0 r1 OK\n");
    ck_assert_uint_eq(script_view(&script, "jobs").waiters, 2);
}
END_TEST

START_TEST(parts_given_back_and_grants_lost_are_holds_too)
{
    script_define_as(&script, "jobs", "permits=10 refuse_hopeless=1");
    script_acquire_some(&script, 1, 11, 0, 10);
    for (uint64_t i = 1; i <= 8; i++) { /* 8 holds, of 10 to 80 ms. */
        script.now_ns += 10 * NS_PER_MS;
        script_release_some(&script, 1, 20 + i, 11, "jobs 1");
    }
    script_acquire_hold(&script, 2, 21, 0, 100);
    script_tick(&script, 90);
    script_release_some(&script, 1, 29, 11, "jobs 1");
    script_acquire_some(&script, 3, 31, 0, 7);
    script_forget(&script);
    script_acquire(&script, 4, 41, 0);
    script_expect(&script, "[  90] s4 r41 GRANTED\n");
    script_acquire(&script, 4, 42, 0); /* 9 are no data. */
    script_expect(&script, "[  90] s4 r42 WOULD_BLOCK position 1 lacks 1\n");
    script_tick(&script, 180); /* s2 lost it: 550 in 10. */
    script_acquire_some(&script, 4, 43, 0, 9);
    script_expect(&script,
                  "[ 180] s2 r21 LOST hold\n"
                  "[ 180] s4 r43 WOULD_BLOCK position 1 lacks 8 retry 44\n");
}
END_TEST

START_TEST(a_rate_knows_who_is_hopeless)
{
    script.shows_obstacles = true;
    script_define_as(&script, "jobs",
                     "kind=3 rate=1 burst=5 refuse_hopeless=1");
    script_acquire_some(&script, 1, 11, 0, 5);
    script_forget(&script);
    script_acquire_some(&script, 2, 21, 1999, 2);
    script_acquire_some(&script, 2, 22, 2000, 2);
    script_acquire(&script, 3, 31, 100);
    script_tick(&script, 2000);
    script_expect(&script,
                  "[   0] s2 r21 TIMEOUT position 1 lacks 2 retry 1\n"
                  "[   0] s3 r31 TIMEOUT position 2 lacks 3 retry 2900\n"
                  "[2000] s2 r22 GRANTED waited 2000\n");
    ck_assert_uint_eq(script_view(&script, "jobs").hopeless_total, 2);
}
END_TEST

/* The first of its parts that is. */
START_TEST(one_hopeless_part_suffices)
{
    script.shows_obstacles = true;
    script_define_as(&script, "a", "permits=1");
    script_define_as(&script, "b", "permits=1 refuse_hopeless=1");
    script_define_as(&script, "c", "kind=3 rate=1 burst=1 refuse_hopeless=1");
    hold_some("b", 100, 10);
    script_acquire_of(&script, 1, 11, 0, "a b c");
    script_forget(&script);
    script_acquire_of(&script, 2, 21, 100, "a c b");
    script_acquire_of(&script, 2, 22, 0, "c b");
    script_acquire_of(&script, 2, 23, 0, "c b a");
    script_acquire_of(&script, 2, 24, 1000, "a b c");
    script_expect(
        &script,
        "[1000] s2 r21 TIMEOUT at c position 1 lacks 1 retry 900\n"
        "[1000] s2 r22 WOULD_BLOCK at c position 1 lacks 1 retry 1000\n"
        "[1000] s2 r23 WOULD_BLOCK at c position 1 lacks 1\n");
    ck_assert_uint_eq(script_view(&script, "c").hopeless_total, 1);
    ck_assert_uint_eq(script_view(&script, "b").hopeless_total, 0);
    ck_assert_uint_eq(script_view(&script, "a").waiters, 1);
}
END_TEST

/* What its own session will do is not known from others' holds. */
START_TEST(who_is_over_its_share_is_not_hopeless)
{
    script_define_as(&script, "jobs",
                     "permits=2 per_session=1 refuse_hopeless=1");
    hold_some("jobs", 1000, 10);
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 2, 21, 0);
    script_forget(&script);
    script_acquire(&script, 1, 12, 1);
    script_acquire(&script, 1, 13, 0);
    script_acquire(&script, 3, 31, 1);
    script_expect(&script, "[10000] s1 r13 WOULD_BLOCK position 2 lacks 1\n"
                           "[10000] s3 r31 TIMEOUT\n");
    script_define_as(&script, "tool", "permits=2 per_session=1");
    script_acquire_of(&script, 1, 14, 0, "tool");
    script_define_as(&script, "jobs", "per_session=0");
    script_acquire_of(&script, 1, 15, 1, "jobs tool");
    ck_assert_uint_eq(script_view(&script, "jobs").waiters, 2);
}
END_TEST

START_TEST(a_restart_forgets_the_holds)
{
    struct engine *restored;

    script_define_as(&script, "jobs", "permits=1 refuse_hopeless=1");
    hold_some("jobs", 100, 10);
    restored = script_restore(&script);
    engine_destroy(script.engine);
    script.engine = restored;
    script_open(&script, 1, 2, 100000);
    script_acquire(&script, 1, 11, 0);
    script_forget(&script);
    script_acquire(&script, 2, 21, 0);
    script_expect(&script, "[1000] s2 r21 WOULD_BLOCK position 1 lacks 1\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_waits");
    TCase *tcase = tcase_create("waits");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_first_full_queue_refuses);
    tcase_add_test(tcase, the_least_of_all_waits_is_in_force);
    tcase_add_test(tcase, a_wait_that_ends_tells_what_was_in_its_way);
    tcase_add_test(tcase, who_would_wait_longer_than_it_may_is_refused_at_once);
    tcase_add_loop_test(tcase, the_estimate_is_the_mean_of_the_latest_holds, 0,
                        sizeof(estimate_cases) / sizeof(estimate_cases[0]));
    tcase_add_test(tcase, without_the_wish_nothing_is_estimated);
    tcase_add_test(tcase, parts_given_back_and_grants_lost_are_holds_too);
    tcase_add_test(tcase, a_rate_knows_who_is_hopeless);
    tcase_add_test(tcase, one_hopeless_part_suffices);
    tcase_add_test(tcase, who_is_over_its_share_is_not_hopeless);
    tcase_add_test(tcase, a_restart_forgets_the_holds);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
