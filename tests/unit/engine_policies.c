/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_bounded(&script, "jobs", 4);
    script_open(&script, 1, 6, 1000000);
}

static void teardown(void)
{
    script_finish(&script);
}

/* -------------------------------------------------------------- priorities */

static void acquire_urgent(int session, uint64_t id, int64_t wait_ms,
                           const char *parts, uint32_t priority)
{
    struct engine_event event =
        script_acquire_event(&script, session, id, wait_ms, parts);

    event.acquire.priority = priority;
    script_apply(&script, &event);
}

/* Each level counts as having come 10 s earlier; at one key the first comes
 * first. */
START_TEST(the_urgent_go_before_those_who_came_up_to_70_seconds_earlier)
{
    script_acquire_some(&script, 1, 11, 0, 4);
    acquire_urgent(2, 21, -1, "jobs 4", 0);
    script_tick(&script, 39999);
    acquire_urgent(3, 31, -1, "jobs 4", 4);
    script_tick(&script, 40001);
    acquire_urgent(4, 41, -1, "jobs 4", 4);
    script_tick(&script, 70000);
    acquire_urgent(5, 51, -1, "jobs 4", 7);
    script_forget(&script);
    script_release(&script, 1, 12, 11);
    script_release(&script, 3, 32, 31);
    script_release(&script, 2, 22, 21);
    script_release(&script, 5, 52, 51);
    script_expect(&script, "[70000] s1 r12 OK\n"
                           "[70000] s3 r31 GRANTED waited 30001\n"
                           "[70000] s3 r32 OK\n"
                           "[70000] s2 r21 GRANTED waited 70000\n"
                           "[70000] s2 r22 OK\n"
                           "[70000] s5 r51 GRANTED\n"
                           "[70000] s5 r52 OK\n"
                           "[70000] s4 r41 GRANTED waited 29999\n");
}
END_TEST

START_TEST(the_urgent_pass_whom_they_go_before)
{
    struct engine_waiter_view waiter;
    struct engine_obstacle obstacle;

    script_acquire_some(&script, 1, 11, 0, 2);
    acquire_urgent(2, 21, -1, "jobs 3", 3);
    script_forget(&script);
    acquire_urgent(3, 31, 0, "jobs", 3);
    acquire_urgent(3, 32, 0, "jobs", 4);
    acquire_urgent(3, 33, 0, "jobs 2", 4);
    script_expect(&script, "[   0] s3 r31 WOULD_BLOCK position 2 lacks 2\n"
                           "[   0] s3 r32 GRANTED\n"
                           "[   0] s3 r33 WOULD_BLOCK position 1 lacks 1\n");
    ck_assert(engine_view_waiter(script.engine, script.session_ids[2], 21,
                                 &waiter, &obstacle));
    ck_assert_uint_eq(waiter.priority, 3);
}
END_TEST

START_TEST(a_new_step_moves_only_those_who_come)
{
    script_acquire_some(&script, 1, 11, 0, 4);
    acquire_urgent(2, 21, -1, "jobs 4", 6); /* At 10 s. */
    engine_set_priority_step(script.engine, 500);
    acquire_urgent(3, 31, -1, "jobs 4", 0); /* At 3.5 s. */
    acquire_urgent(4, 41, -1, "jobs 4", 1); /* At 3 s. */
    engine_set_priority_step(script.engine, 0);
    script_tick(&script, 3200);
    acquire_urgent(5, 51, -1, "jobs 4", 0);
    script_forget(&script);
    script_release(&script, 1, 12, 11);
    script_release(&script, 4, 42, 41);
    script_release(&script, 5, 52, 51);
    script_release(&script, 3, 32, 31);
    script_expect(&script, "[3200] s1 r12 OK\n"
                           "[3200] s4 r41 GRANTED waited 3200\n"
                           "[3200] s4 r42 OK\n"
                           "[3200] s5 r51 GRANTED\n"
                           "[3200] s5 r52 OK\n"
                           "[3200] s3 r31 GRANTED waited 3200\n"
                           "[3200] s3 r32 OK\n"
                           "[3200] s2 r21 GRANTED waited 3200\n");
}
END_TEST

/* ------------------------------------------------------------------ bypass */

START_TEST(a_waiter_is_passed_as_often_as_bypass_says)
{
    script_define_as(&script, "jobs", "bypass=2");
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire_some(&script, 2, 21, -1, 4);
    script_forget(&script);
    script_acquire(&script, 3, 31, 0);
    script_release(&script, 3, 32, 31); /* It was passed all the same. */
    script_acquire(&script, 3, 33, 0);
    script_acquire(&script, 4, 41, 0);
    script_acquire(&script, 5, 51, -1);
    script_define_as(&script, "jobs", "bypass=3"); /* What it had counts. */
    script_acquire(&script, 4, 42, 0);
    script_expect(&script, "[   0] s3 r31 GRANTED\n"
                           "[   0] s3 r32 OK\n"
                           "[   0] s3 r33 GRANTED\n"
                           "[   0] s4 r41 WOULD_BLOCK position 2 lacks 4\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s5 r51 GRANTED\n"
                           "[   0] s4 r42 WOULD_BLOCK position 2 lacks 5\n");
    script_release(&script, 1, 12, 11);
    script_release(&script, 5, 52, 51);
    script_release(&script, 3, 34, 33);
    script_expect(&script, "[   0] s1 r12 OK\n"
                           "[   0] s5 r52 OK\n"
                           "[   0] s3 r34 OK\n"
                           "[   0] s2 r21 GRANTED\n");
}
END_TEST

START_TEST(those_served_from_behind_pass_too)
{
    script_define_as(&script, "jobs", "bypass=1");
    for (uint64_t id = 11; id <= 14; id++) {
        script_acquire(&script, 1, id, 0);
    }
    script_acquire_some(&script, 2, 21, -1, 2);
    script_acquire_some(&script, 3, 31, -1, 3);
    script_acquire(&script, 4, 41, -1);
    script_acquire(&script, 5, 51, -1);
    script_forget(&script);
    script_release(&script, 1, 15, 11); /* Both before s4 are passed. */
    script_release(&script, 1, 16, 12); /* Nobody may pass s2 any more. */
    script_release(&script, 1, 17, 13);
    script_release(&script, 1, 18, 14); /* Nor s3. */
    script_release(&script, 4, 42, 41);
    script_release(&script, 2, 22, 21);
    script_expect(&script, "[   0] s1 r15 OK\n"
                           "[   0] s4 r41 GRANTED\n"
                           "[   0] s1 r16 OK\n"
                           "[   0] s1 r17 OK\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s1 r18 OK\n"
                           "[   0] s4 r42 OK\n"
                           "[   0] s2 r22 OK\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s5 r51 GRANTED\n");
}
END_TEST

START_TEST(passes_are_counted_in_each_queue_apart)
{
    script_define_as(&script, "a", "permits=4 bypass=1");
    script_define_as(&script, "b", "permits=4 bypass=1");
    script_acquire_of(&script, 1, 11, 0, "a");
    script_acquire_of(&script, 2, 21, -1, "a 4 b 4");
    script_forget(&script);
    script_acquire_of(&script, 3, 31, 0, "a");
    script_acquire_of(&script, 3, 32, 0, "a b");
    script_acquire_of(&script, 3, 33, 0, "b jobs");
    script_acquire_of(&script, 3, 34, 0, "jobs b");
    script_expect(&script,
                  "[   0] s3 r31 GRANTED\n"
                  "[   0] s3 r32 WOULD_BLOCK at a position 2 lacks 3\n"
                  "[   0] s3 r33 GRANTED\n"
                  "[   0] s3 r34 WOULD_BLOCK at b position 2 lacks 2\n");
}
END_TEST

START_TEST(a_grant_of_several_passes_in_each_of_its_queues)
{
    script_define_as(&script, "a", "permits=4 bypass=1");
    script_define_as(&script, "b", "permits=4 bypass=1");
    script_acquire_of(&script, 1, 11, 0, "a b");
    script_acquire_of(&script, 2, 21, -1, "b 4");
    script_acquire_of(&script, 2, 22, -1, "a 4");
    script_forget(&script);
    script_acquire_of(&script, 3, 31, 0, "a b");
    script_acquire_of(&script, 3, 32, 0, "a");
    script_acquire_of(&script, 3, 33, 0, "b");
    script_expect(&script,
                  "[   0] s3 r31 GRANTED\n"
                  "[   0] s3 r32 WOULD_BLOCK at a position 2 lacks 3\n"
                  "[   0] s3 r33 WOULD_BLOCK at b position 2 lacks 3\n");
}
END_TEST

/* Who is set aside blocks nobody, but is passed; once it is back, it blocks. */
START_TEST(who_is_set_aside_is_passed_too)
{
    script_define_as(&script, "jobs", "bypass=2");
    script_open_lingering(&script, 2, 2, 1000, 1000);
    script_acquire_some(&script, 1, 11, 0, 1);
    script_acquire_some(&script, 2, 21, -1, 4);
    script_disconnect(&script, 2);
    script_forget(&script);
    script_acquire(&script, 3, 31, 0);
    script_acquire(&script, 3, 32, 0);
    script_release(&script, 3, 33, 31);
    script_resume(&script, 2);
    script_acquire(&script, 3, 34, 0);
    script_expect(&script, "[   0] s3 r31 GRANTED\n"
                           "[   0] s3 r32 GRANTED\n"
                           "[   0] s3 r33 OK\n"
                           "[   0] s2 r0 OK\n"
                           "[   0] s3 r34 WOULD_BLOCK position 2 lacks 3\n");
}
END_TEST

/* ------------------------------------------------------------------ shares */

static unsigned aside_of(int session, uint64_t id)
{
    struct engine_waiter_view waiter;
    struct engine_obstacle obstacle;

    ck_assert(engine_view_waiter(script.engine, script.session_ids[session], id,
                                 &waiter, &obstacle));
    return waiter.aside;
}

START_TEST(a_session_gets_no_more_than_its_share)
{
    script_define_as(&script, "jobs", "permits=10 per_session=3");
    script_acquire_some(&script, 1, 11, 0, 2);
    script_forget(&script);
    script_acquire_some(&script, 1, 12, 0, 2);
    script_acquire_some(&script, 1, 13, 0, 4);
    script_acquire_some(&script, 1, 14, -1, 2);
    ck_assert_uint_eq(aside_of(1, 14), ENGINE_ASIDE_SHARE);
    script_acquire_some(&script, 2, 21, 0, 3); /* It blocks nobody. */
    script_acquire_some(&script, 1, 15, 0, 1);
    script_release_some(&script, 1, 16, 11, "jobs 1");
    script_release(&script, 1, 17, 15);
    script_expect(&script, "[   0] s1 r12 WOULD_BLOCK position 1 lacks 1\n"
                           "[   0] s1 r13 IMPOSSIBLE\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s1 r15 GRANTED\n"
                           "[   0] s1 r16 OK\n"
                           "[   0] s1 r17 OK\n"
                           "[   0] s1 r14 GRANTED\n");
}
END_TEST

START_TEST(who_waits_is_set_aside_when_its_session_got_its_share)
{
    script_define_as(&script, "jobs", "permits=4 per_session=3");
    script_acquire_some(&script, 2, 21, 0, 3);
    script_acquire(&script, 3, 31, 0);
    script_acquire_some(&script, 1, 11, -1, 2);
    script_acquire_some(&script, 1, 12, -1, 2);
    script_acquire_some(&script, 4, 41, -1, 2);
    ck_assert_uint_eq(aside_of(1, 12), ENGINE_ASIDE_NO);
    script_forget(&script);
    script_release(&script, 2, 22, 21);
    ck_assert_uint_eq(aside_of(1, 12), ENGINE_ASIDE_SHARE);
    script_release(&script, 3, 32, 31);
    script_expect(&script, "[   0] s2 r22 OK\n"
                           "[   0] s1 r11 GRANTED\n"
                           "[   0] s3 r32 OK\n"
                           "[   0] s4 r41 GRANTED\n");
    script_release_some(&script, 1, 13, 11, "jobs 1");
    ck_assert_uint_eq(aside_of(1, 12), ENGINE_ASIDE_NO);
    script_acquire(&script, 5, 51, 0); /* It has its old place again. */
    script_release(&script, 4, 42, 41);
    script_expect(&script, "[   0] s1 r13 OK\n"
                           "[   0] s5 r51 WOULD_BLOCK position 2 lacks 2\n"
                           "[   0] s4 r42 OK\n"
                           "[   0] s1 r12 GRANTED\n");
}
END_TEST

START_TEST(who_is_over_one_share_is_set_aside_in_all_its_queues)
{
    script_define_as(&script, "a", "permits=2 per_session=1");
    script_acquire_of(&script, 1, 11, 0, "a");
    script_acquire(&script, 2, 21, 0);
    script_acquire_of(&script, 1, 12, -1, "jobs 4 a");
    script_acquire_of(&script, 3, 31, -1, "jobs 4");
    script_forget(&script);
    script_acquire_of(&script, 4, 41, 0, "jobs"); /* Behind s3. */
    script_release(&script, 2, 22, 21);
    script_release(&script, 1, 13, 11);
    script_release(&script, 3, 32, 31);
    script_expect(&script, "[   0] s4 r41 WOULD_BLOCK position 3 lacks 2\n"
                           "[   0] s2 r22 OK\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s1 r13 OK\n"
                           "[   0] s3 r32 OK\n"
                           "[   0] s1 r12 GRANTED\n");
}
END_TEST

START_TEST(a_share_that_changes_counts_what_is_held)
{
    script_define_as(&script, "jobs", "permits=10");
    script_acquire_some(&script, 1, 11, 0, 3);
    script_acquire_some(&script, 2, 21, 0, 6);
    script_acquire_some(&script, 1, 12, -1, 2);
    script_acquire_some(&script, 3, 31, -1, 5);
    script_acquire(&script, 4, 41, -1);
    script_forget(&script);
    script_define_as(&script, "jobs", "per_session=4");
    ck_assert_uint_eq(aside_of(1, 12), ENGINE_ASIDE_SHARE);
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s3 r31 IMPOSSIBLE\n"
                           "[   0] s4 r41 GRANTED\n");
    script_define_as(&script, "jobs", "per_session=5");
    ck_assert_uint_eq(aside_of(1, 12), ENGINE_ASIDE_NO);
    script_define_as(&script, "jobs", "per_session=4");
    script_define_as(&script, "jobs", "permits=20 per_session=0");
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s1 r12 GRANTED\n");
    script_define_as(&script, "jobs", "per_session=6");
    script_acquire_some(&script, 1, 13, 0, 2); /* It holds 5. */
    script_acquire_some(&script, 1, 14, 0, 1);
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s1 r13 WOULD_BLOCK position 1 lacks 1\n"
                           "[   0] s1 r14 GRANTED\n");
}
END_TEST

START_TEST(what_a_session_loses_counts_in_its_share_no_more)
{
    script_define_as(&script, "jobs", "permits=9 per_session=2");
    script_acquire_hold(&script, 1, 11, 0, 100);
    script_acquire(&script, 1, 12, 0);
    script_acquire(&script, 1, 13, 200);
    script_acquire(&script, 1, 14, 100);
    script_forget(&script);
    script_tick(&script, 100);
    script_expect(&script, "[ 100] s1 r11 LOST hold\n"
                           "[ 100] s1 r13 GRANTED waited 100\n"
                           "[ 100] s1 r14 TIMEOUT\n");
}
END_TEST

START_TEST(shares_are_restored)
{
    struct engine *restored;

    script_define_as(&script, "jobs", "permits=9");
    script_open_lingering(&script, 1, 1, 1000000, 1000);
    script_acquire_some(&script, 1, 11, 0, 3);
    script_define_as(&script, "jobs", "per_session=4");
    restored = script_restore(&script);
    engine_destroy(script.engine);
    script.engine = restored;
    script_resume(&script, 1);
    script_forget(&script);
    script_acquire_some(&script, 1, 12, 0, 2);
    script_acquire_some(&script, 1, 13, 0, 1);
    script_expect(&script, "[   0] s1 r12 WOULD_BLOCK position 1 lacks 1\n"
                           "[   0] s1 r13 GRANTED\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_policies");
    TCase *tcase = tcase_create("policies");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(
        tcase, the_urgent_go_before_those_who_came_up_to_70_seconds_earlier);
    tcase_add_test(tcase, the_urgent_pass_whom_they_go_before);
    tcase_add_test(tcase, a_new_step_moves_only_those_who_come);
    tcase_add_test(tcase, a_waiter_is_passed_as_often_as_bypass_says);
    tcase_add_test(tcase, those_served_from_behind_pass_too);
    tcase_add_test(tcase, passes_are_counted_in_each_queue_apart);
    tcase_add_test(tcase, a_grant_of_several_passes_in_each_of_its_queues);
    tcase_add_test(tcase, who_is_set_aside_is_passed_too);
    tcase_add_test(tcase, a_session_gets_no_more_than_its_share);
    tcase_add_test(tcase,
                   who_waits_is_set_aside_when_its_session_got_its_share);
    tcase_add_test(tcase, who_is_over_one_share_is_set_aside_in_all_its_queues);
    tcase_add_test(tcase, a_share_that_changes_counts_what_is_held);
    tcase_add_test(tcase, what_a_session_loses_counts_in_its_share_no_more);
    tcase_add_test(tcase, shares_are_restored);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
