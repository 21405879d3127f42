/* SPDX-License-Identifier: MIT */

/* A client's core where two things meet: an answer and what ended before it, a
 * call and the events that are still to be taken. */

#include "client_script.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "frame.h"

#define NS_PER_MS INT64_C(1000000)

static struct client_script script;

static void start(void)
{
    client_script_start_lingering(&script, 30000);
}

static void stop(void)
{
    client_script_stop(&script);
}

/* Takes one event, as `type` of `name`; NULL: of nobody. */
static void take_event(enum core_event_type type, const char *name)
{
    struct core_event event;

    ck_assert(core_next_event(script.core, &event));
    ck_assert_int_eq(event.type, type);
    ck_assert_pstr_eq(event.arg, name);
}

/* Asks for a whole Release, and takes no event. */
static enum permit_status ask_release(uint64_t acquire_id)
{
    struct wire_client_message message = {
        .type = WIRE_RELEASE, .release = {.acquire_id = acquire_id}};
    const struct core_request request = {.message = &message,
                                         .answer_by_ns = CORE_NEVER};
    uint64_t id;

    return core_release(script.core, &request, &id);
}

/* ------------------------------------------------------------------ requests
 */

START_TEST(a_release_is_answered_when_its_grant_is_gone)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(client_script_release(&script, "x", a, 0), PERMIT_OK);
    ck_assert_int_eq(client_script_release(&script, "y", a, 0), PERMIT_OK);
    client_script_say_type(&script, a + 1, WIRE_DONE);
    client_script_refused(&script, a + 2, PERMIT_E_NOT_HELD);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, &a, 1, false); /* The core's own. */
    client_script_say_type(&script, hello + 1, WIRE_DONE);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 RELEASE 2 0\n"
                                  "[   0] > 4 RELEASE 2 0\n"
                                  "[   0] x ok\n"
                                  "[   0] y not_held\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[   0] > 5 HELLO resume 7 end 0 below 5\n"
                                  "[   0] READY 7\n"
                                  "[   0] > 6 RELEASE 2 0\n");
    ck_assert(core_has_line(script.core));
}
END_TEST

START_TEST(what_is_given_back_whole_is_no_loss_if_a_part_is_too)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(client_script_release(&script, "x", a, 0), PERMIT_OK);
    ck_assert_int_eq(client_script_release(&script, "y", a, 1), PERMIT_OK);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_expect(&script, "[   0] READY 7\n"
                                  "[   0] > 3 RELEASE 2 0\n"
                                  "[   0] > 4 RELEASE 2 1\n");
}
END_TEST

START_TEST(a_renew_of_what_is_gone_is_too_late)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 5000, false);

    client_script_granted(&script, a, 0, 5000);
    (void)client_script_renew(&script, "n", a, 0);
    ck_assert_int_eq(client_script_release(&script, "x", a, 0), PERMIT_OK);
    client_script_say_type(&script, a + 2, WIRE_DONE);
    client_script_renewed(&script, a + 1, 5000);
    (void)client_script_renew(&script, "m", a, 0); /* Of nothing at all. */
    client_script_refused(&script, a + 3, PERMIT_E_NOT_HELD);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a OK until 4995.000\n"
                                  "[   0] > 3 RENEW\n"
                                  "[   0] > 4 RELEASE 2 0\n"
                                  "[   0] x ok\n"
                                  "[   0] n expired\n"
                                  "[   0] > 5 RENEW\n"
                                  "[   0] m not_held\n");
}
END_TEST

START_TEST(a_refused_ping_proves_nothing)
{
    client_script_at(&script, 1000);
    (void)client_script_ask(&script, "p", WIRE_PING);
    client_script_refused(&script, 2, PERMIT_E_TOO_MANY);
    client_script_expect(&script, "[1000] > 2 PING\n"
                                  "[1000] p too_many\n");
    ck_assert_int_eq(core_believed_until(script.core), 27000 * NS_PER_MS);
    (void)client_script_ask(&script, "p", WIRE_PING);
    client_script_say_type(&script, 3, WIRE_PONG);
    ck_assert_int_eq(core_believed_until(script.core), 28000 * NS_PER_MS);
}
END_TEST

START_TEST(who_gave_up_hears_of_no_place_and_has_nothing_to_cancel)
{
    uint64_t a = client_script_acquire(&script, "a", 100, 0, false);

    client_script_at(&script, 1100);
    client_script_say_type(&script, a, WIRE_WAITING);
    ck_assert(!core_cancel(script.core, a));
    ck_assert(!core_cancel(script.core, a + 1)); /* The Cancel itself. */
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] > 2 ACQUIRE 100\n"
                                  "[1100] a no_answer\n"
                                  "[1100] > 3 CANCEL 2\n");
}
END_TEST

START_TEST(what_left_before_the_break_is_cancelled_behind_it)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_break(&script);
    hello = client_script_reopen(&script);
    ck_assert(core_cancel(script.core, a));
    client_script_at(&script, 10);
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_granted(&script, a, 0, 0);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[   0] > 3 HELLO resume 7 end 0 below 2\n"
                                  "[  10] READY 7\n"
                                  "[  10] > 2 ACQUIRE -1\n"
                                  "[  10] > 4 CANCEL 2\n"
                                  "[  10] a cancelled\n"
                                  "[  10] > 5 RELEASE 2 0\n");
}
END_TEST

START_TEST(a_new_session_is_not_asked_about_grants_of_the_former)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_break(&script);
    (void)client_script_renew(&script, "n", a, 100);
    ck_assert(core_cancel(script.core, b));
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_replaced(&script, hello);
    client_script_expect(&script, "[   0] a LOST session\n"
                                  "[   0] b outcome_unknown\n"
                                  "[   0] n disconnected\n"
                                  "[   0] READY 9\n");
}
END_TEST

START_TEST(bytes_keep_their_order_however_few_leave_at_once)
{
    uint8_t bytes[400000];
    size_t taken = 0;
    size_t length;
    uint64_t expected = 2;

    script.is_stuck = true;
    for (int i = 0; i < 10000; i++) {
        (void)client_script_ask(&script, "q", WIRE_QUERY);
    }
    for (;;) {
        const uint8_t *output = core_output(script.core, &length);
        size_t part = length > 40000 ? 40000 : length;

        if (length == 0) {
            break;
        }
        ck_assert_uint_le(taken + part, sizeof(bytes));
        memcpy(bytes + taken, output, part);
        taken += part;
        core_sent(script.core, part);
    }
    for (size_t at = 0; at < taken; expected++) {
        static _Alignas(16) uint8_t room[WIRE_ARENA_BYTES];
        struct wire_arena arena = {.bytes = room, .capacity = sizeof(room)};
        struct wire_client_message message;
        struct frame frame;
        int64_t used =
            frame_parse(bytes + at, taken - at, FRAME_BYTES_MAX, &frame);

        ck_assert_int_gt(used, 0);
        ck_assert_int_eq(wire_decode_client(frame.message, frame.message_bytes,
                                            &arena, &message),
                         PERMIT_OK);
        ck_assert_uint_eq(message.id, expected);
        at += (size_t)used;
    }
    ck_assert_uint_eq(expected, 10002);
}
END_TEST

/* -------------------------------------------------------- between two events
 */

START_TEST(what_is_to_be_told_is_due_at_once)
{
    struct core_event event;

    core_break(script.core, PERMIT_E_DISCONNECTED, "cut");
    ck_assert_int_eq(core_next_deadline(script.core), 0);
    ck_assert(!core_is_down(script.core));
    take_event(CORE_EVENT_DOWN, NULL);
    ck_assert(!core_next_event(script.core, &event));
    ck_assert(core_is_down(script.core));
    ck_assert_int_gt(core_next_deadline(script.core), 0);
}
END_TEST

START_TEST(nobody_opens_a_line_before_he_heard_what_the_last_one_cost)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    client_script_granted(&script, b, 0, 0);
    client_script_break(&script);
    ck_assert(core_is_down(script.core) && core_wants_line(script.core));
    core_advance(script.core, 27000 * NS_PER_MS); /* Belief is over. */
    take_event(CORE_EVENT_LOST, "a");
    ck_assert(!core_is_down(script.core) && !core_wants_line(script.core));
    take_event(CORE_EVENT_LOST, "b");
    client_script_go_on(&script);
    ck_assert(core_is_down(script.core) && !core_wants_line(script.core));
}
END_TEST

START_TEST(a_grant_that_is_forgotten_before_its_loss_is_told_is_told_nothing)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    client_script_granted(&script, b, 0, 0);
    script.length = 0;
    core_break(script.core, PERMIT_E_PROTOCOL, "cut");
    ck_assert_int_eq(ask_release(a), PERMIT_E_EXPIRED);
    core_forget(script.core, b);
    core_forget(script.core, 99); /* Nothing at all. */
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] a LOST session\n"
                                  "[   0] DOWN protocol: cut\n");
    script.shows_more = false;
    client_script_replaced(&script, client_script_reopen(&script));
    client_script_expect(&script, "[   0] > 4 HELLO\n" /* No Release. */
                                  "[   0] READY 9\n");
}
END_TEST

START_TEST(who_cancels_while_the_end_is_told_is_told_that)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    core_break(script.core, PERMIT_E_PROTOCOL, "cut");
    ck_assert(core_cancel(script.core, a));
    client_script_go_on(&script);
    ck_assert(!core_cancel(script.core, a));
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a outcome_unknown\n"
                                  "[   0] DOWN protocol: cut\n");
}
END_TEST

START_TEST(a_grant_that_is_forgotten_before_it_comes_is_told_no_loss)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    core_forget(script.core, a);
    client_script_granted(&script, a, 0, 0);
    client_script_lost(&script, a, 100 + a, PERMIT_LOSS_REVOKED);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n");
    ck_assert(core_has_line(script.core));
}
END_TEST

START_TEST(when_belief_is_over_nothing_is_asked_before_that_is_told)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    core_advance(script.core, 27000 * NS_PER_MS - 1);
    ck_assert(core_is_open(script.core));
    core_advance(script.core, 27000 * NS_PER_MS);
    ck_assert(!core_is_open(script.core));
    ck_assert_int_eq(ask_release(a), PERMIT_E_EXPIRED);
}
END_TEST

/* Belief ends while Hello has no answer; but the server has kept the grants. */
START_TEST(what_was_lost_while_hello_waited_is_given_back_once)
{
    uint64_t ids[2];
    uint64_t hello;

    ids[0] = client_script_acquire(&script, "a", -1, 0, false);
    ids[1] = client_script_acquire(&script, "b", -1, 0, false);
    client_script_granted(&script, ids[0], 0, 0);
    client_script_granted(&script, ids[1], 0, 0);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_at(&script, 26500);
    ck_assert_int_eq(client_script_release(&script, "x", ids[0], 0), PERMIT_OK);
    script.length = 0;
    client_script_at(&script, 27000);
    ck_assert_int_eq(client_script_release(&script, "y", ids[1], 0),
                     PERMIT_E_EXPIRED);
    client_script_resumed(&script, hello, ids, 2, false);
    client_script_expect(&script, "[27000] a LOST session\n"
                                  "[27000] b LOST session\n"
                                  "[27000] READY 7\n"
                                  "[27000] > 7 PING\n");
    client_script_say_type(&script, 7, WIRE_PONG);
    client_script_expect(&script, "[27000] > 5 RELEASE 2 0\n"
                                  "[27000] > 6 RELEASE 3 0\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_core_edges");
    TCase *tcase = tcase_create("edges");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, a_release_is_answered_when_its_grant_is_gone);
    tcase_add_test(tcase, what_is_given_back_whole_is_no_loss_if_a_part_is_too);
    tcase_add_test(tcase, a_renew_of_what_is_gone_is_too_late);
    tcase_add_test(tcase, a_refused_ping_proves_nothing);
    tcase_add_test(tcase,
                   who_gave_up_hears_of_no_place_and_has_nothing_to_cancel);
    tcase_add_test(tcase, what_left_before_the_break_is_cancelled_behind_it);
    tcase_add_test(tcase,
                   a_new_session_is_not_asked_about_grants_of_the_former);
    tcase_add_test(tcase, bytes_keep_their_order_however_few_leave_at_once);
    tcase_add_test(tcase, what_is_to_be_told_is_due_at_once);
    tcase_add_test(tcase,
                   nobody_opens_a_line_before_he_heard_what_the_last_one_cost);
    tcase_add_test(
        tcase,
        a_grant_that_is_forgotten_before_its_loss_is_told_is_told_nothing);
    tcase_add_test(tcase, who_cancels_while_the_end_is_told_is_told_that);
    tcase_add_test(tcase,
                   a_grant_that_is_forgotten_before_it_comes_is_told_no_loss);
    tcase_add_test(tcase,
                   when_belief_is_over_nothing_is_asked_before_that_is_told);
    tcase_add_test(tcase, what_was_lost_while_hello_waited_is_given_back_once);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
