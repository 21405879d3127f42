/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_bounded(&script, "jobs", 2);
    script_open(&script, 1, 4, 15000);
}

static void teardown(void)
{
    script_finish(&script);
}

START_TEST(an_ended_session_gives_back_all_in_the_order_of_its_grants)
{
    script_bounded(&script, "tools", 1);
    script_acquire_of(&script, 1, 11, 0, "tools");
    script_acquire(&script, 1, 12, 0);
    script_acquire(&script, 1, 13, 0);
    script_acquire(&script, 2, 21, -1);
    script_acquire_of(&script, 3, 31, -1, "tools");
    script_acquire(&script, 4, 41, -1);
    script_forget(&script);
    script.shows_records = true;
    script_end(&script, 1);
    script_expect(&script, "[   0] s1 r0 record SESSION_ENDED\n"
                           "[   0] s3 r31 record GRANTED tools permits 1\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s2 r21 record GRANTED jobs permits 1\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s4 r41 record GRANTED jobs permits 1\n"
                           "[   0] s4 r41 GRANTED\n"
                           "[   0] s1 ENDED by client\n");
    ck_assert_uint_eq(script_view(&script, "jobs").lost_total[1], 2);
}
END_TEST

START_TEST(the_waiters_of_an_ended_session_are_forgotten_without_an_answer)
{
    script_acquire(&script, 1, 11, 0);
    script_acquire_some(&script, 2, 21, -1, 2);
    script_acquire(&script, 3, 31, -1);
    script_forget(&script);
    script_end(&script, 2);
    script_expect(&script, "[   0] s3 r31 GRANTED\n"
                           "[   0] s2 ENDED by client\n");
    script_acquire(&script, 2, 22, 0); /* It is not there any more. */
    script_end(&script, 2);
    script_expect(&script, "");
}
END_TEST

START_TEST(a_silent_session_ends_at_its_timeout_and_not_before)
{
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire(&script, 2, 21, -1);
    script.now_ns = 1000 * NS_PER_MS;
    script_heard(&script, 1);
    script.now_ns = 2000 * NS_PER_MS;
    for (int i = 2; i <= 4; i++) {
        script_heard(&script, i);
    }
    script_forget(&script);
    script.now_ns = 16000 * NS_PER_MS - 1;
    script_apply(&script, &(struct engine_event){.type = ENGINE_TICK});
    script_expect(&script, "");
    ck_assert_uint_eq(engine_next_deadline(script.engine), 16000 * NS_PER_MS);
    script_tick(&script, 16000);
    script_expect(&script, "[16000] s2 r21 GRANTED waited 16000\n"
                           "[16000] s1 ENDED by silence\n");
}
END_TEST

/* _i nanoseconds after the wait. */
START_TEST(e7_a_session_that_ends_when_a_wait_does_serves_it)
{
    script_acquire_some(&script, 1, 11, 0, 2);
    script.now_ns = (uint64_t)_i;
    script_heard(&script, 1); /* Until 15000. */
    script.now_ns = 1000 * NS_PER_MS;
    script_heard(&script, 2);
    script_acquire(&script, 2, 21, 14000);
    script_end(&script, 3);
    script_end(&script, 4);
    script_forget(&script);
    script_tick(&script, 15500);
    script_expect(&script, _i == 0 ? "[15500] s2 r21 GRANTED waited 14000\n"
                                     "[15500] s1 ENDED by silence\n"
                                   : "[15500] s2 r21 TIMEOUT\n"
                                     "[15500] s1 ENDED by silence\n");
}
END_TEST

START_TEST(a_session_that_was_heard_before_time_moves_lives_on)
{
    script.now_ns = 20000 * NS_PER_MS;
    for (int i = 1; i <= 4; i++) {
        script_heard(&script, i); /* After its deadline, before any event. */
    }
    script_acquire(&script, 1, 11, 0);
    script_expect(&script, "[20000] s1 r11 GRANTED\n");
}
END_TEST

START_TEST(an_older_stamp_does_not_shorten_a_session)
{
    script.now_ns = 5000 * NS_PER_MS;
    script_heard(&script, 1);
    script.now_ns = 4000 * NS_PER_MS;
    script_heard(&script, 1);
    engine_session_heard(script.engine, 0, 1);
    script_tick(&script, 19999);
    script_expect(&script, "[19999] s2 ENDED by silence\n"
                           "[19999] s3 ENDED by silence\n"
                           "[19999] s4 ENDED by silence\n");
    script_tick(&script, 20000);
    script_expect(&script, "[20000] s1 ENDED by silence\n");
}
END_TEST

START_TEST(waiters_without_connection_are_set_aside_and_block_nobody)
{
    struct engine_waiter_view view;
    struct engine_obstacle obstacle;

    script_acquire_some(&script, 1, 11, 0, 1);
    script_acquire_some(&script, 2, 21, 100, 2);
    script_acquire(&script, 3, 31, -1);
    script_forget(&script);
    script_disconnect(&script, 2);
    script_expect(&script, "[   0] s3 r31 GRANTED\n");
    ck_assert(engine_view_waiter(script.engine, script.session_ids[2], 21,
                                 &view, &obstacle));
    ck_assert_uint_eq(view.aside, ENGINE_ASIDE_DISCONNECTED);
    ck_assert_uint_eq(view.position, 1);
    script_release(&script, 1, 12, 11);
    script_release(&script, 3, 32, 31);
    script_acquire_some(&script, 4, 41, 0, 2); /* It does not even block. */
    script_tick(&script, 100);                 /* It keeps its deadline. */
    script_expect(&script, "[   0] s1 r12 OK\n"
                           "[   0] s3 r32 OK\n"
                           "[   0] s4 r41 GRANTED\n"
                           "[ 100] s2 r21 TIMEOUT\n");
}
END_TEST

START_TEST(a_disconnected_session_holds_on_until_its_timeout)
{
    struct engine_totals totals;

    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire(&script, 2, 21, -1);
    script_forget(&script);
    script_disconnect(&script, 1);
    script_disconnect(&script, 1);
    script_release(&script, 1, 12, 11); /* It cannot have sent this. */
    engine_get_totals(script.engine, &totals);
    ck_assert_uint_eq(totals.sessions_disconnected, 1);
    script.now_ns = 15000 * NS_PER_MS;
    for (int i = 2; i <= 4; i++) {
        script_heard(&script, i);
    }
    script_tick(&script, 15000);
    script_expect(&script, "[15000] s2 r21 GRANTED waited 15000\n"
                           "[15000] s1 ENDED by silence\n");
}
END_TEST

START_TEST(one_session_too_many_is_refused)
{
    struct engine_event event = {.type = ENGINE_SESSION_OPEN,
                                 .request_id = 9,
                                 .session_open.timeout_ms = 1};

    script_open(&script, 5, 63, 15000);
    script_open(&script, 5, 5, 15000); /* The 64th. */
    script_apply(&script, &event);
    script_expect(&script, "[   0] s0 r9 TOO_MANY\n");
}
END_TEST

START_TEST(a_session_id_never_comes_back)
{
    uint64_t id = script.session_ids[1];

    script_end(&script, 1);
    script_open(&script, 1, 1, 15000);
    ck_assert_uint_gt(script.session_ids[1], id);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_session");
    TCase *tcase = tcase_create("session");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase,
                   an_ended_session_gives_back_all_in_the_order_of_its_grants);
    tcase_add_test(
        tcase, the_waiters_of_an_ended_session_are_forgotten_without_an_answer);
    tcase_add_test(tcase, a_silent_session_ends_at_its_timeout_and_not_before);
    tcase_add_loop_test(
        tcase, e7_a_session_that_ends_when_a_wait_does_serves_it, 0, 2);
    tcase_add_test(tcase, a_session_that_was_heard_before_time_moves_lives_on);
    tcase_add_test(tcase, an_older_stamp_does_not_shorten_a_session);
    tcase_add_test(tcase,
                   waiters_without_connection_are_set_aside_and_block_nobody);
    tcase_add_test(tcase, a_disconnected_session_holds_on_until_its_timeout);
    tcase_add_test(tcase, one_session_too_many_is_refused);
    tcase_add_test(tcase, a_session_id_never_comes_back);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
