/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_bounded(&script, "jobs", 1);
    script_open(&script, 1, 6, 1000000);
}

static void teardown(void)
{
    script_finish(&script);
}

START_TEST(e7_a_late_timer_never_turns_a_timeout_into_a_grant)
{
    script_acquire(&script, 1, 11, /* wait_ms= */ 0);
    script_acquire(&script, 2, 21, /* wait_ms= */ 500);
    script.now_ns = 501 * NS_PER_MS; /* No timer ran at 500. */
    script_release(&script, 1, 12, /* grant of= */ 11);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[ 501] s2 r21 TIMEOUT\n"
                           "[ 501] s1 r12 OK\n");
}
END_TEST

START_TEST(waiters_are_served_in_the_order_of_their_arrival)
{
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 3, 31, -1);
    script_acquire(&script, 2, 21, -1);
    script.now_ns = 7 * NS_PER_MS;
    script_release(&script, 1, 12, 11);
    script_release(&script, 3, 32, 31);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   7] s1 r12 OK\n"
                           "[   7] s3 r31 GRANTED waited 7\n"
                           "[   7] s3 r32 OK\n"
                           "[   7] s2 r21 GRANTED waited 7\n");
}
END_TEST

START_TEST(each_change_is_recorded_before_it_is_told)
{
    script.shows_records = true;
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 2, 21, -1);
    script_release(&script, 1, 12, 11);
    script_expect(&script,
                  "[   0] s1 r11 record GRANTED jobs permits 1\n"
                  "[   0] s1 r11 GRANTED\n"
                  "[   0] s1 r12 record RELEASED jobs of r11 permits 1\n"
                  "[   0] s1 r12 OK\n"
                  "[   0] s2 r21 record GRANTED jobs permits 1\n"
                  "[   0] s2 r21 GRANTED\n");
}
END_TEST

START_TEST(a_try_is_told_its_place_and_what_is_in_the_way)
{
    script_bounded(&script, "jobs", 4);
    script_acquire_some(&script, 1, 11, 0, 3);
    script_acquire_some(&script, 2, 21, -1, 2);
    script_forget(&script);
    script_acquire(&script, 3, 31, 0);         /* 1 is free, s2 goes first. */
    script_acquire_some(&script, 3, 32, 0, 4); /* 2 + 4 - 1 */
    script_expect(&script, "[   0] s3 r31 WOULD_BLOCK position 2 lacks 2\n"
                           "[   0] s3 r32 WOULD_BLOCK position 2 lacks 5\n");
}
END_TEST

START_TEST(a_wide_waiter_is_not_starved_by_narrow_ones)
{
    script_bounded(&script, "jobs", 2);
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 2, 21, 0);
    script_acquire_some(&script, 3, 31, -1, 2);
    script_acquire(&script, 4, 41, -1);
    script_forget(&script);
    script_release(&script, 1, 12, 11); /* Would do for s4. */
    script_release(&script, 2, 22, 21);
    script_release(&script, 3, 32, 31);
    script_expect(&script, "[   0] s1 r12 OK\n"
                           "[   0] s2 r22 OK\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s3 r32 OK\n"
                           "[   0] s4 r41 GRANTED\n");
}
END_TEST

START_TEST(one_release_serves_all_whom_it_suffices)
{
    script_bounded(&script, "jobs", 3);
    script_acquire_some(&script, 1, 11, 0, 3);
    script_acquire(&script, 2, 21, -1);
    script_acquire(&script, 3, 31, -1);
    script_acquire(&script, 4, 41, -1);
    script_acquire(&script, 5, 51, -1);
    script_forget(&script);
    script_release(&script, 1, 12, 11);
    script_expect(&script, "[   0] s1 r12 OK\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s4 r41 GRANTED\n");
}
END_TEST

START_TEST(a_waiter_times_out_at_its_deadline_and_unblocks_those_behind)
{
    script_bounded(&script, "jobs", 2);
    script_acquire(&script, 1, 11, 0);
    script_acquire_some(&script, 2, 21, 100, 2);
    script_acquire(&script, 3, 31, -1);
    script_forget(&script);
    ck_assert_uint_eq(engine_next_deadline(script.engine), 100 * NS_PER_MS);
    script.now_ns = 100 * NS_PER_MS - 1;
    script_apply(&script, &(struct engine_event){.type = ENGINE_TICK});
    script_expect(&script, "");
    script_tick(&script, 100);
    script_expect(&script, "[ 100] s2 r21 TIMEOUT\n"
                           "[ 100] s3 r31 GRANTED waited 100\n");
    ck_assert_uint_eq(script_view(&script, "jobs").timeouts_total, 1);
}
END_TEST

START_TEST(e7_what_gives_back_goes_before_what_ends_a_wait)
{
    script_acquire_hold(&script, 1, 11, 0, 100);
    script_acquire(&script, 2, 21, 200); /* Set before the hold of s1 r12. */
    script_forget(&script);
    script_tick(&script, 100);
    script_expect(&script, "[ 100] s1 r11 LOST hold\n"
                           "[ 100] s2 r21 GRANTED waited 100\n");
    script_release(&script, 2, 22, 21);
    script_acquire(&script, 2, 23, 0);
    script_acquire(&script, 3, 31, 300);
    script_release(&script, 2, 24, 23);
    script_release(&script, 3, 32, 31);
    script_acquire_hold(&script, 4, 41, 0, 200);
    script_acquire(&script, 5, 51, 200);
    script_forget(&script);
    script_tick(&script, 350); /* Late: both fell due at 300. */
    script_expect(&script, "[ 350] s4 r41 LOST hold\n"
                           "[ 350] s5 r51 GRANTED waited 200\n");
}
END_TEST

START_TEST(e7_a_hold_that_ends_a_nanosecond_late_leaves_a_timeout)
{
    script_bounded(&script, "jobs", 2);
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire_hold(&script, 2, 21, -1, 200);
    script_acquire_some(&script, 3, 31, 200, 2); /* Until 200. */
    script.now_ns = 1;
    script_release(&script, 1, 12, 11); /* s2 holds until 200 and 1 ns. */
    script_forget(&script);
    script_tick(&script, 300);
    script_expect(&script, "[ 300] s3 r31 TIMEOUT\n"
                           "[ 300] s2 r21 LOST hold\n");
}
END_TEST

START_TEST(what_is_granted_late_counts_from_its_due_time)
{
    struct engine_grant_view view;

    script_acquire_hold(&script, 1, 11, 0, 100);
    script_acquire_hold(&script, 2, 21, -1, 100);
    script_acquire_hold(&script, 3, 31, -1, 1000);
    script_forget(&script);
    script_tick(&script, 250);
    script_expect(&script, "[ 250] s1 r11 LOST hold\n"
                           "[ 250] s2 r21 GRANTED waited 100 hold 100\n"
                           "[ 250] s2 r21 LOST hold\n"
                           "[ 250] s3 r31 GRANTED waited 200 hold 1000\n");
    ck_assert(
        engine_view_grant(script.engine, script.session_ids[3], 31, &view));
    ck_assert_uint_eq(view.granted_ns, 200 * NS_PER_MS);
    ck_assert_uint_eq(view.expires_ns, 1200 * NS_PER_MS);
}
END_TEST

START_TEST(a_cancelled_waiter_is_answered_before_its_cancel)
{
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 2, 21, -1);
    script_acquire(&script, 3, 31, -1);
    script_forget(&script);
    script_cancel(&script, 2, 22, 21);
    script_cancel(&script, 2, 23, 21);
    script_cancel(&script, 1, 12, 11); /* It never releases. */
    script_cancel(&script, 3, 32, 11); /* Another session's. */
    script_expect(&script, "[   0] s2 r21 CANCELLED\n"
                           "[   0] s2 r22 OK CANCELLED\n"
                           "[   0] s2 r23 OK NOT_FOUND\n"
                           "[   0] s1 r12 OK GRANTED\n"
                           "[   0] s3 r32 OK NOT_FOUND\n");
    script_release(&script, 1, 13, 11);
    script_expect(&script, "[   0] s1 r13 OK\n"
                           "[   0] s3 r31 GRANTED\n");
}
END_TEST

START_TEST(a_cancel_lets_those_behind_pass)
{
    script_bounded(&script, "jobs", 2);
    script_acquire(&script, 1, 11, 0);
    script_acquire_some(&script, 2, 21, -1, 2);
    script_acquire(&script, 3, 31, -1);
    script_forget(&script);
    script_cancel(&script, 2, 22, 21);
    script_expect(&script, "[   0] s2 r21 CANCELLED\n"
                           "[   0] s2 r22 OK CANCELLED\n"
                           "[   0] s3 r31 GRANTED\n");
}
END_TEST

START_TEST(a_semaphore_caps_waits_and_holds)
{
    script_define(&script, "jobs",
                  &(struct engine_definition){.fields = ENGINE_FIELD_MAX_WAIT |
                                                        ENGINE_FIELD_HOLD,
                                              .max_wait_ms = 50,
                                              .hold_ms = 80});
    script_acquire_hold(&script, 1, 11, 0, 0);
    script_acquire(&script, 2, 21, -1);
    script_acquire(&script, 3, 31, 40);
    script_forget(&script);
    script_tick(&script, 80);
    script_acquire_hold(&script, 4, 41, 0, 79);
    script_expect(&script, "[  80] s3 r31 TIMEOUT\n"
                           "[  80] s2 r21 TIMEOUT\n"
                           "[  80] s1 r11 LOST hold\n"
                           "[  80] s4 r41 GRANTED hold 79\n");
    script_define(&script, "jobs",
                  &(struct engine_definition){.fields = ENGINE_FIELD_MAX_WAIT,
                                              .max_wait_ms = 0});
    script_forget(&script);
    script_acquire(&script, 2, 22, -1); /* Everything is a try now. */
    script_expect(&script, "[  80] s2 r22 WOULD_BLOCK position 1 lacks 1\n");
}
END_TEST

START_TEST(a_full_queue_refuses_only_who_would_wait)
{
    script_define(&script, "jobs",
                  &(struct engine_definition){.fields = ENGINE_FIELD_MAX_QUEUE,
                                              .max_queue = 1});
    script_forget(&script);
    script_acquire(&script, 1, 11, -1);
    script_acquire(&script, 2, 21, -1);
    script_acquire(&script, 3, 31, -1);
    script_acquire(&script, 3, 32, 0);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s3 r31 QUEUE_FULL position 2 lacks 2\n"
                           "[   0] s3 r32 WOULD_BLOCK position 2 lacks 2\n");
    ck_assert_uint_eq(script_view(&script, "jobs").queue_full_total, 1);
}
END_TEST

/* The first check that fails answers. */
static const struct {
    const char *semaphore;
    uint32_t permits;
    bool consume;
    uint32_t expect_permits;
    bool drain;
    const char *expected;
} refusal_cases[] = {
    {"none", 1, false, 0, false, "[   0] s1 r11 NOT_FOUND\n"},
    {"none", 1, true, 5, true, "[   0] s1 r11 DRAINING\n"},
    {"jobs", 1, true, 5, false, "[   0] s1 r11 INVALID\n"},
    {"jobs", 2, false, 5, false, "[   0] s1 r11 LIMIT_MISMATCH\n"},
    {"jobs", 2, false, 1, false, "[   0] s1 r11 IMPOSSIBLE\n"},
    {"jobs", LIMIT_PERMITS_MAX, false, 0, false, "[   0] s1 r11 IMPOSSIBLE\n"},
    {"jobs", 1, false, 1, false, "[   0] s1 r11 GRANTED\n"},
    {"pool", LIMIT_PERMITS_MAX, false, 2, false,
     "[   0] s1 r11 WOULD_BLOCK at pool position 1 lacks 2147483645\n"},
    {"pool", 2, false, 3, false, "[   0] s1 r11 LIMIT_MISMATCH\n"},
    {"pool", 2, true, 0, false, "[   0] s1 r11 GRANTED\n"},
};

START_TEST(refusals_are_checked_in_one_order)
{
    const struct engine_part part = {
        .semaphore = refusal_cases[_i].semaphore,
        .permits = refusal_cases[_i].permits,
        .expect_permits = refusal_cases[_i].expect_permits,
        .consume = refusal_cases[_i].consume,
    };
    struct engine_event event = {
        .type = ENGINE_ACQUIRE,
        .session_id = script.session_ids[1],
        .request_id = 11,
        .acquire = {.parts = &part, .parts_count = 1},
    };

    script_counting(&script, "pool", 2);
    if (refusal_cases[_i].drain) {
        script_drain(&script);
    }
    script_forget(&script);
    script_apply(&script, &event);
    script_expect(&script, refusal_cases[_i].expected);
}
END_TEST

static const struct {
    int64_t wait_ms;
    uint64_t deadline_ns;
} duration_cases[] = {
    {1, UINT64_C(1000001)},
    {INT64_C(315360000000), UINT64_C(315360000000000001)}, /* 10 years. */
    {INT64_C(9223372036854775807), TIME_NEVER},
    {INT64_C(18446744073709), UINT64_C(18446744073709000001)},
    {INT64_C(18446744073710), TIME_NEVER},
    {-1, TIME_NEVER},
};

START_TEST(durations_are_kept_as_asked_or_saturate)
{
    struct engine_waiter_view waiter;
    struct engine_obstacle obstacle;
    struct engine_grant_view grant;
    int64_t wait_ms = duration_cases[_i].wait_ms;

    script.now_ns = 1;
    script_acquire_hold(&script, 1, 11, 0, wait_ms == -1 ? 0 : wait_ms);
    script_acquire(&script, 2, 21, wait_ms);
    ck_assert(engine_view_waiter(script.engine, script.session_ids[2], 21,
                                 &waiter, &obstacle));
    ck_assert_uint_eq(waiter.deadline_ns, duration_cases[_i].deadline_ns);
    ck_assert(
        engine_view_grant(script.engine, script.session_ids[1], 11, &grant));
    ck_assert_uint_eq(grant.expires_ns, duration_cases[_i].deadline_ns);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_acquire");
    TCase *tcase = tcase_create("acquire");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, e7_a_late_timer_never_turns_a_timeout_into_a_grant);
    tcase_add_test(tcase, waiters_are_served_in_the_order_of_their_arrival);
    tcase_add_test(tcase, each_change_is_recorded_before_it_is_told);
    tcase_add_test(tcase, a_try_is_told_its_place_and_what_is_in_the_way);
    tcase_add_test(tcase, a_wide_waiter_is_not_starved_by_narrow_ones);
    tcase_add_test(tcase, one_release_serves_all_whom_it_suffices);
    tcase_add_test(
        tcase, a_waiter_times_out_at_its_deadline_and_unblocks_those_behind);
    tcase_add_test(tcase, e7_what_gives_back_goes_before_what_ends_a_wait);
    tcase_add_test(tcase,
                   e7_a_hold_that_ends_a_nanosecond_late_leaves_a_timeout);
    tcase_add_test(tcase, what_is_granted_late_counts_from_its_due_time);
    tcase_add_test(tcase, a_cancelled_waiter_is_answered_before_its_cancel);
    tcase_add_test(tcase, a_cancel_lets_those_behind_pass);
    tcase_add_test(tcase, a_semaphore_caps_waits_and_holds);
    tcase_add_test(tcase, a_full_queue_refuses_only_who_would_wait);
    tcase_add_loop_test(tcase, refusals_are_checked_in_one_order, 0,
                        sizeof(refusal_cases) / sizeof(refusal_cases[0]));
    tcase_add_loop_test(tcase, durations_are_kept_as_asked_or_saturate, 0,
                        sizeof(duration_cases) / sizeof(duration_cases[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
