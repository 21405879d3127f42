/* SPDX-License-Identifier: MIT */
/* Sessions without a connection, those that come back, and holds renewed. */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

/* Session 1 lingers for 1 s after its timeout of 15 s; 2 to 4 do not. */
static void setup(void)
{
    script_init(&script);
    script_bounded(&script, "jobs", 2);
    script_open_lingering(&script, 1, 1, 15000, 1000);
    script_open(&script, 2, 4, 15000);
}

static void teardown(void)
{
    script_finish(&script);
}

static void hear_all_but(int silent)
{
    for (int i = 1; i <= 4; i++) {
        if (i != silent) {
            script_heard(&script, i);
        }
    }
}

START_TEST(a_fin_starts_the_linger_and_no_more)
{
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire(&script, 2, 21, -1);
    script.now_ns = 100 * NS_PER_MS;
    script_hang_up(&script, 1);
    script_tick(&script, 1099);
    script_expect(&script, "[   0] s1 r11 GRANTED\n");
    script_tick(&script, 1100);
    script_expect(&script, "[1100] s2 r21 GRANTED waited 1100\n"
                           "[1100] s1 ENDED by silence\n");
}
END_TEST

START_TEST(a_fin_without_a_linger_ends_at_once)
{
    script_acquire_some(&script, 2, 21, 0, 2);
    script_acquire(&script, 3, 31, -1);
    script_hang_up(&script, 2);
    script_expect(&script, "[   0] s2 r21 GRANTED\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s2 ENDED by client\n");
}
END_TEST

START_TEST(who_is_silent_lingers_after_the_timeout)
{
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire(&script, 1, 12, -1);
    script.now_ns = 14000 * NS_PER_MS;
    hear_all_but(1);
    script_acquire(&script, 2, 21, -1);
    script_forget(&script);
    script_tick(&script, 15000);
    script_tick(&script, 15999);
    script_expect(&script, "[15000] s1 SILENT\n");
    script_tick(&script, 16000);
    script_expect(&script, "[16000] s2 r21 GRANTED waited 2000\n"
                           "[16000] s1 ENDED by silence\n");
}
END_TEST

START_TEST(what_the_server_closes_ends_after_timeout_and_linger)
{
    script.now_ns = 2000 * NS_PER_MS;
    hear_all_but(0);
    script.now_ns = 3000 * NS_PER_MS;
    script_disconnect(&script, 1);
    script.now_ns = 17000 * NS_PER_MS;
    hear_all_but(1);
    script_tick(&script, 17999);
    script_expect(&script, "");
    script_tick(&script, 18000); /* 2,000 + 15,000 + 1,000. */
    script_expect(&script, "[18000] s1 ENDED by silence\n");
}
END_TEST

START_TEST(who_comes_back_has_kept_grants_places_and_deadlines)
{
    struct engine_session_view view;

    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 2, 21, 0);
    script_acquire(&script, 1, 12, 500);
    script_acquire(&script, 3, 31, 600);
    script_hang_up(&script, 1);
    script_forget(&script);
    script_tick(&script, 400);
    script_resume(&script, 1);
    script_release(&script, 2, 22, 21);
    script_acquire(&script, 1, 13, 200);
    script_tick(&script, 600);
    script_expect(&script, "[ 400] s1 r0 OK\n"
                           "[ 400] s2 r22 OK\n"
                           "[ 400] s1 r12 GRANTED waited 400\n"
                           "[ 600] s3 r31 TIMEOUT\n"
                           "[ 600] s1 r13 TIMEOUT\n");
    ck_assert(engine_view_session(script.engine, script.session_ids[1], &view));
    ck_assert(view.connected);
    ck_assert_uint_eq(view.grants, 2);
    hear_all_but(1);
    script_tick(&script, 15399);
    script_expect(&script, "");
    script_tick(&script, 15400); /* 15 s after it came back. */
    script_expect(&script, "[15400] s1 SILENT\n");
}
END_TEST

START_TEST(who_comes_back_is_served_what_fits_by_now)
{
    script_acquire_some(&script, 2, 21, 0, 2);
    script_acquire(&script, 1, 11, -1);
    script_hang_up(&script, 1);
    script_release(&script, 2, 22, 21);
    script_resume(&script, 1);
    script_expect(&script, "[   0] s2 r21 GRANTED\n"
                           "[   0] s2 r22 OK\n"
                           "[   0] s1 r0 OK\n"
                           "[   0] s1 r11 GRANTED\n");
}
END_TEST

START_TEST(a_resume_that_comes_too_late_opens_a_new_session)
{
    script_hang_up(&script, 1);
    script.now_ns = 1000 * NS_PER_MS;
    script.shows_records = true;
    script_resume(&script, 1);
    script_expect(&script, "[1000] s1 r0 record SESSION_ENDED\n"
                           "[1000] s1 ENDED by silence\n"
                           "[1000] s0 r0 record SESSION_OPENED\n"
                           "[1000] s0 r0 OK\n");
}
END_TEST

START_TEST(a_newer_line_takes_over_without_a_linger_too)
{
    script_acquire(&script, 2, 21, 0);
    script.now_ns = 14999 * NS_PER_MS;
    script_resume(&script, 2);
    hear_all_but(0);
    script_release(&script, 2, 22, 21);
    script_expect(&script, "[   0] s2 r21 GRANTED\n"
                           "[14999] s2 r0 OK\n"
                           "[14999] s2 r22 OK\n");
}
END_TEST

START_TEST(a_session_that_is_ended_first_frees_before_the_new_one_opens)
{
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire(&script, 2, 21, -1);
    script_hang_up(&script, 1);
    script_open_ending(&script, 5, 1);
    script_acquire(&script, 5, 51, 0);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s1 ENDED by client\n"
                           "[   0] s0 r0 OK\n"
                           "[   0] s5 r51 GRANTED\n");
}
END_TEST

START_TEST(a_renewed_hold_counts_from_its_arrival)
{
    script_acquire_hold(&script, 2, 21, 0, 100);
    script_tick(&script, 60);
    script.shows_records = true;
    script_renew(&script, 2, 22, 21, 0);
    script_tick(&script, 159);
    script_renew(&script, 2, 23, 21, 300);
    script.shows_records = false;
    script_tick(&script, 458);
    script_expect(&script, "[   0] s2 r21 GRANTED hold 100\n"
                           "[  60] s2 r22 record RENEWED of r21\n"
                           "[  60] s2 r22 OK hold 100\n"
                           "[ 159] s2 r23 record RENEWED of r21\n"
                           "[ 159] s2 r23 OK hold 300\n");
    script_tick(&script, 459);
    script_renew(&script, 2, 24, 21, 0);
    script_renew(&script, 2, 25, 99, 0);
    script_renew(&script, 3, 31, 21, 0);
    script_expect(&script, "[ 459] s2 r21 LOST hold\n"
                           "[ 459] s2 r24 EXPIRED\n"
                           "[ 459] s2 r25 NOT_HELD\n"
                           "[ 459] s3 r31 NOT_HELD\n");
}
END_TEST

START_TEST(a_renewed_hold_is_capped_and_a_lost_one_is_not_renewed)
{
    struct engine_definition definition = {.fields = ENGINE_FIELD_HOLD,
                                           .hold_ms = 50};

    script_acquire(&script, 2, 21, 0); /* Without a hold. */
    script_renew(&script, 2, 22, 21, 0);
    script_define(&script, "jobs", &definition);
    script_forget(&script);
    script_renew(&script, 2, 23, 21, 40);
    script_renew(&script, 2, 24, 21, 1000);
    script_delete(&script, "jobs", true, 20);
    script_renew(&script, 2, 25, 21, 0);
    script_expect(&script, "[   0] s2 r23 OK hold 40\n"
                           "[   0] s2 r24 OK hold 50\n"
                           "[   0] s0 r2 OK\n"
                           "[   0] s2 r21 LOST deleted grace 20\n"
                           "[   0] s2 r25 EXPIRED\n");
}
END_TEST

/* The client believes in what is left until the answer tells it the cap. */
START_TEST(a_new_cap_takes_nothing_of_what_is_left_from_who_renews)
{
    struct engine_definition definition = {.fields = ENGINE_FIELD_HOLD,
                                           .hold_ms = 50};

    script_acquire(&script, 2, 21, 0); /* Without a hold. */
    script_define(&script, "jobs", &definition);
    script_forget(&script);
    script_renew(&script, 2, 22, 21, 0);
    script_renew(&script, 2, 23, 21, 1000);
    script.now_ns = 300 * NS_PER_MS + 1;
    script_renew(&script, 2, 24, 21, 0);
    script_renew(&script, 2, 25, 21, 200);
    script_tick(&script, 460);
    script_renew(&script, 2, 26, 21, 0);
    script_tick(&script, 510);
    script_expect(&script, "[   0] s2 r22 OK\n"
                           "[   0] s2 r23 OK hold 1000\n"
                           "[ 300] s2 r24 OK hold 700\n"
                           "[ 300] s2 r25 OK hold 200\n"
                           "[ 460] s2 r26 OK hold 50\n"
                           "[ 510] s2 r21 LOST hold\n");
}
END_TEST

START_TEST(anybody_may_verify_a_grant)
{
    struct engine_grant_view view;

    script_acquire_hold(&script, 2, 21, 0, 100);
    ck_assert(
        engine_view_grant(script.engine, script.session_ids[2], 21, &view));
    script_forget(&script);
    script_verify(&script, 3, 31, view.grant_id, view.grant_id);
    script_verify(&script, 3, 32, view.grant_id, view.grant_id - 1);
    script_verify(&script, 3, 33, view.grant_id + 1, view.grant_id + 1);
    script.now_ns = 100 * NS_PER_MS; /* No timer ran. */
    script_verify(&script, 3, 34, view.grant_id, view.grant_id);
    script_expect(&script, "[   0] s3 r31 OK\n"
                           "[   0] s3 r32 NOT_HELD\n"
                           "[   0] s3 r33 NOT_HELD\n"
                           "[ 100] s2 r21 LOST hold\n"
                           "[ 100] s3 r34 EXPIRED\n");
    script_acquire(&script, 2, 22, 0);
    ck_assert(
        engine_view_grant(script.engine, script.session_ids[2], 22, &view));
    script_release(&script, 2, 23, 22);
    script_verify(&script, 3, 35, view.grant_id, view.grant_id);
    script_expect(&script, "[ 100] s2 r22 GRANTED\n"
                           "[ 100] s2 r23 OK\n"
                           "[ 100] s3 r35 NOT_HELD\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_linger");
    TCase *tcase = tcase_create("linger");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_fin_starts_the_linger_and_no_more);
    tcase_add_test(tcase, a_fin_without_a_linger_ends_at_once);
    tcase_add_test(tcase, who_is_silent_lingers_after_the_timeout);
    tcase_add_test(tcase, what_the_server_closes_ends_after_timeout_and_linger);
    tcase_add_test(tcase, who_comes_back_has_kept_grants_places_and_deadlines);
    tcase_add_test(tcase, who_comes_back_is_served_what_fits_by_now);
    tcase_add_test(tcase, a_resume_that_comes_too_late_opens_a_new_session);
    tcase_add_test(tcase, a_newer_line_takes_over_without_a_linger_too);
    tcase_add_test(
        tcase, a_session_that_is_ended_first_frees_before_the_new_one_opens);
    tcase_add_test(tcase, a_renewed_hold_counts_from_its_arrival);
    tcase_add_test(tcase,
                   a_renewed_hold_is_capped_and_a_lost_one_is_not_renewed);
    tcase_add_test(tcase,
                   a_new_cap_takes_nothing_of_what_is_left_from_who_renews);
    tcase_add_test(tcase, anybody_may_verify_a_grant);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
