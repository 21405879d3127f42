/* SPDX-License-Identifier: MIT */

/* What the client believes, and what it asks, on a fake clock. */

#include "client_script.h"

#include <stdlib.h>

#include <check.h>

#define NS_PER_MS INT64_C(1000000)

static struct client_script script;

static void start(void)
{
    client_script_start(&script);
}

static void stop(void)
{
    client_script_stop(&script);
}

static int64_t believed_until_ms(void)
{
    return core_believed_until(script.core) / NS_PER_MS;
}

/* ------------------------------------------------------------------ belief */

START_TEST(it_believes_from_the_sending_of_what_was_answered)
{
    ck_assert_int_eq(believed_until_ms(), 13500); /* 0.9 of 15 s. */
    client_script_at(&script, 5000);
    client_script_at(&script, 6000);
    client_script_say_type(&script, 2, WIRE_PONG);
    client_script_expect(&script, "[5000] > 2 PING\n");
    ck_assert_int_eq(believed_until_ms(), 5000 + 13500);
}
END_TEST

START_TEST(an_older_pong_that_comes_later_takes_no_belief_away)
{
    client_script_at(&script, 5000);
    client_script_at(&script, 9999); /* The line is not silent. */
    client_script_say_type(&script, 0, WIRE_GOAWAY);
    client_script_at(&script, 10000);
    client_script_say_type(&script, 3, WIRE_PONG);
    client_script_say_type(&script, 2, WIRE_PONG);
    client_script_expect(&script, "[5000] > 2 PING\n[10000] > 3 PING\n");
    ck_assert_int_eq(believed_until_ms(), 10000 + 13500);
}
END_TEST

START_TEST(other_answers_prolong_nothing)
{
    uint64_t id;

    client_script_at(&script, 4000);
    id = client_script_ask(&script, "p", WIRE_POST);
    client_script_say_type(&script, id, WIRE_POSTED);
    ck_assert_int_eq(believed_until_ms(), 13500);
}
END_TEST

START_TEST(a_caller_s_ping_counts_as_a_heartbeat)
{
    uint64_t id;

    client_script_at(&script, 3000);
    id = client_script_ask(&script, "p", WIRE_PING);
    client_script_say_type(&script, id, WIRE_PONG);
    client_script_expect(&script, "[3000] > 2 PING\n[3000] p ok\n");
    ck_assert_int_eq(believed_until_ms(), 3000 + 13500);
}
END_TEST

START_TEST(a_silent_line_loses_all_at_nine_tenths)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    (void)client_script_acquire(&script, "b", -1, 0, false);
    client_script_at(&script, 13499);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 ACQUIRE jobs\n"
                                  "[13499] > 4 PING\n");
    client_script_at(&script, 13500);
    client_script_expect(&script,
                         "[13500] a LOST session\n"
                         "[13500] b outcome_unknown\n"
                         "[13500] DOWN disconnected: the server was silent for "
                         "too long\n");
    ck_assert(core_is_down(script.core));
    ck_assert_int_eq(core_believed_until(script.core), 0);
}
END_TEST

START_TEST(time_goes_before_bytes)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    client_script_at(&script, 5000); /* Ping 3, whose Pong is read too late. */
    script.now_ms = 13500;
    client_script_go_on(&script);
    client_script_say_type(&script, 3, WIRE_PONG);
    client_script_expect(&script,
                         "[   0] > 2 ACQUIRE jobs\n"
                         "[   0] a ok\n"
                         "[5000] > 3 PING\n"
                         "[13500] a LOST session\n"
                         "[13500] DOWN disconnected: the server was silent for "
                         "too long\n");
}
END_TEST

START_TEST(a_broken_line_loses_all_at_once)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    core_break(script.core, PERMIT_E_DISCONNECTED, "closed");
    ck_assert_int_eq(core_believed_until(script.core), 0);
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a ok\n"
                                  "[   0] a LOST session\n"
                                  "[   0] DOWN disconnected: closed\n");
    ck_assert_int_eq(client_script_release(&script, "r", a, 0),
                     PERMIT_E_EXPIRED);
}
END_TEST

START_TEST(a_lost_grant_that_was_forgotten_is_no_stranger)
{
    uint64_t a = client_script_acquire(&script, "a", 0, 0, false);

    client_script_granted(&script, a, 0, 0);
    core_forget(script.core, a);
    client_script_lost(&script, a, 100 + a, PERMIT_LOSS_REVOKED);
    client_script_refused(&script, 3, PERMIT_E_EXPIRED);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 RELEASE 2 0\n");
    ck_assert(core_has_line(script.core));
}
END_TEST

/* ------------------------------------------------------------ under way */

START_TEST(an_answer_that_comes_too_late_is_given_back)
{
    uint64_t a = client_script_acquire(&script, "a", 500, 0, false);

    client_script_at(&script, 1499);
    client_script_at(&script, 1500);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[1500] a no_answer\n"
                                  "[1500] > 3 CANCEL 2\n");
    client_script_granted(&script, a, 0, 0);
    client_script_say_type(&script, 3, WIRE_CANCELLED);
    client_script_expect(&script, "[1500] > 4 RELEASE 2 0\n");
    client_script_say_type(&script, 4, WIRE_DONE);
    client_script_expect(&script, "");
    ck_assert(core_has_line(script.core));
}
END_TEST

START_TEST(what_was_consumed_too_late_is_posted_back)
{
    uint64_t a = client_script_acquire(&script, "a", 0, 0, true);

    client_script_at(&script, 1000);
    client_script_granted(&script, a, 0, 0);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[1000] a no_answer\n"
                                  "[1000] > 3 CANCEL 2\n"
                                  "[1000] > 4 POST jobs 3\n");
}
END_TEST

START_TEST(a_grant_that_crosses_its_cancel_is_given_back)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    (void)core_cancel(script.core, a);
    (void)core_cancel(script.core, a);
    client_script_granted(&script, a, 0, 0);
    client_script_say_type(&script, 3, WIRE_CANCELLED);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a cancelled\n"
                                  "[   0] > 3 CANCEL 2\n"
                                  "[   0] > 4 RELEASE 2 0\n");
}
END_TEST

START_TEST(what_was_consumed_before_its_cancel_is_the_caller_s)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, true);

    (void)core_cancel(script.core, a);
    client_script_granted(&script, a, 0, 0);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 CANCEL 2\n");
}
END_TEST

START_TEST(a_cancel_without_an_answer_lets_its_caller_go)
{
    (void)client_script_acquire(&script, "a", -1, 0, false);
    client_script_at(&script, 4000);
    (void)core_cancel(script.core, 2);
    client_script_go_on(&script);
    client_script_at(&script, 4999);
    client_script_at(&script, 5000);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[4000] > 3 CANCEL 2\n"
                                  "[5000] a no_answer\n"
                                  "[5000] > 4 PING\n");
}
END_TEST

START_TEST(what_never_left_was_not_asked)
{
    (void)client_script_ask(&script, "p", WIRE_POST);
    script.is_stuck = true;
    (void)client_script_ask(&script, "q", WIRE_POST);
    (void)client_script_acquire(&script, "a", -1, 0, false);
    core_break(script.core, PERMIT_E_DISCONNECTED, "closed");
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] > 2 POST jobs 1\n"
                                  "[   0] p outcome_unknown\n"
                                  "[   0] q disconnected\n"
                                  "[   0] a disconnected\n"
                                  "[   0] DOWN disconnected: closed\n");
}
END_TEST

START_TEST(who_only_asks_loses_nothing)
{
    (void)client_script_ask(&script, "q", WIRE_QUERY);
    (void)client_script_ask(&script, "p", WIRE_PING);
    client_script_say_type(&script, 0, WIRE_GOAWAY);
    core_break(script.core, PERMIT_E_DISCONNECTED, "closed");
    client_script_go_on(&script);
    client_script_expect(&script,
                         "[   0] > 2 QUERY\n"
                         "[   0] > 3 PING\n"
                         "[   0] q disconnected\n"
                         "[   0] p disconnected\n"
                         "[   0] DOWN disconnected: the server said goodbye "
                         "(shutdown)\n");
}
END_TEST

START_TEST(part_of_a_grant_is_given_back_and_then_the_rest)
{
    uint64_t a = client_script_acquire(&script, "a", 0, 0, false);

    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(client_script_release(&script, "r", a, 1), PERMIT_OK);
    client_script_say_type(&script, 3, WIRE_DONE);
    ck_assert_int_eq(client_script_release(&script, "s", a, 2), PERMIT_OK);
    client_script_say_type(&script, 4, WIRE_DONE);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 RELEASE 2 1\n"
                                  "[   0] r ok\n"
                                  "[   0] > 4 RELEASE 2 2\n"
                                  "[   0] s ok\n");
    /* Only the whole ends it: whoever has not asked for that hears of it. */
    ck_assert_int_eq(client_script_release(&script, "t", a, 0), PERMIT_OK);
    client_script_refused(&script, 5, PERMIT_E_NOT_HELD);
    client_script_expect(&script, "[   0] > 5 RELEASE 2 0\n"
                                  "[   0] t not_held\n");
    ck_assert_int_eq(client_script_release(&script, "u", a, 0),
                     PERMIT_E_EXPIRED);
}
END_TEST

START_TEST(a_release_that_fails_may_be_tried_again)
{
    uint64_t a = client_script_acquire(&script, "a", 0, 0, false);

    client_script_granted(&script, a, 0, 0);
    (void)client_script_release(&script, "r", a, 0);
    client_script_refused(&script, 3, PERMIT_E_UNAVAILABLE);
    (void)client_script_release(&script, "s", a, 0);
    client_script_say_type(&script, 4, WIRE_DONE);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 RELEASE 2 0\n"
                                  "[   0] r unavailable\n"
                                  "[   0] > 4 RELEASE 2 0\n"
                                  "[   0] s ok\n");
}
END_TEST

START_TEST(what_cannot_be_given_back_ends_the_session)
{
    uint64_t a = client_script_acquire(&script, "a", 0, 0, false);

    client_script_granted(&script, a, 0, 0);
    core_forget(script.core, a);
    client_script_go_on(&script);
    client_script_refused(&script, 3, PERMIT_E_UNAVAILABLE);
    client_script_expect(&script,
                         "[   0] > 2 ACQUIRE jobs\n"
                         "[   0] a ok\n"
                         "[   0] > 3 RELEASE 2 0\n"
                         "[   0] DOWN unavailable: the server cannot take a "
                         "permit back\n");
}
END_TEST

START_TEST(a_waiter_hears_of_its_place)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_say_type(&script, a, WIRE_WAITING);
    client_script_granted(&script, a, 0, 0);
    client_script_say_type(&script, a, WIRE_WAITING); /* It came too late. */
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a waits, 2\n"
                                  "[   0] a ok\n");
}
END_TEST

START_TEST(a_new_line_is_a_new_session)
{
    uint64_t a = client_script_acquire(&script, "a", 0, 0, false);
    const struct wire_server_message welcome = {
        .id = 3,
        .type = WIRE_WELCOME,
        .welcome = {.session_id = 8,
                    .boot_id = "",
                    .heartbeat_ms = 1000,
                    .session_timeout_ms = 3000,
                    .server = ""}};
    static const uint8_t preface[] = {0x93, 'P', 'M', 1};

    client_script_granted(&script, a, 0, 0);
    core_break(script.core, PERMIT_E_DISCONNECTED, "closed");
    client_script_go_on(&script);
    (void)client_script_ask(&script, "p", WIRE_POST);
    core_open(script.core, 50 * NS_PER_MS, 1000 * NS_PER_MS);
    client_script_at(&script, 50);
    client_script_say_bytes(&script, preface, sizeof(preface));
    client_script_say(&script, &welcome);
    ck_assert_int_eq(client_script_release(&script, "r", a, 0),
                     PERMIT_E_EXPIRED);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a ok\n"
                                  "[   0] a LOST session\n"
                                  "[   0] DOWN disconnected: closed\n"
                                  "[   0] p not asked: disconnected\n"
                                  "[  50] > 3 HELLO\n"
                                  "[  50] READY 8\n");
    ck_assert_int_eq(believed_until_ms(), 50 + 2700);
}
END_TEST

START_TEST(ten_thousand_requests_keep_their_order)
{
    uint64_t ids[10000];
    uint64_t waiting = client_script_acquire(&script, "w", -1, 0, false);

    for (size_t i = 0; i < 10000; i++) {
        ids[i] = client_script_ask(&script, "p", WIRE_POST);
        script.length = 0;
    }
    for (size_t i = 0; i < 10000; i++) {
        /* Even ids first, then the odd ones. */
        client_script_say_type(&script, ids[i * 2 % 10000 + (i >= 5000)],
                               WIRE_POSTED);
        client_script_expect(&script, "[   0] p ok\n");
    }
    client_script_granted(&script, waiting, 0, 0);
    client_script_expect(&script, "[   0] w ok\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_core");
    TCase *belief = tcase_create("belief");
    TCase *under_way = tcase_create("under way");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(belief, start, stop);
    tcase_add_checked_fixture(under_way, start, stop);
    tcase_add_test(belief, it_believes_from_the_sending_of_what_was_answered);
    tcase_add_test(belief, an_older_pong_that_comes_later_takes_no_belief_away);
    tcase_add_test(belief, other_answers_prolong_nothing);
    tcase_add_test(belief, a_caller_s_ping_counts_as_a_heartbeat);
    tcase_add_test(belief, a_silent_line_loses_all_at_nine_tenths);
    tcase_add_test(belief, time_goes_before_bytes);
    tcase_add_test(belief, a_broken_line_loses_all_at_once);
    tcase_add_test(belief, a_lost_grant_that_was_forgotten_is_no_stranger);
    tcase_add_test(under_way, an_answer_that_comes_too_late_is_given_back);
    tcase_add_test(under_way, what_was_consumed_too_late_is_posted_back);
    tcase_add_test(under_way, a_grant_that_crosses_its_cancel_is_given_back);
    tcase_add_test(under_way,
                   what_was_consumed_before_its_cancel_is_the_caller_s);
    tcase_add_test(under_way, a_cancel_without_an_answer_lets_its_caller_go);
    tcase_add_test(under_way, what_never_left_was_not_asked);
    tcase_add_test(under_way, who_only_asks_loses_nothing);
    tcase_add_test(under_way, part_of_a_grant_is_given_back_and_then_the_rest);
    tcase_add_test(under_way, a_release_that_fails_may_be_tried_again);
    tcase_add_test(under_way, what_cannot_be_given_back_ends_the_session);
    tcase_add_test(under_way, a_waiter_hears_of_its_place);
    tcase_add_test(under_way, a_new_line_is_a_new_session);
    tcase_add_test(under_way, ten_thousand_requests_keep_their_order);
    suite_add_tcase(suite, belief);
    suite_add_tcase(suite, under_way);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
