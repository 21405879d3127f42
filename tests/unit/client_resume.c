/* SPDX-License-Identifier: MIT */

/* A client's core over a line that breaks or falls silent. */

#include "client_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define NS_PER_MS INT64_C(1000000)

static struct client_script script;

static void start(void)
{
    client_script_start_lingering(&script, 30000);
}

static void start_without_linger(void)
{
    client_script_start_lingering(&script, 0);
}

static void stop(void)
{
    client_script_stop(&script);
}

static int64_t believed_until_ms(void)
{
    return core_believed_until(script.core) / NS_PER_MS;
}

/* ------------------------------------------------------------------ a break
 */

START_TEST(a_break_costs_nothing_that_welcome_lists)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(believed_until_ms(), 27000);
    client_script_at(&script, 1000);
    client_script_break(&script);
    ck_assert(core_wants_line(script.core));
    ck_assert_int_eq(believed_until_ms(), 27000);
    client_script_at(&script, 2000);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, &a, 1, false);
    ck_assert_int_eq(believed_until_ms(), 29000);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[1000] DOWN disconnected: cut\n"
                                  "[2000] > 3 HELLO resume 7 end 0 below 3\n"
                                  "[2000] READY 7\n");
}
END_TEST

START_TEST(what_welcome_does_not_list_is_lost_before_the_line_is_ready)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_granted(&script, b, 0, 0);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, NULL, 0, true);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] > 3 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[   0] b ok\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[   0] > 4 HELLO resume 7 end 0 below 4\n");
    client_script_grants(&script, hello, &b, 1, false);
    client_script_expect(&script, "[   0] a LOST session\n"
                                  "[   0] READY 7\n");
    ck_assert_int_eq(client_script_release(&script, "r", a, 0),
                     PERMIT_E_EXPIRED);
    ck_assert_int_eq(client_script_release(&script, "r", b, 0), PERMIT_OK);
    client_script_expect(&script, "[   0] > 5 RELEASE 3 0\n");
}
END_TEST

START_TEST(a_break_that_lasts_loses_all_at_nine_tenths_of_the_linger)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    (void)client_script_acquire(&script, "b", -1, 0, false);
    client_script_break(&script);
    (void)client_script_ask(&script, "p", WIRE_PING);
    client_script_at(&script, 900);
    ck_assert_int_eq(core_next_deadline(script.core), 1000 * NS_PER_MS);
    client_script_at(&script, 1000);
    client_script_at(&script, 26999);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 ACQUIRE -1\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[1000] p disconnected\n");
    client_script_at(&script, 27000);
    client_script_expect(&script, "[27000] a LOST session\n"
                                  "[27000] b outcome_unknown\n");
    ck_assert(!core_wants_line(script.core));
    ck_assert_int_eq(core_next_deadline(script.core), CORE_NEVER);
    (void)client_script_reopen(&script); /* Nobody queues behind himself. */
    client_script_expect(&script, "[27000] > 5 HELLO resume 0 end 7 below 5\n");
}
END_TEST

/* With a shorter linger than the session timeout, a silent line is believed in
 * for longer than one that broke. */
START_TEST(a_break_shortens_the_belief)
{
    uint64_t a;

    client_script_stop(&script);
    client_script_start_lingering(&script, 10000);
    a = client_script_acquire(&script, "a", -1, 0, false);
    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(believed_until_ms(), 13500);
    client_script_break(&script);
    ck_assert_int_eq(believed_until_ms(), 9000);
}
END_TEST

START_TEST(what_has_no_answer_is_sent_again_with_the_rest_of_its_wait)
{
    uint64_t a = client_script_acquire(&script, "a", 20000, 0, false);
    uint64_t p = client_script_ask(&script, "p", WIRE_POST);
    uint64_t hello;

    client_script_at(&script, 100);
    client_script_break(&script);
    (void)client_script_ask(&script, "q", WIRE_POST); /* It never left. */
    client_script_at(&script, 500);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_say_type(&script, p, WIRE_POSTED);
    client_script_granted(&script, a, 400, 0);
    client_script_expect(&script, "[   0] > 2 ACQUIRE 20000\n"
                                  "[   0] > 3 POST jobs 1\n"
                                  "[ 100] DOWN disconnected: cut\n"
                                  "[ 500] > 5 HELLO resume 7 end 0 below 2\n"
                                  "[ 500] READY 7\n"
                                  "[ 500] > 2 ACQUIRE 19500\n"
                                  "[ 500] > 3 POST jobs 1\n"
                                  "[ 500] > 4 POST jobs 1\n"
                                  "[ 500] p ok\n"
                                  "[ 500] a ok\n");
}
END_TEST

START_TEST(the_rest_of_a_wait_is_rounded_up)
{
    uint64_t a = client_script_acquire(&script, "a", 20000, 0, false);
    uint64_t hello;

    client_script_at(&script, 100);
    client_script_break(&script);
    client_script_at(&script, 500);
    hello = client_script_reopen(&script);
    core_advance(script.core, INT64_C(500000001));
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_granted(&script, a, 400, 0);
    client_script_expect(&script, "[   0] > 2 ACQUIRE 20000\n"
                                  "[ 100] DOWN disconnected: cut\n"
                                  "[ 500] > 3 HELLO resume 7 end 0 below 2\n"
                                  "[ 500] READY 7\n"
                                  "[ 500] > 2 ACQUIRE 19500\n"
                                  "[ 500] a ok\n");
}
END_TEST

START_TEST(a_ping_goes_with_its_line)
{
    uint64_t hello;

    client_script_at(&script, 5000);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_expect(&script, "[5000] > 2 PING\n"
                                  "[5000] DOWN disconnected: cut\n"
                                  "[5000] > 3 HELLO resume 7 end 0 below 3\n"
                                  "[5000] READY 7\n");
    ck_assert_int_eq(believed_until_ms(), 5000 + 27000);
}
END_TEST

START_TEST(a_wait_that_is_over_while_there_is_no_line_is_given_up)
{
    uint64_t a = client_script_acquire(&script, "a", 200, 0, false);
    uint64_t hello;

    client_script_break(&script);
    client_script_at(&script, 1200);
    client_script_expect(&script, "[   0] > 2 ACQUIRE 200\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[1200] a no_answer\n");
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, &a, 1, false);
    client_script_expect(&script, "[1200] > 4 HELLO resume 7 end 0 below 2\n"
                                  "[1200] READY 7\n"
                                  "[1200] > 2 ACQUIRE 1\n"
                                  "[1200] > 3 CANCEL 2\n");
    client_script_granted(&script, a, 0, 0);
    client_script_expect(&script, "[1200] > 5 RELEASE 2 0\n");
}
END_TEST

/* ------------------------------------------------------------------ releases
 */

START_TEST(a_release_without_a_line_is_sent_with_the_next)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_break(&script);
    ck_assert_int_eq(client_script_release(&script, "r", a, 0), PERMIT_OK);
    client_script_at(&script, 1000); /* Its caller is let go. */
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, &a, 1, false);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[1000] r no_answer\n"
                                  "[1000] > 4 HELLO resume 7 end 0 below 3\n"
                                  "[1000] READY 7\n"
                                  "[1000] > 3 RELEASE 2 0\n");
}
END_TEST

/* As a whole, or as all its parts. */
START_TEST(a_release_whose_answer_was_lost_is_no_loss)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    script.length = 0;
    ck_assert_int_eq(client_script_release(&script, "r", a, (uint32_t)(3 * _i)),
                     PERMIT_OK);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_say_type(&script, 3, WIRE_DONE);
    client_script_expect(&script,
                         _i == 0 ? "[   0] > 3 RELEASE 2 0\n"
                                   "[   0] DOWN disconnected: cut\n"
                                   "[   0] > 4 HELLO resume 7 end 0 below 3\n"
                                   "[   0] READY 7\n"
                                   "[   0] > 3 RELEASE 2 0\n"
                                   "[   0] r ok\n"
                                 : "[   0] > 3 RELEASE 2 3\n"
                                   "[   0] DOWN disconnected: cut\n"
                                   "[   0] > 4 HELLO resume 7 end 0 below 3\n"
                                   "[   0] READY 7\n"
                                   "[   0] > 3 RELEASE 2 3\n"
                                   "[   0] r ok\n");
}
END_TEST

START_TEST(what_is_forgotten_without_a_line_is_given_back)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_break(&script);
    core_forget(script.core, a);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, &a, 1, false);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[   0] > 4 HELLO resume 7 end 0 below 3\n"
                                  "[   0] READY 7\n"
                                  "[   0] > 3 RELEASE 2 0\n");
}
END_TEST

START_TEST(a_grant_that_nobody_knows_is_released_after_all_else)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(client_script_release(&script, "r", a, 0), PERMIT_OK);
    client_script_say_type(&script, 3, WIRE_DONE);
    (void)client_script_ask(&script, "p", WIRE_POST);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, &a, 1, false);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 RELEASE 2 0\n"
                                  "[   0] r ok\n"
                                  "[   0] > 4 POST jobs 1\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[   0] > 5 HELLO resume 7 end 0 below 4\n"
                                  "[   0] READY 7\n"
                                  "[   0] > 4 POST jobs 1\n"
                                  "[   0] > 6 RELEASE 2 0\n");
}
END_TEST

/* ------------------------------------------------------- the session is gone
 */

START_TEST(a_new_session_is_asked_only_what_never_left)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    (void)client_script_acquire(&script, "b", -1, 0, false);
    (void)client_script_ask(&script, "p", WIRE_POST);
    (void)client_script_ask(&script, "q", WIRE_QUERY);
    client_script_break(&script);
    (void)client_script_acquire(&script, "c", -1, 0, false);
    (void)client_script_ask(&script, "d", WIRE_POST);
    ck_assert_int_eq(client_script_release(&script, "r", a, 0), PERMIT_OK);
    hello = client_script_reopen(&script);
    client_script_replaced(&script, hello);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 ACQUIRE -1\n"
                                  "[   0] > 4 POST jobs 1\n"
                                  "[   0] > 5 QUERY\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[   0] > 9 HELLO resume 7 end 0 below 3\n"
                                  "[   0] a LOST session\n"
                                  "[   0] b outcome_unknown\n"
                                  "[   0] p outcome_unknown\n"
                                  "[   0] q disconnected\n"
                                  "[   0] r expired\n"
                                  "[   0] READY 9\n"
                                  "[   0] > 6 ACQUIRE -1\n"
                                  "[   0] > 7 POST jobs 1\n");
}
END_TEST

/* Until the last grant of the former one is lost: else it would be believed in
 * by what the new one says. */
START_TEST(a_new_session_is_believed_in_when_the_former_one_is_not)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    struct core_event event;
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.is_deaf = true;
    client_script_replaced(&script, hello);
    ck_assert(core_next_event(script.core, &event));
    ck_assert_int_eq(event.type, CORE_EVENT_LOST);
    ck_assert_int_eq(believed_until_ms(), 0);
    ck_assert(core_next_event(script.core, &event));
    ck_assert_int_eq(event.type, CORE_EVENT_READY);
    ck_assert_int_eq(believed_until_ms(), 27000);
}
END_TEST

static const struct {
    enum wire_goaway_reason reason;
    uint64_t ended;
} ends[] = {{WIRE_GOAWAY_SUPERSEDED, 0}, /* It is another's. */
            {WIRE_GOAWAY_KICKED, 7},
            {WIRE_GOAWAY_PROTOCOL, 7}};

START_TEST(a_session_that_the_server_took_is_not_gone_on_with)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    char expected[128];

    client_script_granted(&script, a, 0, 0);
    client_script_say(&script,
                      &(const struct wire_server_message){
                          .type = WIRE_GOAWAY,
                          .goaway = {.reason = ends[_i].reason, .detail = ""}});
    script.length = 0;
    client_script_break(&script);
    ck_assert(!core_wants_line(script.core));
    ck_assert_ptr_nonnull(strstr(script.transcript, "a LOST session\n"));
    script.length = 0;
    (void)client_script_reopen(&script);
    (void)snprintf(expected, sizeof(expected),
                   "[   0] > 3 HELLO resume 0 end %d below 3\n",
                   (int)ends[_i].ended);
    client_script_expect(&script, expected);
}
END_TEST

START_TEST(a_shutdown_is_gone_on_from_and_says_when)
{
    struct core_event event;

    client_script_say(&script, &(const struct wire_server_message){
                                   .type = WIRE_GOAWAY,
                                   .goaway = {.reason = WIRE_GOAWAY_SHUTDOWN,
                                              .retry_after_ms = 1500,
                                              .detail = ""}});
    core_break(script.core, PERMIT_E_DISCONNECTED, "cut");
    ck_assert(core_next_event(script.core, &event));
    ck_assert_int_eq(event.type, CORE_EVENT_DOWN);
    ck_assert_int_eq(event.retry_after_ms, 1500);
    ck_assert(core_wants_line(script.core));
}
END_TEST

START_TEST(a_refused_resume_ends_the_session_if_it_never_will_be)
{
    static const enum permit_status reasons[] = {
        PERMIT_E_DENIED, PERMIT_E_TOO_MANY, PERMIT_E_UNAVAILABLE,
        PERMIT_E_RECOVERING};
    uint64_t hello;

    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_refused(&script, hello, reasons[_i]);
    ck_assert(core_is_down(script.core));
    ck_assert(core_wants_line(script.core) == (_i > 0));
}
END_TEST

START_TEST(a_session_that_is_ended_without_a_line_leaves_nothing)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    (void)client_script_acquire(&script, "b", -1, 0, false);
    client_script_break(&script);
    script.length = 0;
    core_end(script.core, PERMIT_E_CLOSED, "done");
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] a LOST session\n"
                                  "[   0] b outcome_unknown\n");
    ck_assert(core_is_down(script.core) && !core_wants_line(script.core));
}
END_TEST

/* -------------------------------------------------------------------- lists
 */

START_TEST(c19_a_list_that_makes_no_sense_ends_the_session)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_ask(&script, "b", WIRE_POST);
    const uint64_t lists[][2] = {
        {a, a},  /* Twice. */
        {0, a},  /* No acquire. */
        {99, a}, /* None of ours. */
        {b, a}   /* A request that makes none. */
    };
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_resumed(&script, hello, lists[_i], 2, false);
    client_script_expect(&script,
                         "[   0] a LOST session\n"
                         "[   0] b outcome_unknown\n"
                         "[   0] DOWN protocol: the grants that the server "
                         "lists are not ours\n");
}
END_TEST

START_TEST(c19_a_list_without_an_end_ends_the_session)
{
    uint64_t hello;

    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, NULL, 0, true);
    for (int i = 0; i < 70000 && !core_is_down(script.core); i++) {
        client_script_grants(&script, hello, NULL, 0, true);
    }
    ck_assert(core_is_down(script.core) && !core_wants_line(script.core));
}
END_TEST

START_TEST(a_grant_that_comes_lost_is_believed_in_by_nobody)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, NULL, 0, false);
    script.length = 0;
    client_script_say(
        &script, &(const struct wire_server_message){
                     .id = a,
                     .type = WIRE_GRANTED,
                     .granted = {.grant_id = 102, .fence = 1, .lost = true}});
    client_script_lost(&script, a, 102, PERMIT_LOSS_REVOKED);
    client_script_expect(&script, "[   0] a OK until 0.000\n"
                                  "[   0] a LOST revoked\n");
}
END_TEST

/* ------------------------------------------------------------------- silence
 */

START_TEST(a_silent_line_is_left_for_another_and_kept)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_at(&script, 5000);
    client_script_at(&script, 9999);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[5000] > 3 PING\n");
    client_script_at(&script, 10000);
    client_script_expect(&script, "[10000] DOWN disconnected: the server was "
                                  "silent for too long (silent)\n");
    ck_assert(core_wants_line(script.core));
    ck_assert_int_eq(believed_until_ms(), 13500); /* Without a linger, too. */
    hello = client_script_reopen(&script);
    client_script_at(&script, 13499); /* It is waited for. */
    client_script_resumed(&script, hello, &a, 1, false);
    client_script_expect(&script, "[10000] > 4 HELLO resume 7 end 0 below 4\n"
                                  "[13499] READY 7\n");
    ck_assert_int_eq(believed_until_ms(), 10000 + 13500);
}
END_TEST

/* A9: the daemon was stopped. What is held is lost in time, and given back when
 * it goes on; what waits keeps its place. */
START_TEST(who_waits_outlasts_the_belief_of_a_silent_line)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_at(&script, 5000);
    client_script_at(&script, 10000);
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_at(&script, 13500);
    client_script_expect(&script, "[13500] a LOST session\n");
    ck_assert_int_eq(believed_until_ms(), 0);
    client_script_at(&script, 30000);
    client_script_resumed(&script, hello, &a, 1, false);
    client_script_expect(&script, "[30000] READY 7\n"
                                  "[30000] > 7 PING\n");
    ck_assert_int_eq(believed_until_ms(), 0); /* That Hello is too old. */
    client_script_say_type(&script, 7, WIRE_PONG);
    ck_assert_int_eq(believed_until_ms(), 30000 + 13500);
    client_script_granted(&script, b, 0, 0);
    client_script_expect(&script, "[30000] > 3 ACQUIRE -1\n"
                                  "[30000] > 6 RELEASE 2 0\n"
                                  "[30000] b ok\n");
}
END_TEST

START_TEST(what_answers_is_not_silent)
{
    uint64_t p;

    client_script_at(&script, 5000);
    client_script_at(&script, 9500);
    p = client_script_ask(&script, "p", WIRE_POST);
    client_script_at(&script, 9999);
    client_script_say_type(&script, p, WIRE_POSTED);
    client_script_at(&script, 10000);
    client_script_expect(&script, "[5000] > 2 PING\n"
                                  "[9500] > 3 POST jobs 1\n"
                                  "[9999] p ok\n"
                                  "[10000] > 4 PING\n");
}
END_TEST

START_TEST(a_silent_line_that_nothing_follows_ends_in_time)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    (void)client_script_acquire(&script, "b", -1, 0, false);
    client_script_at(&script, 5000);
    client_script_at(&script, 10000);
    script.is_stuck = true;
    (void)client_script_reopen(&script);
    client_script_break(&script); /* It is not to be had. */
    ck_assert(core_wants_line(script.core));
    script.length = 0;
    client_script_at(&script, 13500);
    client_script_expect(&script, "[13500] a LOST session\n"
                                  "[13500] b outcome_unknown\n");
    ck_assert(!core_wants_line(script.core));
}
END_TEST

START_TEST(more_pings_do_not_put_off_the_silence)
{
    uint64_t hello;

    client_script_break(&script);
    script.heartbeat_ms = 2000;
    hello = client_script_reopen(&script);
    client_script_replaced(&script, hello);
    script.length = 0;
    client_script_at(&script, 2000);
    client_script_at(&script, 4000);
    client_script_at(&script, 6000);
    client_script_at(&script, 6999);
    client_script_expect(&script, "[2000] > 3 PING\n"
                                  "[4000] > 4 PING\n"
                                  "[6000] > 5 PING\n");
    client_script_at(&script, 7000); /* 5 s after the first of them. */
    client_script_expect(&script, "[7000] DOWN disconnected: the server was "
                                  "silent for too long (silent)\n");
}
END_TEST

START_TEST(without_a_linger_a_break_is_the_end)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    client_script_break(&script);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[   0] a LOST session\n"
                                  "[   0] DOWN disconnected: cut\n");
    ck_assert(!core_wants_line(script.core));
}
END_TEST

static void add_lists(TCase *lists)
{
    tcase_add_loop_test(lists, c19_a_list_that_makes_no_sense_ends_the_session,
                        0, 4);
    tcase_add_test(lists, c19_a_list_without_an_end_ends_the_session);
    tcase_add_test(lists, a_grant_that_comes_lost_is_believed_in_by_nobody);
}

static void add_ends(TCase *ends_case)
{
    tcase_add_test(ends_case, a_new_session_is_asked_only_what_never_left);
    tcase_add_test(ends_case,
                   a_new_session_is_believed_in_when_the_former_one_is_not);
    tcase_add_loop_test(ends_case,
                        a_session_that_the_server_took_is_not_gone_on_with, 0,
                        (int)(sizeof(ends) / sizeof(*ends)));
    tcase_add_test(ends_case, a_shutdown_is_gone_on_from_and_says_when);
    tcase_add_loop_test(
        ends_case, a_refused_resume_ends_the_session_if_it_never_will_be, 0, 4);
    tcase_add_test(ends_case,
                   a_session_that_is_ended_without_a_line_leaves_nothing);
}

int main(void)
{
    Suite *suite = suite_create("client_resume");
    TCase *lingering = tcase_create("lingering");
    TCase *silent = tcase_create("silent");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(lingering, start, stop);
    tcase_add_checked_fixture(silent, start_without_linger, stop);
    tcase_add_test(lingering, a_break_costs_nothing_that_welcome_lists);
    tcase_add_test(lingering,
                   what_welcome_does_not_list_is_lost_before_the_line_is_ready);
    tcase_add_test(lingering,
                   a_break_that_lasts_loses_all_at_nine_tenths_of_the_linger);
    tcase_add_test(lingering, a_break_shortens_the_belief);
    tcase_add_test(lingering,
                   what_has_no_answer_is_sent_again_with_the_rest_of_its_wait);
    tcase_add_test(lingering, the_rest_of_a_wait_is_rounded_up);
    tcase_add_test(lingering, a_ping_goes_with_its_line);
    tcase_add_test(lingering,
                   a_wait_that_is_over_while_there_is_no_line_is_given_up);
    tcase_add_test(lingering, a_release_without_a_line_is_sent_with_the_next);
    tcase_add_loop_test(lingering, a_release_whose_answer_was_lost_is_no_loss,
                        0, 2);
    tcase_add_test(lingering, what_is_forgotten_without_a_line_is_given_back);
    tcase_add_test(lingering,
                   a_grant_that_nobody_knows_is_released_after_all_else);
    add_ends(lingering);
    add_lists(lingering);
    tcase_add_test(silent, a_silent_line_is_left_for_another_and_kept);
    tcase_add_test(silent, who_waits_outlasts_the_belief_of_a_silent_line);
    tcase_add_test(silent, what_answers_is_not_silent);
    tcase_add_test(silent, a_silent_line_that_nothing_follows_ends_in_time);
    tcase_add_test(silent, more_pings_do_not_put_off_the_silence);
    tcase_add_test(silent, without_a_linger_a_break_is_the_end);
    suite_add_tcase(suite, lingering);
    suite_add_tcase(suite, silent);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
