/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_define_as(&script, "jobs", "permits=2 shadow=1");
    script_open(&script, 1, 6, 1000000);
}

static void teardown(void)
{
    script_finish(&script);
}

static void assert_counted(const char *name, uint64_t would_refuse,
                           uint64_t would_wait)
{
    struct engine_semaphore_view view = script_view(&script, name);

    ck_assert_uint_eq(view.would_refuse_total, would_refuse);
    ck_assert_uint_eq(view.would_wait_total, would_wait);
}

START_TEST(a_semaphore_in_shadow_refuses_nobody_and_counts_whom_it_would)
{
    script_acquire_some(&script, 1, 11, 0, 2);
    assert_counted("jobs", 0, 0);
    script_acquire(&script, 2, 21, 0);
    assert_counted("jobs", 1, 0);
    script_acquire(&script, 2, 22, 100);
    assert_counted("jobs", 1, 1);
    script_acquire_some(&script, 3, 31, -1, 3); /* It never could. */
    assert_counted("jobs", 2, 1);
    script_acquire_of(&script, 3, 32, 0, "jobs 1=5");
    assert_counted("jobs", 2, 1);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s2 r22 GRANTED\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s3 r32 LIMIT_MISMATCH\n");
    script_define_as(&script, "t/*", "permits=2 shadow=1");
    script_acquire_of(&script, 3, 33, 0, "t/a 3"); /* It makes it. */
    assert_counted("t/a", 1, 0);
    ck_assert_uint_eq(script_view(&script, "jobs").held, 7);
    ck_assert_uint_eq(script_view(&script, "jobs").available, 0);
}
END_TEST

START_TEST(out_of_the_shadow_it_refuses_again)
{
    script_acquire_some(&script, 1, 11, 0, 5);
    script_acquire(&script, 2, 21, 0);
    script_define_as(&script, "jobs", "shadow=0");
    script_forget(&script);
    script_acquire(&script, 3, 31, 0);
    script_acquire(&script, 3, 32, -1);
    script_acquire_some(&script, 3, 33, -1, 3);
    script_release_some(&script, 1, 12, 11, "jobs 4");
    script_acquire(&script, 4, 41, -1);
    script_release(&script, 2, 22, 21);
    script_define_as(&script, "jobs", "shadow=1");
    script_expect(&script, "[   0] s3 r31 WOULD_BLOCK position 1 lacks 5\n"
                           "[   0] s3 r33 IMPOSSIBLE\n"
                           "[   0] s1 r12 OK\n"
                           "[   0] s2 r22 OK\n"
                           "[   0] s3 r32 GRANTED\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s4 r41 GRANTED\n");
    assert_counted("jobs", 2, 0); /* Of r11 and r21 only. */
}
END_TEST

/* Behind a part that is real it waits in both queues, blocks nobody in the
 * shadow, and is counted once. */
START_TEST(who_waits_for_another_is_counted_at_its_arrival)
{
    script_bounded(&script, "tool", 1);
    script_acquire_of(&script, 1, 11, 0, "tool jobs 2");
    script_forget(&script);
    script_acquire_of(&script, 2, 21, -1, "jobs 2 tool");
    assert_counted("jobs", 0, 1);
    script_acquire_of(&script, 2, 22, 0, "jobs 9 tool");
    assert_counted("jobs", 1, 1);
    script_acquire_of(&script, 3, 31, -1, "jobs");
    assert_counted("jobs", 1, 2);
    ck_assert_uint_eq(script_view(&script, "jobs").waiters, 1);
    script_release(&script, 1, 12, 11);
    assert_counted("jobs", 1, 2);
    script_expect(&script,
                  "[   0] s2 r22 WOULD_BLOCK at tool position 2 lacks 2\n"
                  "[   0] s3 r31 GRANTED\n"
                  "[   0] s1 r12 OK\n"
                  "[   0] s2 r21 GRANTED\n");
}
END_TEST

START_TEST(out_of_the_shadow_the_impossible_wait_no_more)
{
    script_bounded(&script, "tool", 1);
    script_acquire_of(&script, 1, 11, 0, "tool");
    script_acquire_of(&script, 2, 21, -1, "jobs 3 tool");
    script_acquire_of(&script, 3, 31, -1, "jobs 2 tool");
    script_forget(&script);
    script_define_as(&script, "jobs", "permits=1"); /* Still in shadow. */
    script_define_as(&script, "jobs", "permits=2 shadow=0");
    script_release(&script, 1, 12, 11);
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s2 r21 IMPOSSIBLE\n"
                           "[   0] s1 r12 OK\n"
                           "[   0] s3 r31 GRANTED\n");
}
END_TEST

START_TEST(shares_in_shadow_are_counted_but_not_kept)
{
    script_define_as(&script, "jobs", "permits=9 per_session=2");
    script_bounded(&script, "tool", 1);
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 1, 12, 0);
    assert_counted("jobs", 0, 0);
    script_acquire(&script, 1, 13, 0);
    assert_counted("jobs", 1, 0);
    script_acquire_some(&script, 2, 21, -1, 3); /* More than its share. */
    assert_counted("jobs", 2, 0);
    script_acquire_of(&script, 3, 31, 0, "tool");
    script_acquire_of(&script, 1, 14, -1, "jobs tool");
    assert_counted("jobs", 2, 1);
    script_forget(&script);
    script_release(&script, 3, 32, 31);
    script_acquire_of(&script, 3, 33, -1, "tool");
    script_acquire_of(&script, 1, 15, -1, "jobs tool");
    script_define_as(&script, "jobs", "shadow=0"); /* r15 is set aside. */
    script_acquire_of(&script, 4, 41, -1, "jobs tool");
    script_release(&script, 1, 16, 14);
    script_release(&script, 3, 34, 33);
    script_expect(&script, "[   0] s3 r32 OK\n"
                           "[   0] s1 r14 GRANTED\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s1 r16 OK\n"
                           "[   0] s3 r33 GRANTED\n"
                           "[   0] s3 r34 OK\n"
                           "[   0] s4 r41 GRANTED\n");
}
END_TEST

START_TEST(in_the_shadow_nobody_is_passed)
{
    script_define_as(&script, "jobs", "permits=4 bypass=1");
    script_bounded(&script, "tool", 1);
    script_acquire_of(&script, 1, 11, 0, "tool");
    script_acquire_of(&script, 2, 21, -1, "jobs 4 tool");
    script_forget(&script);
    script_acquire(&script, 3, 31, 0);
    script_define_as(&script, "jobs", "shadow=0");
    script_acquire(&script, 3, 32, 0);
    script_acquire(&script, 3, 33, 0);
    script_expect(&script, "[   0] s3 r31 GRANTED\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s3 r32 GRANTED\n"
                           "[   0] s3 r33 WOULD_BLOCK position 2 lacks 3\n");
}
END_TEST

START_TEST(into_the_shadow_all_go_who_wait_for_nothing_else)
{
    script_define_as(&script, "jobs", "permits=2 shadow=0");
    script_bounded(&script, "tool", 1);
    script_acquire_of(&script, 1, 11, 0, "tool jobs");
    script_acquire_of(&script, 2, 21, -1, "jobs tool");
    script_acquire_of(&script, 3, 31, -1, "jobs 2");
    script_acquire_of(&script, 4, 41, -1, "jobs");
    script_forget(&script);
    script_define_as(&script, "jobs", "shadow=1");
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s4 r41 GRANTED\n");
    assert_counted("jobs", 0, 0); /* They had come before. */
}
END_TEST

START_TEST(a_rate_in_shadow_gives_what_it_has)
{
    struct engine_event event;

    script_define_as(&script, "rate", "kind=3 rate=1 burst=3 shadow=1");
    script.shows_records = true;
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, "rate 2");
    event = script_acquire_event(&script, 1, 12, 0, "rate 2");
    event.acquire.settle = true;
    script_apply(&script, &event);
    ck_assert_uint_eq(script_view(&script, "rate").available, 0);
    assert_counted("rate", 1, 0);
    script_settle(&script, 1, 13, 12, "rate 0");
    ck_assert_uint_eq(script_view(&script, "rate").available, 0);
    script_acquire_of(&script, 2, 21, 10, "rate 4");
    assert_counted("rate", 2, 0);
    script_acquire_of(&script, 2, 22, 10, "rate 3");
    assert_counted("rate", 2, 1);
    script_expect(&script,
                  "[   0] s1 r11 record GRANTED rate permits 2 consume\n"
                  "[   0] s1 r11 GRANTED\n"
                  "[   0] s1 r12 record GRANTED rate permits 2\n"
                  "[   0] s1 r12 GRANTED\n"
                  "[   0] s1 r13 record SETTLED of r12\n"
                  "[   0] s1 r13 OK\n"
                  "[   0] s2 r21 record GRANTED rate permits 4 consume\n"
                  "[   0] s2 r21 GRANTED\n"
                  "[   0] s2 r22 record GRANTED rate permits 3 consume\n"
                  "[   0] s2 r22 GRANTED\n");
    script_define_as(&script, "tool", "");
    script_acquire_of(&script, 3, 31, 0, "tool");
    script_forget(&script);
    script_acquire_of(&script, 3, 32, -1, "rate 3 tool");
    ck_assert_uint_eq(engine_next_deadline(script.engine), /* A session's. */
                      1000000 * NS_PER_MS);
}
END_TEST

START_TEST(no_limit_of_waiting_counts_in_the_shadow)
{
    script_define_as(&script, "jobs", "max_queue=0 max_wait=0 bypass=1");
    script_bounded(&script, "tool", 1);
    script_acquire_of(&script, 1, 11, 0, "tool jobs 2");
    script_forget(&script);
    script_acquire_of(&script, 2, 21, 100, "tool jobs"); /* It may wait. */
    assert_counted("jobs", 0, 1);
    script_acquire(&script, 3, 31, 0);
    script_acquire(&script, 3, 32, 0);
    script_tick(&script, 100);
    script_expect(&script, "[   0] s3 r31 GRANTED\n"
                           "[   0] s3 r32 GRANTED\n"
                           "[ 100] s2 r21 TIMEOUT\n");
    ck_assert_uint_eq(script_view(&script, "jobs").queue_full_total, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_shadow");
    TCase *tcase = tcase_create("shadow");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(
        tcase, a_semaphore_in_shadow_refuses_nobody_and_counts_whom_it_would);
    tcase_add_test(tcase, out_of_the_shadow_it_refuses_again);
    tcase_add_test(tcase, who_waits_for_another_is_counted_at_its_arrival);
    tcase_add_test(tcase, out_of_the_shadow_the_impossible_wait_no_more);
    tcase_add_test(tcase, shares_in_shadow_are_counted_but_not_kept);
    tcase_add_test(tcase, in_the_shadow_nobody_is_passed);
    tcase_add_test(tcase, into_the_shadow_all_go_who_wait_for_nothing_else);
    tcase_add_test(tcase, a_rate_in_shadow_gives_what_it_has);
    tcase_add_test(tcase, no_limit_of_waiting_counts_in_the_shadow);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
