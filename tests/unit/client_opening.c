/* SPDX-License-Identifier: MIT */

/* What is asked of a client's core before there is a session. */

#include "client_script.h"
#include "frame.h"

#include <stdlib.h>

#include <check.h>

#define NS_PER_MS INT64_C(1000000)

static struct client_script script;

static void start(void)
{
    client_script_open(&script);
}

static void stop(void)
{
    client_script_stop(&script);
}

START_TEST(what_is_asked_leaves_after_welcome)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    (void)client_script_ask(&script, "p", WIRE_POST);
    client_script_at(&script, 500);
    client_script_expect(&script, "");
    ck_assert(core_is_open(script.core));
    ck_assert(!core_has_line(script.core));
    client_script_welcome(&script);
    client_script_granted(&script, a, 0, 0);
    client_script_expect(&script, "[ 500] READY 7\n"
                                  "[ 500] > 2 ACQUIRE jobs\n"
                                  "[ 500] > 3 POST jobs 1\n"
                                  "[ 500] a ok\n");
}
END_TEST

/* So that a hold of before Welcome is not believed in for longer than the
 * server keeps it, and S is when Hello left and not when it was written. */
START_TEST(belief_counts_from_when_hello_left)
{
    core_destroy(script.core);
    client_script_open(&script);
    core_break(script.core, PERMIT_E_DISCONNECTED, "");
    client_script_go_on(&script);
    script.is_stuck = true;
    core_open(script.core, 0, 1000 * NS_PER_MS);
    client_script_at(&script, 700);
    script.is_stuck = false;
    client_script_at(&script, 800);
    client_script_expect(&script, "[   0] DOWN disconnected: \n"
                                  "[ 800] > 2 HELLO\n");
    client_script_say_bytes(&script, frame_preface, FRAME_PREFACE_BYTES);
    client_script_say(&script, &(const struct wire_server_message){
                                   .id = 2,
                                   .type = WIRE_WELCOME,
                                   .welcome = {.session_id = 8,
                                               .boot_id = "b",
                                               .heartbeat_ms = 5000,
                                               .session_timeout_ms = 15000,
                                               .server = "t"}});
    ck_assert_int_eq(core_believed_until(script.core),
                     (800 + 13500) * NS_PER_MS);
}
END_TEST

START_TEST(a_refused_hello_refuses_what_was_asked)
{
    (void)client_script_acquire(&script, "a", -1, 0, false);
    (void)client_script_ask(&script, "p", WIRE_PING);
    client_script_say_bytes(&script, frame_preface, FRAME_PREFACE_BYTES);
    client_script_refused(&script, 1, PERMIT_E_TOO_MANY);
    client_script_expect(&script, "[   0] a too_many\n"
                                  "[   0] p too_many\n"
                                  "[   0] DOWN too_many: a quota is used up\n");
}
END_TEST

START_TEST(a_line_that_was_no_session_leaves_nothing_unknown)
{
    (void)client_script_acquire(&script, "a", -1, 0, false);
    (void)client_script_ask(&script, "p", WIRE_POST);
    core_break(script.core, PERMIT_E_DISCONNECTED, "cut");
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] a disconnected\n"
                                  "[   0] p disconnected\n"
                                  "[   0] DOWN disconnected: cut\n");
}
END_TEST

START_TEST(what_is_cancelled_before_welcome_ends_at_once_and_never_leaves)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", -1, 0, false);

    (void)client_script_ask(&script, "p", WIRE_POST);
    (void)core_cancel(script.core, a);
    (void)core_cancel(script.core, a);
    ck_assert_int_le(core_next_deadline(script.core), 0);
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] a cancelled\n");
    (void)core_cancel(script.core, a);
    client_script_welcome(&script);
    client_script_expect(&script, "[   0] READY 7\n"
                                  "[   0] > 3 ACQUIRE jobs\n"
                                  "[   0] > 4 POST jobs 1\n");
    client_script_granted(&script, b, 0, 0);
    client_script_expect(&script, "[   0] b ok\n");
}
END_TEST

START_TEST(each_of_what_waits_for_welcome_may_be_taken_back)
{
    for (int taken = 0; taken < 3; taken++) {
        static const char *const left[] = {
            "[   0] READY 7\n[   0] > 3 ACQUIRE jobs\n"
            "[   0] > 4 ACQUIRE jobs\n",
            "[   0] READY 7\n[   0] > 2 ACQUIRE jobs\n"
            "[   0] > 4 ACQUIRE jobs\n",
            "[   0] READY 7\n[   0] > 2 ACQUIRE jobs\n"
            "[   0] > 3 ACQUIRE jobs\n"};
        uint64_t ids[3];

        core_destroy(script.core);
        client_script_open(&script);
        for (int i = 0; i < 3; i++) {
            ids[i] = client_script_acquire(&script, "x", -1, 0, false);
        }
        (void)core_cancel(script.core, ids[taken]);
        client_script_go_on(&script);
        client_script_expect(&script, "[   0] x cancelled\n");
        client_script_welcome(&script);
        client_script_expect(&script, left[taken]);
        /* What is left of them has its place in the line: sent in part, its
         * outcome is not known. */
        core_break(script.core, PERMIT_E_DISCONNECTED, "cut");
        client_script_go_on(&script);
        client_script_expect(&script, "[   0] x outcome_unknown\n"
                                      "[   0] x outcome_unknown\n"
                                      "[   0] DOWN disconnected: cut\n");
    }
}
END_TEST

START_TEST(a_request_is_not_kept_beyond_its_time)
{
    core_destroy(script.core);
    client_script_open(&script);
    core_break(script.core, PERMIT_E_DISCONNECTED, "");
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] DOWN disconnected: \n");
    core_open(script.core, 0, 9000 * NS_PER_MS);
    (void)client_script_acquire(&script, "a", 500, 0, false);
    client_script_at(&script, 1499);
    client_script_expect(&script, "[   0] > 2 HELLO\n");
    client_script_at(&script, 1500);
    client_script_expect(&script, "[1500] a disconnected\n");
    ck_assert_int_eq(core_next_deadline(script.core), 9000 * NS_PER_MS);
}
END_TEST

START_TEST(the_number_of_requests_is_bounded)
{
    struct wire_client_message message = {.type = WIRE_PING};
    const struct core_request request = {
        .message = &message, .answer_by_ns = CORE_NEVER, .arg = &message};
    uint64_t id;

    for (uint32_t i = 0; i < CORE_REQUESTS_MAX; i++) {
        ck_assert_int_eq(core_ask(script.core, &request, &id), PERMIT_OK);
    }
    ck_assert_int_eq(core_ask(script.core, &request, &id), PERMIT_E_TOO_MANY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_opening");
    TCase *tcase = tcase_create("opening");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, what_is_asked_leaves_after_welcome);
    tcase_add_test(tcase, belief_counts_from_when_hello_left);
    tcase_add_test(tcase, a_refused_hello_refuses_what_was_asked);
    tcase_add_test(tcase, a_line_that_was_no_session_leaves_nothing_unknown);
    tcase_add_test(
        tcase, what_is_cancelled_before_welcome_ends_at_once_and_never_leaves);
    tcase_add_test(tcase, each_of_what_waits_for_welcome_may_be_taken_back);
    tcase_add_test(tcase, a_request_is_not_kept_beyond_its_time);
    tcase_add_test(tcase, the_number_of_requests_is_bounded);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
