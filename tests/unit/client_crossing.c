/* SPDX-License-Identifier: MIT */

/* A client's core and what crosses: an answer and a re-send, a loss and a
 * repeat, a cancel and the first write, a session and a slow Welcome. */

#include "client_script.h"

#include <stdlib.h>

#include <check.h>

static struct client_script script;

static void start(void)
{
    client_script_start_lingering(&script, 30000);
}

static void stop(void)
{
    client_script_stop(&script);
}

/* What happened so far is not the point. */
static void skip(void)
{
    script.length = 0;
    script.transcript[0] = '\0';
}

/* The session goes on over a new line, with the grants of those acquires. */
static void go_on(const uint64_t *acquire_ids, uint32_t count)
{
    uint64_t hello;

    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, acquire_ids, count, false);
    skip();
}

/* The waiter gets its place back, and is granted, before the acquire comes
 * again: then that gets the answer again. */
START_TEST(an_answer_that_crosses_a_re_send_counts_once)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    go_on(NULL, 0);
    client_script_granted(&script, a, 0, 0);
    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(client_script_release(&script, "r", a, 0), PERMIT_OK);
    client_script_say_type(&script, 4, WIRE_DONE);
    client_script_granted(&script, a, 0, 0);
    client_script_expect(&script, "[   0] a ok\n"
                                  "[   0] > 4 RELEASE 2 0\n"
                                  "[   0] r ok\n");
    client_script_granted(&script, 4, 0, 0); /* Sent once: no repeat. */
    client_script_expect(&script, "[   0] DOWN protocol: the server answered "
                                  "what was not asked\n");
}
END_TEST

START_TEST(a_listed_grant_may_be_lost_before_its_answer_comes_again)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 100, false);

    go_on(&a, 1);
    client_script_lost(&script, a, 102, PERMIT_LOSS_HOLD);
    client_script_expect(&script, "");
    client_script_say(
        &script, &(const struct wire_server_message){
                     .id = a,
                     .type = WIRE_GRANTED,
                     .granted = {.grant_id = 102, .fence = 1, .lost = true}});
    client_script_lost(&script, a, 102, PERMIT_LOSS_HOLD);
    client_script_expect(&script, "[   0] a OK until 0.000\n"
                                  "[   0] a LOST hold\n");
}
END_TEST

START_TEST(a_grant_that_nobody_knows_may_be_lost_before_it_is_released)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(client_script_release(&script, "r", a, 0), PERMIT_OK);
    client_script_say_type(&script, 3, WIRE_DONE);
    go_on(&a, 1);
    client_script_lost(&script, a, 102, PERMIT_LOSS_HOLD);
    client_script_refused(&script, 5, PERMIT_E_EXPIRED);
    client_script_expect(&script, "");
}
END_TEST

/* What is cancelled between Welcome and the first write. */
START_TEST(what_is_cancelled_before_it_leaves_never_leaves)
{
    struct core_event event;
    uint64_t hello;
    uint64_t a;
    size_t length;

    client_script_break(&script);
    a = client_script_acquire(&script, "a", -1, 0, false);
    hello = client_script_reopen(&script);
    skip();
    script.is_deaf = true;
    client_script_resumed(&script, hello, NULL, 0, false);
    ck_assert(core_next_event(script.core, &event));
    ck_assert_int_eq(event.type, CORE_EVENT_READY);
    ck_assert(core_cancel(script.core, a));
    (void)core_output(script.core, &length);
    ck_assert_uint_eq(length, 0);
    script.is_deaf = false;
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] a cancelled\n");
}
END_TEST

/* What such a Welcome proves is over: nobody believes before a Ping is
 * answered, and what is lost until then nobody keeps. */
START_TEST(what_is_lost_after_a_slow_welcome_is_given_back)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_at(&script, 28000);
    client_script_resumed(&script, hello, NULL, 0, false);
    skip();
    client_script_granted(&script, a, 0, 0);
    (void)client_script_ask(&script, "p", WIRE_POST);
    client_script_at(&script, 29000);
    client_script_say_type(&script, 4, WIRE_PONG);
    client_script_expect(&script, "[28000] a ok\n"
                                  "[29000] a LOST session\n"
                                  "[29000] p disconnected\n"
                                  "[29000] > 6 RELEASE 2 0\n");
}
END_TEST

/* The server may have obeyed that Hello: then this line is the session's, and
 * its end too, whatever the client heard. */
START_TEST(a_hello_that_left_may_have_been_the_session_s_line)
{
    uint64_t a;

    client_script_stop(&script);
    client_script_start_lingering(&script, 0);
    a = client_script_acquire(&script, "a", -1, 0, false);
    client_script_granted(&script, a, 0, 0);
    client_script_at(&script, 5000);
    client_script_at(&script, 10000); /* Silent, not broken. */
    (void)client_script_reopen(&script);
    ck_assert_int_gt(core_believed_until(script.core), 10000);
    skip();
    client_script_break(&script);
    client_script_expect(&script, "[10000] a LOST session\n"
                                  "[10000] DOWN disconnected: cut\n");
}
END_TEST

/* Nor does an answer to it, which only a server that is wrong can give. */
START_TEST(a_renew_that_overtakes_its_grant_ends_no_hold)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t r = client_script_renew(&script, "r", a, 20);

    skip();
    client_script_at(&script, 10);
    client_script_renewed(&script, r, 20);
    client_script_at(&script, 21);
    ck_assert_int_gt(core_next_deadline(script.core), 21000000);
    client_script_granted(&script, a, 0, 0);
    client_script_expect(&script, "[  10] r expired\n"
                                  "[  21] a ok\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_crossing");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(all, start, stop);
    tcase_add_test(all, an_answer_that_crosses_a_re_send_counts_once);
    tcase_add_test(all,
                   a_listed_grant_may_be_lost_before_its_answer_comes_again);
    tcase_add_test(all,
                   a_grant_that_nobody_knows_may_be_lost_before_it_is_released);
    tcase_add_test(all, what_is_cancelled_before_it_leaves_never_leaves);
    tcase_add_test(all, what_is_lost_after_a_slow_welcome_is_given_back);
    tcase_add_test(all, a_hello_that_left_may_have_been_the_session_s_line);
    tcase_add_test(all, a_renew_that_overtakes_its_grant_ends_no_hold);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
