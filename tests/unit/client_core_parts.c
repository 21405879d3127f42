/* SPDX-License-Identifier: MIT */

/* The client's core with grants of several semaphores: what is held of them,
 * what was taken for good, what is settled, and what a holder's outcome ends.
 */

#include <stdlib.h>

#include <check.h>

#include "client_script.h"

static struct client_script script;

static void start(void)
{
    client_script_start_lingering(&script, 30000);
}

static void stop(void)
{
    client_script_stop(&script);
}

/* Three of jobs and two of api. */
static struct wire_client_message acquire_two(bool consume_api, bool settle)
{
    return (struct wire_client_message){
        .type = WIRE_ACQUIRE,
        .acquire = {.parts = {{.semaphore = "jobs", .permits = 3},
                              {.semaphore = "api",
                               .permits = 2,
                               .consume = consume_api}},
                    .parts_count = 2,
                    .settle = settle}};
}

static uint64_t ask_two(const char *name, bool consume_api, bool settle)
{
    struct wire_client_message message = acquire_two(consume_api, settle);
    uint64_t id = client_script_ask_message(&script, name, &message, 0);

    script.length = 0;
    return id;
}

/* Bit n of taken: part n was taken for good. */
static void say_granted(uint64_t id, uint32_t taken)
{
    const struct wire_server_message message = {
        .id = id,
        .type = WIRE_GRANTED,
        .granted = {.grant_id = 100 + id, .fence = 1, .taken = taken}};

    client_script_say(&script, &message);
}

static enum permit_status settle(const char *name, uint64_t acquire_id)
{
    struct wire_client_message message = {
        .type = WIRE_SETTLE,
        .release = {.acquire_id = acquire_id,
                    .parts = {{.semaphore = "api", .permits = 1}},
                    .parts_count = 1}};

    return client_script_give(&script, name, &message);
}

/* Whether the core knows the grant: what it does not is not ours. */
static void assert_known(uint64_t id, bool is_known)
{
    script.length = 0;
    client_script_lost(&script, id, 100 + id, PERMIT_LOSS_REVOKED);
    if (is_known) {
        ck_assert_str_eq(script.transcript, "[   0] a LOST revoked\n");
    } else {
        ck_assert_str_eq(script.transcript,
                         "[   0] DOWN protocol: the server took back a grant "
                         "that is not ours\n");
    }
}

/* ------------------------------------------------------------ taken for good
 */

START_TEST(what_nobody_waits_for_is_given_back_part_by_part)
{
    uint64_t a = ask_two("a", true, false);

    client_script_at(&script, 1000);
    script.length = 0;
    say_granted(a, 2);
    client_script_expect(&script, "[1000] > 4 RELEASE 2 0\n"
                                  "[1000] > 5 POST api 2\n");
}
END_TEST

START_TEST(a_grant_that_crossed_its_cancel_is_given_back_part_by_part)
{
    uint64_t a = ask_two("a", true, false);

    ck_assert(core_cancel(script.core, a));
    client_script_go_on(&script);
    say_granted(a, 2);
    client_script_expect(&script, "[   0] > 3 CANCEL 2\n"
                                  "[   0] a cancelled\n"
                                  "[   0] > 4 RELEASE 2 0\n"
                                  "[   0] > 5 POST api 2\n");
}
END_TEST

/* A client does not know kinds: the server says what was taken. */
START_TEST(a_grant_of_which_all_was_taken_has_ended)
{
    uint64_t a = ask_two("a", false, false);

    say_granted(a, 3);
    client_script_expect(&script, "[   0] a ok\n");
    ck_assert_int_eq(client_script_release(&script, "r", a, 0),
                     PERMIT_E_EXPIRED);
    core_forget(script.core, a);
    client_script_go_on(&script);
    client_script_expect(&script, "");
    assert_known(a, false);
}
END_TEST

/* What was taken of a RATE cannot be posted back. */
START_TEST(what_was_taken_stays_so_when_it_crosses_its_cancel)
{
    uint64_t a = ask_two("a", false, false);

    ck_assert(core_cancel(script.core, a));
    client_script_go_on(&script);
    say_granted(a, 3);
    client_script_expect(&script, "[   0] > 3 CANCEL 2\n"
                                  "[   0] a ok\n");
}
END_TEST

START_TEST(what_is_held_besides_what_was_taken_is_a_grant)
{
    uint64_t a = ask_two("a", false, false);

    say_granted(a, 2 | 1u << 31); /* There is no such part. */
    client_script_expect(&script, "[   0] a ok\n");
    assert_known(a, true);
}
END_TEST

/* So with those given back nothing is left that its line could lose. */
START_TEST(what_is_to_be_consumed_is_not_held_whatever_the_server_says)
{
    uint64_t a = ask_two("a", true, false);
    uint64_t hello;

    say_granted(a, 0);
    ck_assert_int_eq(client_script_release(&script, "r", a, 3), PERMIT_OK);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_expect(&script, "[   0] READY 7\n"
                                  "[   0] > 3 RELEASE 2 3\n");
}
END_TEST

/* Without a grant nobody needs its number. */
START_TEST(only_a_grant_has_a_number)
{
    uint64_t a = ask_two("a", false, false);
    const struct wire_server_message message = {
        .id = a, .type = WIRE_GRANTED, .granted = {.taken = (uint32_t)_i}};

    client_script_say(&script, &message);
    client_script_expect(&script, _i == 3 ? "[   0] a ok\n"
                                          : "[   0] a outcome_unknown\n"
                                            "[   0] DOWN protocol: the "
                                            "server's grant has no number\n");
}
END_TEST

/* ------------------------------------------------------------------ settling
 */

START_TEST(a_settled_grant_that_holds_nothing_has_ended)
{
    uint64_t a = ask_two("a", false, true);

    say_granted(a, 3);
    ck_assert_int_eq(settle("s", a), PERMIT_OK);
    client_script_say_type(&script, 3, WIRE_DONE);
    client_script_expect(&script, "[   0] a ok\n"
                                  "[   0] > 3 SETTLE\n"
                                  "[   0] s ok\n");
    assert_known(a, false);
}
END_TEST

START_TEST(a_settled_grant_that_holds_something_lives)
{
    uint64_t a = ask_two("a", false, true);

    say_granted(a, 2);
    ck_assert_int_eq(settle("s", a), PERMIT_OK);
    client_script_say_type(&script, 3, WIRE_DONE);
    ck_assert_int_eq(settle("t", a), PERMIT_OK); /* Once more. */
    client_script_refused(&script, 4, PERMIT_E_INVALID);
    assert_known(a, true);
}
END_TEST

static const struct {
    enum permit_status reason;
    bool is_known;
} refusals[] = {{PERMIT_E_INVALID, true},
                {PERMIT_E_UNAVAILABLE, true},
                {PERMIT_E_NOT_HELD, false},
                {PERMIT_E_EXPIRED, false}};

START_TEST(a_refused_settle_changes_nothing_of_a_grant_that_is_there)
{
    uint64_t a = ask_two("a", false, true);

    say_granted(a, 3);
    ck_assert_int_eq(settle("s", a), PERMIT_OK);
    client_script_refused(&script, 3, refusals[_i].reason);
    assert_known(a, refusals[_i].is_known);
}
END_TEST

START_TEST(all_that_is_held_may_be_given_back_before_it_is_settled)
{
    uint64_t a = ask_two("a", false, true);

    say_granted(a, 2);
    ck_assert_int_eq(client_script_release(&script, "r", a, 3), PERMIT_OK);
    client_script_say_type(&script, 3, WIRE_DONE);
    ck_assert_int_eq(settle("s", a), PERMIT_OK);
    client_script_say_type(&script, 4, WIRE_DONE);
    client_script_expect(&script, "[   0] a ok\n"
                                  "[   0] > 3 RELEASE 2 3\n"
                                  "[   0] r ok\n"
                                  "[   0] > 4 SETTLE\n"
                                  "[   0] s ok\n");
    assert_known(a, false);
}
END_TEST

START_TEST(a_settle_whose_grant_is_gone_is_told_all_the_same)
{
    uint64_t a = ask_two("a", false, true);

    say_granted(a, 3);
    ck_assert_int_eq(settle("s", a), PERMIT_OK);
    ck_assert_int_eq(settle("t", a), PERMIT_OK);
    script.length = 0;
    client_script_say_type(&script, 3, WIRE_DONE);
    client_script_refused(&script, 4, PERMIT_E_NOT_HELD);
    client_script_expect(&script, "[   0] s ok\n"
                                  "[   0] t not_held\n");
}
END_TEST

/* The answer went down with the line, so the grant may be listed or not. */
START_TEST(a_grant_under_settlement_is_not_lost_with_its_line)
{
    uint64_t a = ask_two("a", false, true);
    bool is_asked = _i == 1;
    uint64_t hello;

    say_granted(a, 3);
    if (is_asked) {
        ck_assert_int_eq(settle("s", a), PERMIT_OK);
    }
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_expect(&script, is_asked ? "[   0] READY 7\n"
                                             "[   0] > 3 SETTLE\n"
                                           : "[   0] a LOST session\n"
                                             "[   0] READY 7\n");
}
END_TEST

START_TEST(what_is_held_besides_is_lost_if_it_is_not_listed)
{
    uint64_t a = ask_two("a", false, true);
    uint64_t hello;

    say_granted(a, 2);
    ck_assert_int_eq(settle("s", a), PERMIT_OK);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_expect(&script, "[   0] a LOST session\n"
                                  "[   0] READY 7\n"
                                  "[   0] > 3 SETTLE\n");
}
END_TEST

/* It speaks of a grant of the former session, and may have been done. */
START_TEST(a_settle_is_never_sent_into_another_session)
{
    uint64_t a = ask_two("a", false, true);
    uint64_t hello;

    say_granted(a, 3);
    script.is_stuck = _i == 1;
    ck_assert_int_eq(settle("s", a), PERMIT_OK);
    client_script_break(&script);
    script.is_stuck = false;
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_replaced(&script, hello);
    client_script_expect(&script, _i == 1 ? "[   0] a LOST session\n"
                                            "[   0] s expired\n"
                                            "[   0] READY 9\n"
                                          : "[   0] a LOST session\n"
                                            "[   0] s outcome_unknown\n"
                                            "[   0] READY 9\n");
}
END_TEST

START_TEST(a_settle_without_a_line_leaves_with_the_next_one)
{
    uint64_t a = ask_two("a", false, true);
    uint64_t hello;

    say_granted(a, 3);
    client_script_break(&script);
    script.length = 0;
    ck_assert_int_eq(settle("s", a), PERMIT_OK);
    client_script_at(&script, 1000);
    client_script_expect(&script, "[1000] s no_answer\n");
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_resumed(&script, hello, &a, 1, false);
    client_script_expect(&script, "[1000] READY 7\n"
                                  "[1000] > 3 SETTLE\n");
}
END_TEST

/* ------------------------------------------------------------- join and why
 */

static uint64_t ask_to_join(const char *name)
{
    struct wire_client_message message = {
        .type = WIRE_ACQUIRE,
        .acquire = {.parts = {{.semaphore = "jobs", .permits = 1}},
                    .parts_count = 1,
                    .join = true}};
    uint64_t id = client_script_ask_message(&script, name, &message, 0);

    script.length = 0;
    return id;
}

START_TEST(a_holder_s_outcome_ends_an_acquire_without_a_grant)
{
    uint64_t a = ask_to_join("a");

    client_script_say_type(&script, a, WIRE_JOINED);
    client_script_expect(&script, "[   0] a joined\n");
    ck_assert_uint_eq(core_counters(script.core)->waits_total, 1);
    assert_known(a, false);
}
END_TEST

/* An outcome is no grant: it is reported also when it crosses a cancel. */
START_TEST(an_outcome_that_crosses_a_cancel_is_one)
{
    uint64_t a = ask_to_join("a");

    ck_assert(core_cancel(script.core, a));
    client_script_go_on(&script);
    client_script_say_type(&script, a, WIRE_JOINED);
    client_script_expect(&script, "[   0] > 3 CANCEL 2\n"
                                  "[   0] a joined\n");
}
END_TEST

START_TEST(an_outcome_that_nobody_waits_for_gives_nothing_back)
{
    uint64_t a = ask_to_join("a");

    client_script_at(&script, 1000);
    client_script_say_type(&script, a, WIRE_JOINED);
    client_script_expect(&script, "[1000] a no_answer\n"
                                  "[1000] > 3 CANCEL 2\n");
}
END_TEST

START_TEST(only_who_asked_to_join_is_answered_by_an_outcome)
{
    uint64_t a = _i == 0 ? ask_two("a", false, false)
                         : client_script_ask(&script, "a", WIRE_QUERY);

    script.length = 0;
    client_script_say_type(&script, a, WIRE_JOINED);
    client_script_expect(&script,
                         _i == 0 ? "[   0] a outcome_unknown\n"
                                   "[   0] DOWN protocol: the server answered "
                                   "what was not asked\n"
                                 : "[   0] a disconnected\n"
                                   "[   0] DOWN protocol: the server answered "
                                   "what was not asked\n");
}
END_TEST

START_TEST(a_why_changes_nothing_and_is_not_unknown)
{
    struct wire_client_message message = acquire_two(false, false);
    uint64_t w;

    message.type = WIRE_WHY;
    w = client_script_ask_message(&script, "w", &message, 0);
    client_script_say_type(&script, w, WIRE_DONE);
    w = client_script_ask_message(&script, "x", &message, 0);
    client_script_refused(&script, w, PERMIT_E_RATE_LIMITED);
    w = client_script_ask_message(&script, "y", &message, 0);
    core_end(script.core, PERMIT_E_DISCONNECTED, "cut");
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] > 2 WHY\n"
                                  "[   0] w ok\n"
                                  "[   0] > 3 WHY\n"
                                  "[   0] x rate_limited\n"
                                  "[   0] > 4 WHY\n"
                                  "[   0] y disconnected\n"
                                  "[   0] DOWN disconnected: cut\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_core_parts");
    TCase *tcase = tcase_create("parts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, what_nobody_waits_for_is_given_back_part_by_part);
    tcase_add_test(tcase,
                   a_grant_that_crossed_its_cancel_is_given_back_part_by_part);
    tcase_add_test(tcase, a_grant_of_which_all_was_taken_has_ended);
    tcase_add_test(tcase, what_was_taken_stays_so_when_it_crosses_its_cancel);
    tcase_add_test(tcase, what_is_held_besides_what_was_taken_is_a_grant);
    tcase_add_test(tcase,
                   what_is_to_be_consumed_is_not_held_whatever_the_server_says);
    tcase_add_loop_test(tcase, only_a_grant_has_a_number, 2, 4);
    tcase_add_test(tcase, a_settled_grant_that_holds_nothing_has_ended);
    tcase_add_test(tcase, a_settled_grant_that_holds_something_lives);
    tcase_add_loop_test(
        tcase, a_refused_settle_changes_nothing_of_a_grant_that_is_there, 0,
        sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(tcase,
                   all_that_is_held_may_be_given_back_before_it_is_settled);
    tcase_add_test(tcase, a_settle_whose_grant_is_gone_is_told_all_the_same);
    tcase_add_loop_test(
        tcase, a_grant_under_settlement_is_not_lost_with_its_line, 0, 2);
    tcase_add_test(tcase, what_is_held_besides_is_lost_if_it_is_not_listed);
    tcase_add_loop_test(tcase, a_settle_is_never_sent_into_another_session, 0,
                        2);
    tcase_add_test(tcase, a_settle_without_a_line_leaves_with_the_next_one);
    tcase_add_test(tcase, a_holder_s_outcome_ends_an_acquire_without_a_grant);
    tcase_add_test(tcase, an_outcome_that_crosses_a_cancel_is_one);
    tcase_add_test(tcase, an_outcome_that_nobody_waits_for_gives_nothing_back);
    tcase_add_loop_test(tcase, only_who_asked_to_join_is_answered_by_an_outcome,
                        0, 2);
    tcase_add_test(tcase, a_why_changes_nothing_and_is_not_unknown);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
