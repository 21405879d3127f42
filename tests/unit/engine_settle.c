/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_open(&script, 1, 6, 1000000);
}

static void teardown(void)
{
    script_finish(&script);
}

static struct engine_event settled(int session, uint64_t id, const char *parts)
{
    struct engine_event event =
        script_acquire_event(&script, session, id, 0, parts);

    event.acquire.settle = true;
    return event;
}

START_TEST(what_was_not_used_is_refunded_to_who_waits)
{
    struct engine_event event;
    struct engine_semaphore_view view;

    script_define_as(&script, "jobs", "kind=3 rate=1 burst=10");
    script_bounded(&script, "tool", 1);
    script.shows_records = true;
    script_forget(&script);
    event = settled(1, 11, "tool jobs 10");
    script_apply(&script, &event);
    script_acquire_some(&script, 2, 21, -1, 6);
    view = script_view(&script, "jobs");
    ck_assert_uint_eq(view.held, 0);
    ck_assert_uint_eq(view.holders, 1);
    ck_assert_uint_eq(view.available, 0);
    script_settle(&script, 1, 12, 11, "jobs 3");
    script_release(&script, 1, 13, 11);
    script_expect(&script,
                  "[   0] s1 r11 record GRANTED tool permits 1 more\n"
                  "[   0] s1 r11 record GRANTED jobs permits 10\n"
                  "[   0] s1 r11 GRANTED\n"
                  "[   0] s1 r12 record SETTLED of r11\n"
                  "[   0] s1 r12 OK\n"
                  "[   0] s2 r21 record GRANTED jobs permits 6 consume\n"
                  "[   0] s2 r21 GRANTED\n"
                  "[   0] s1 r13 record RELEASED tool of r11 permits 1\n"
                  "[   0] s1 r13 OK\n");
    ck_assert_uint_eq(script_view(&script, "jobs").available, 1);
}
END_TEST

START_TEST(what_was_all_used_is_settled_without_a_refund)
{
    struct engine_event event;

    script_define_as(&script, "jobs", "kind=3 rate=1 burst=10");
    event = settled(1, 11, "jobs 10");
    script_apply(&script, &event);
    script_forget(&script);
    script_settle(&script, 1, 12, 11, "jobs 10");
    script_release(&script, 1, 13, 11);
    script_expect(&script, "[   0] s1 r12 OK\n"
                           "[   0] s1 r13 NOT_HELD\n");
    ck_assert_uint_eq(script_view(&script, "jobs").available, 0);
}
END_TEST

START_TEST(a_refund_goes_no_higher_than_the_burst)
{
    struct engine_event event;
    struct engine_totals totals;

    script_define_as(&script, "jobs", "kind=3 rate=1 burst=10");
    event = settled(1, 11, "jobs 8");
    script_apply(&script, &event);
    script_tick(&script, 5000); /* 2 + 5 are there. */
    script_settle(&script, 1, 12, 11, "jobs 2");
    ck_assert_uint_eq(script_view(&script, "jobs").available, 10);
    ck_assert_uint_eq(script_view(&script, "jobs").holders, 0);
    engine_get_totals(script.engine, &totals);
    ck_assert_uint_eq(totals.grants, 0); /* It had nothing else. */
    ck_assert_uint_eq(totals.releases_total, 1);
    script_forget(&script);
    event = settled(1, 13, "jobs 8");
    script_apply(&script, &event);
    script_settle(&script, 1, 14, 13, ""); /* All was used. */
    ck_assert_uint_eq(script_view(&script, "jobs").available, 2);
    script_settle(&script, 1, 15, 13, "");
    script_expect(&script, "[5000] s1 r13 GRANTED\n"
                           "[5000] s1 r14 OK\n"
                           "[5000] s1 r15 NOT_HELD\n");
}
END_TEST

/* Of a grant of "tool" and 5 of "jobs", a RATE; `again`: it was settled. */
static const struct {
    const char *actual;
    bool again;
    const char *expected;
} settle_cases[] = {
    {"jobs 6", false, "[   0] s1 r12 INVALID\n"},
    {"tool", false, "[   0] s1 r12 INVALID\n"},
    {"jobs 1 other 1", false, "[   0] s1 r12 INVALID\n"},
    {"jobs 0", false, "[   0] s1 r12 OK\n"},
    {"", true, "[   0] s1 r12 INVALID\n"},
};

START_TEST(what_cannot_be_settled_so_is_refused)
{
    struct engine_event event;

    script_define_as(&script, "jobs", "kind=3 rate=1 burst=10");
    script_define_as(&script, "other", "kind=3 rate=1 burst=10");
    script_bounded(&script, "tool", 1);
    event = settled(1, 11, "tool jobs 5");
    script_apply(&script, &event);
    if (settle_cases[_i].again) {
        script_settle(&script, 1, 13, 11, "jobs 5");
    }
    script_forget(&script);
    script_settle(&script, 1, 12, 11, settle_cases[_i].actual);
    script_expect(&script, settle_cases[_i].expected);
    ck_assert_uint_eq(script_view(&script, "jobs").available,
                      script.answer.status == PERMIT_OK ? 10 : 5);
}
END_TEST

START_TEST(a_settlement_needs_a_grant_with_a_rate)
{
    struct engine_event event;

    script_define_as(&script, "jobs", "kind=3 rate=1 burst=10");
    script_bounded(&script, "tool", 2);
    script_forget(&script);
    event = settled(1, 11, "tool");
    script_apply(&script, &event);
    script_settle(&script, 1, 12, 11, "");
    event = settled(1, 13, "jobs");
    event.acquire.hold_ms = 50;
    script_apply(&script, &event);
    script_tick(&script, 50);
    script_settle(&script, 1, 14, 13, "jobs 0");
    script_expect(&script, "[   0] s1 r11 INVALID\n"
                           "[   0] s1 r12 NOT_HELD\n"
                           "[   0] s1 r13 GRANTED hold 50\n"
                           "[  50] s1 r13 LOST hold\n"
                           "[  50] s1 r14 EXPIRED\n");
    ck_assert_uint_eq(script_view(&script, "jobs").available, 9);
}
END_TEST

START_TEST(nothing_but_a_settlement_refunds)
{
    struct engine_event event;

    script_define_as(&script, "jobs", "kind=3 rate=1 per=3600000 burst=10");
    script_bounded(&script, "tool", 2);
    event = settled(1, 11, "tool jobs 2");
    script_apply(&script, &event);
    event = settled(2, 21, "jobs 3 tool");
    script_apply(&script, &event);
    script_forget(&script);
    script.shows_records = true;
    script_release_some(&script, 1, 12, 11, "jobs 1");
    script_release_some(&script, 1, 13, 11, "tool 1");
    script_release(&script, 1, 14, 11);
    script_end(&script, 2);
    script_expect(&script,
                  "[   0] s1 r12 OVER_RELEASE\n"
                  "[   0] s1 r13 record RELEASED tool of r11 permits 1\n"
                  "[   0] s1 r13 OK\n"
                  "[   0] s1 r14 record RELEASED jobs of r11 permits 2\n"
                  "[   0] s1 r14 OK\n"
                  "[   0] s2 r0 record SESSION_ENDED\n"
                  "[   0] s2 ENDED by client\n");
    ck_assert_uint_eq(script_view(&script, "jobs").available, 5);
    ck_assert_uint_eq(script_view(&script, "jobs").holders, 0);
}
END_TEST

START_TEST(the_server_may_undo_a_take)
{
    struct engine_event event = {.type = ENGINE_POST, .request_id = 12};

    script_define_as(&script, "jobs", "kind=3 rate=1 burst=4");
    script_acquire_some(&script, 1, 10, 0, 4);
    script_forget(&script);
    script.shows_records = true;
    script_acquire_some(&script, 1, 11, -1, 2);
    script_post(&script, "jobs", 3);
    script_post(&script, "jobs", 2147483647);
    event.session_id = script.session_ids[1];
    event.post.semaphore = "jobs";
    event.post.permits = 1;
    script_apply(&script, &event);
    script_expect(&script,
                  "[   0] s1 r11 record GRANTED jobs permits 2 consume\n"
                  "[   0] s1 r11 GRANTED\n"
                  "[   0] s0 r3 OK available 1\n"
                  "[   0] s0 r3 OK available 4\n"
                  "[   0] s1 r12 INVALID\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_settle");
    TCase *tcase = tcase_create("settle");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_was_not_used_is_refunded_to_who_waits);
    tcase_add_test(tcase, what_was_all_used_is_settled_without_a_refund);
    tcase_add_test(tcase, a_refund_goes_no_higher_than_the_burst);
    tcase_add_loop_test(tcase, what_cannot_be_settled_so_is_refused, 0,
                        sizeof(settle_cases) / sizeof(settle_cases[0]));
    tcase_add_test(tcase, a_settlement_needs_a_grant_with_a_rate);
    tcase_add_test(tcase, nothing_but_a_settlement_refunds);
    tcase_add_test(tcase, the_server_may_undo_a_take);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
