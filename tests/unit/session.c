/* SPDX-License-Identifier: MIT */
/* What clients hear of real sessions over a real engine and gate. */
#include "session.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conversation.h"
#include "frame.h"

static struct conversation *talk;

static void setup(void)
{
    talk = conversation_create(false, NULL);
    ck_assert_ptr_nonnull(talk);
    ck_assert(conversation_hello(talk, 1));
    say_define(talk, 1, 2, "jobs", 1);
    conversation_expect(talk, "c1 preface\n"
                              "c1 #1 welcome\n"
                              "c1 #2 done\n");
}

static void teardown(void)
{
    conversation_destroy(talk);
}

START_TEST(acquire_and_release_are_answered_in_one_turn)
{
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 1, 4, "jobs", 1, 0);
    say_release(talk, 1, 5, 3);
    say_acquire(talk, 1, 6, "jobs", 1, 0);
    conversation_expect(talk, "c1 #3 granted\n"
                              "c1 #4 refused would_block\n"
                              "c1 #5 done\n"
                              "c1 #6 granted\n");
}
END_TEST

START_TEST(a_waiter_of_another_session_is_served_at_the_release)
{
    ck_assert(conversation_hello(talk, 2));
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 2, 2, "jobs", 1, -1);
    say_release(talk, 2, 3, 2); /* It waits: it holds nothing. */
    conversation_expect(talk, "c2 preface\n"
                              "c2 #1 welcome\n"
                              "c1 #3 granted\n"
                              "c2 #3 refused not_held\n");
    say_release(talk, 1, 4, 3);
    conversation_expect(talk, "c1 #4 done\n"
                              "c2 #2 granted\n");
}
END_TEST

START_TEST(c12_a_release_never_frees_what_is_not_its_own)
{
    ck_assert(conversation_hello(talk, 2));
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_release(talk, 2, 2, 3);
    say_release(talk, 1, 4, 99);
    say_release(talk, 1, 5, 3);
    say_release(talk, 1, 5, 3); /* Again: the first answer. */
    say_release(talk, 1, 6, 3); /* Another release of what is gone. */
    conversation_expect(talk, "c2 preface\n"
                              "c2 #1 welcome\n"
                              "c1 #3 granted\n"
                              "c2 #2 refused not_held\n"
                              "c1 #4 refused not_held\n"
                              "c1 #5 done\n"
                              "c1 #5 done\n"
                              "c1 #6 refused not_held\n");
}
END_TEST

START_TEST(c12_more_than_it_holds_changes_nothing)
{
    struct wire_client_message release = {.id = 4, .type = WIRE_RELEASE};

    release.release.acquire_id = 3;
    release.release.parts[0].semaphore = "jobs";
    release.release.parts[0].permits = 2;
    release.release.parts_count = 1;
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    conversation_say(talk, 1, &release);
    say_acquire(talk, 1, 5, "jobs", 1, 0);
    conversation_expect(talk, "c1 #3 granted\n"
                              "c1 #4 refused over_release\n"
                              "c1 #5 refused would_block\n");
}
END_TEST

START_TEST(c12_a_lost_grant_is_expired)
{
    struct wire_client_message acquire = {.id = 3, .type = WIRE_ACQUIRE};

    acquire.acquire.parts[0].semaphore = "jobs";
    acquire.acquire.parts[0].permits = 1;
    acquire.acquire.parts_count = 1;
    acquire.acquire.hold_ms = 100;
    conversation_say(talk, 1, &acquire);
    conversation_advance(talk, 100);
    say_release(talk, 1, 4, 3);
    conversation_expect(talk, "c1 #3 granted\n"
                              "c1 #3 lost hold\n"
                              "c1 #4 refused expired\n");
}
END_TEST

START_TEST(c13_a_request_is_done_once_whatever_is_left_of_its_wait)
{
    ck_assert(conversation_hello(talk, 2));
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 2, 2, "jobs", 1, 1000);
    say_acquire(talk, 2, 2, "jobs", 1, 500); /* Under way: dropped. */
    say_acquire(talk, 2, 2, "jobs", 2, 500); /* Another body. */
    conversation_expect(talk, "c2 preface\n"
                              "c2 #1 welcome\n"
                              "c1 #3 granted\n"
                              "c1 #3 granted\n"
                              "c2 #2 refused conflict\n");
    say_release(talk, 1, 4, 3);
    say_acquire(talk, 2, 2, "jobs", 1, 7);
    conversation_expect(talk, "c1 #4 done\n"
                              "c2 #2 granted\n"
                              "c2 #2 granted\n");
}
END_TEST

START_TEST(c13_what_the_client_has_is_never_run_again)
{
    struct wire_client_message ping = {
        .id = 9, .answered_below = 4, .type = WIRE_PING};

    say_acquire(talk, 1, 3, "jobs", 1, 0);
    conversation_say(talk, 1, &ping);
    say_release(talk, 1, 10, 3);
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 1, 8, "jobs", 1, 0); /* Not above all earlier ones. */
    conversation_expect(talk, "c1 #3 granted\n"
                              "c1 #9 pong\n"
                              "c1 #10 done\n"
                              "c1 #3 refused invalid\n"
                              "c1 #8 refused invalid\n");
}
END_TEST

START_TEST(cancel_comes_after_the_answer_that_it_causes)
{
    struct wire_client_message cancel = {.id = 5, .type = WIRE_CANCEL};

    cancel.cancel.acquire_id = 4;
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 1, 4, "jobs", 1, -1);
    conversation_say(talk, 1, &cancel);
    cancel.id = 6;
    cancel.cancel.acquire_id = 3;
    conversation_say(talk, 1, &cancel);
    cancel.id = 7;
    cancel.cancel.acquire_id = 77;
    conversation_say(talk, 1, &cancel);
    conversation_expect(talk, "c1 #3 granted\n"
                              "c1 #4 refused cancelled\n"
                              "c1 #5 cancelled 1\n"
                              "c1 #6 cancelled 2\n"
                              "c1 #7 cancelled 3\n");
}
END_TEST

START_TEST(a_disconnect_serves_those_behind_in_the_same_turn)
{
    ck_assert(conversation_hello(talk, 2));
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 2, 2, "jobs", 1, -1);
    conversation_expect(talk, "c2 preface\n"
                              "c2 #1 welcome\n"
                              "c1 #3 granted\n");
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_expect(talk, "c2 #2 granted\n");
}
END_TEST

START_TEST(what_the_server_closed_is_freed_by_silence)
{
    ck_assert(conversation_hello(talk, 2));
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 2, 2, "jobs", 1, -1);
    conversation_advance(talk, 1000);
    conversation_expect(talk, "c2 preface\n"
                              "c2 #1 welcome\n"
                              "c1 #3 granted\n");
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_SERVER);
    session_heard(talk->clients[2], talk->now_ns);
    conversation_advance(talk, 13999);
    conversation_expect(talk, "");
    conversation_advance(talk, 1); /* 15 s after its last byte. */
    conversation_expect(talk, "c2 #2 granted\n");
}
END_TEST

START_TEST(a_silent_session_ends_and_its_connection_is_to_be_closed)
{
    uint64_t connection_id = 0;

    conversation_advance(talk, 15000);
    ck_assert(sessions_next_closing(talk->sessions, &connection_id));
    ck_assert_uint_eq(connection_id, 1);
    ck_assert(!sessions_next_closing(talk->sessions, &connection_id));
    ck_assert_str_eq(session_close_reason(talk->clients[1]), "silence");
    conversation_expect(talk, "");
}
END_TEST

START_TEST(bye_ends_the_session_and_nothing_after_it_is_obeyed)
{
    struct wire_client_message bye = {.id = 4, .type = WIRE_BYE};

    ck_assert(conversation_hello(talk, 2));
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 2, 2, "jobs", 1, -1);
    conversation_say(talk, 1, &bye);
    say_acquire(talk, 1, 5, "jobs", 1, 0);
    conversation_expect(talk, "c2 preface\n"
                              "c2 #1 welcome\n"
                              "c1 #3 granted\n"
                              "c2 #2 granted\n"
                              "c1 #4 done\n");
    ck_assert_int_eq(session_get_stage(talk->clients[1]),
                     SESSION_STAGE_CLOSING);
    ck_assert_str_eq(session_close_reason(talk->clients[1]), "bye");
}
END_TEST

START_TEST(c14_ten_thousand_requests_are_each_answered_once_in_order)
{
    static uint8_t bytes[1 << 20];
    struct wire_client_message message = {.type = WIRE_ACQUIRE};
    size_t length = 0;
    size_t at = 0;

    say_define(talk, 1, 3, "many", 20000);
    conversation_expect(talk, "c1 #3 done\n");
    message.acquire.parts[0].semaphore = "many";
    message.acquire.parts[0].permits = 1;
    message.acquire.parts_count = 1;
    for (uint64_t id = 4; id < 10004; id++) {
        message.id = id;
        length = append_message(bytes, length, sizeof(bytes), &message);
    }
    while (at < length) {
        uint32_t before = talk->answers[1];
        at += conversation_say_bytes(talk, 1, bytes + at, length - at);
        conversation_turn(talk);
        ck_assert_uint_le(talk->answers[1] - before, SESSION_FEED_FRAMES);
        ck_assert_uint_gt(talk->answers[1], before);
    }
    ck_assert_uint_eq(talk->answers[1], 3 + 10000);
    ck_assert(talk->ids_rise);
    ck_assert_uint_eq(talk->last_id[1], 10003);
    talk->length = 0;
}
END_TEST

START_TEST(c20_waiters_are_not_in_flight)
{
    struct wire_client_message ping = {.id = 2000, .type = WIRE_PING};

    say_acquire(talk, 1, 3, "jobs", 1, 0);
    for (uint64_t id = 4; id < 1500; id++) {
        say_acquire(talk, 1, id, "jobs", 1, -1);
        conversation_turn(talk);
    }
    talk->length = 0; /* Those past max_queue were refused. */
    say_release(talk, 1, 1999, 3);
    conversation_say(talk, 1, &ping);
    conversation_expect(talk, "c1 #1999 done\n"
                              "c1 #4 granted\n"
                              "c1 #2000 pong\n");
}
END_TEST

static bool can_push(void *arg, uint64_t connection_id)
{
    (void)connection_id;
    return *(bool *)arg;
}

START_TEST(waiting_is_pushed_at_once_and_then_at_most_once_a_second)
{
    struct wire_client_message acquire = {.id = 2, .type = WIRE_ACQUIRE};
    bool can = true;
    uint64_t due;

    ck_assert(conversation_hello(talk, 2));
    acquire.acquire.parts[0].semaphore = "jobs";
    acquire.acquire.parts[0].permits = 1;
    acquire.acquire.parts_count = 1;
    acquire.acquire.wait_ms = -1;
    acquire.acquire.waiting = true;
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 1, 4, "jobs", 1, -1);
    conversation_say(talk, 2, &acquire);
    sessions_push_waiting(talk->sessions, talk->now_ns, can_push, &can);
    due = sessions_waiting_due(talk->sessions, talk->now_ns);
    ck_assert_uint_eq(due, talk->now_ns + 1000 * NS_PER_MS);
    conversation_expect(talk, "c2 preface\n"
                              "c2 #1 welcome\n"
                              "c1 #3 granted\n"
                              "c2 #2 waiting 2 of 2 held 1\n");
    say_release(talk, 1, 5, 3);
    conversation_advance(talk, 999);
    sessions_push_waiting(talk->sessions, talk->now_ns, can_push, &can);
    conversation_expect(talk, "c1 #5 done\n"
                              "c1 #4 granted\n");
    conversation_advance(talk, 1);
    sessions_push_waiting(talk->sessions, talk->now_ns, can_push, &can);
    conversation_expect(talk, "c2 #2 waiting 1 of 1 held 1\n");
    conversation_advance(talk, 1000); /* Nothing changed. */
    sessions_push_waiting(talk->sessions, talk->now_ns, can_push, &can);
    conversation_expect(talk, "");
    say_acquire(talk, 1, 6, "jobs", 1, -1);
    can = false; /* Unsent output: only the newest goes, later. */
    conversation_advance(talk, 1000);
    sessions_push_waiting(talk->sessions, talk->now_ns, can_push, &can);
    conversation_expect(talk, "");
    say_release(talk, 1, 7, 4);
    conversation_expect(talk, "c1 #7 done\n"
                              "c2 #2 granted\n");
}
END_TEST

START_TEST(lists_show_who_holds_and_who_waits)
{
    struct wire_client_message list = {.id = 10, .type = WIRE_LIST};
    struct permit_holder_info holder;
    struct permit_waiter_info waiter;
    size_t total;

    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 1, 4, "jobs", 1, 60000);
    list.list.kind = WIRE_LIST_HOLDERS;
    list.list.name = "jobs";
    conversation_say(talk, 1, &list);
    list.id = 11;
    list.list.kind = WIRE_LIST_WAITERS;
    conversation_say(talk, 1, &list);
    list.id = 12;
    list.list.name = "none";
    conversation_say(talk, 1, &list);
    list.id = 13;
    list.list.kind = WIRE_LIST_SEMAPHORES;
    list.list.name = "";
    conversation_say(talk, 1, &list);
    conversation_expect(talk, "c1 #3 granted\n"
                              "c1 #10 page 1 of 1\n"
                              "c1 #11 page 1 of 1\n"
                              "c1 #12 refused not_found\n"
                              "c1 #13 page 1 of 1\n");
    ck_assert_uint_eq(sessions_view_holders(talk->sessions, "jobs", 0,
                                            talk->now_ns + 5 * NS_PER_MS,
                                            &holder, 1, &total),
                      1);
    ck_assert_str_eq(holder.client.name, "name");
    ck_assert_str_eq(holder.client.purpose, "purpose");
    ck_assert_str_eq(holder.client.address, "127.0.0.1:1");
    ck_assert_int_eq(holder.held_ms, 5);
    ck_assert_int_eq(holder.expires_in_ms, -1);
    ck_assert_uint_eq(sessions_view_waiters(talk->sessions, "jobs", 0,
                                            talk->now_ns, &waiter, 1, &total),
                      1);
    ck_assert_uint_eq(waiter.position, 1);
    ck_assert_uint_eq(waiter.acquire_id, 4);
    ck_assert_int_eq(waiter.expires_in_ms, 60000);
}
END_TEST

/* One stream of everything, cut at every byte: the same is heard. */
START_TEST(any_split_of_a_stream_gives_the_same_answers)
{
    static uint8_t bytes[4096];
    struct wire_client_message hello = {.id = 1, .type = WIRE_HELLO};
    struct wire_client_message define = {.id = 2, .type = WIRE_DEFINE};
    struct wire_client_message acquire = {.id = 3, .type = WIRE_ACQUIRE};
    struct wire_client_message release = {.id = 4, .type = WIRE_RELEASE};
    struct wire_client_message ping = {.id = 5, .type = WIRE_PING};
    struct wire_client_message bye = {.id = 6, .type = WIRE_BYE};
    size_t length = FRAME_PREFACE_BYTES;

    memcpy(bytes, frame_preface, FRAME_PREFACE_BYTES);
    hello.hello.name = hello.hello.host = hello.hello.purpose = "x";
    hello.hello.client = "";
    define.define.semaphore = acquire.acquire.parts[0].semaphore = "split";
    acquire.acquire.parts[0].permits = 1;
    acquire.acquire.parts_count = 1;
    release.release.acquire_id = 3;
    length = append_message(bytes, length, sizeof(bytes), &hello);
    length = append_message(bytes, length, sizeof(bytes), &define);
    length = append_message(bytes, length, sizeof(bytes), &acquire);
    length = append_message(bytes, length, sizeof(bytes), &release);
    length = append_message(bytes, length, sizeof(bytes), &ping);
    length = append_message(bytes, length, sizeof(bytes), &bye);

    for (size_t cut = 0; cut <= length; cut++) {
        size_t used;
        ck_assert(conversation_connect(talk, 2));
        used = conversation_say_bytes(talk, 2, bytes, cut);
        ck_assert_uint_le(used, cut);
        used += conversation_say_bytes(talk, 2, bytes + used, length - used);
        ck_assert_uint_eq(used, length);
        conversation_expect(talk, "c2 preface\n"
                                  "c2 #1 welcome\n"
                                  "c2 #2 done\n"
                                  "c2 #3 granted\n"
                                  "c2 #4 done\n"
                                  "c2 #5 pong\n"
                                  "c2 #6 done\n");
        conversation_end(talk, 2, SESSION_DISCONNECT_BY_CLIENT);
    }
}
END_TEST

/* ---------------------------------------------------------- a store that is
 * late
 */

START_TEST(no_answer_leaves_before_its_records_are_durable)
{
    struct conversation *late = conversation_create(true, NULL);
    struct wire_client_message message = {.id = 9, .type = WIRE_PING};

    ck_assert(conversation_hello(late, 1));
    conversation_expect(late, "c1 preface\n");
    late_store_finish(late->late);
    conversation_expect(late, "c1 #1 welcome\n");

    say_define(late, 1, 2, "jobs", 1);
    conversation_turn(late); /* Its batch is under way. */
    say_acquire(late, 1, 3, "jobs", 1, 0);
    say_acquire(late, 1, 4, "jobs", 1, 0); /* A refusal waits as well. */
    conversation_say(late, 1, &message);
    message.id = 10;
    message.type = WIRE_DRAIN;
    conversation_say(late, 1, &message);
    message.id = 11;
    message.type = WIRE_QUERY;
    message.query.semaphore = "jobs";
    conversation_say(late, 1, &message);
    conversation_expect(late, "c1 #9 pong\n"
                              "c1 #10 refused unsupported\n");
    late_store_finish(late->late);
    conversation_expect(late, "c1 #2 done\n");
    late_store_finish(late->late);
    conversation_expect(late, "c1 #3 granted\n"
                              "c1 #4 refused would_block\n"
                              "c1 #11 semaphore\n");
    ck_assert_ptr_null(late_store_violation(late->late));
    conversation_destroy(late);
}
END_TEST

START_TEST(at_the_limit_of_requests_in_flight_nothing_more_is_obeyed)
{
    struct session_limits limits = SESSION_LIMITS_DEFAULT;
    struct conversation *late;
    struct wire_client_message message = {.type = WIRE_QUERY};
    uint8_t bytes[1024];
    size_t length = 0;
    size_t used;

    limits.max_in_flight = 3;
    late = conversation_create(true, &limits);
    ck_assert(conversation_hello(late, 1));
    message.query.semaphore = "jobs";
    for (message.id = 2; message.id < 7; message.id++) {
        length = append_message(bytes, length, sizeof(bytes), &message);
    }
    used = conversation_say_bytes(late, 1, bytes, length);
    ck_assert_uint_eq(used, length / 5 * 2); /* Welcome is the third. */
    late_store_finish(late->late);
    conversation_turn(late);
    late_store_finish(late->late);
    conversation_turn(late);
    ck_assert_uint_eq(
        conversation_say_bytes(late, 1, bytes + used, length - used),
        length - used);
    conversation_expect(late, "c1 preface\n"
                              "c1 #1 welcome\n"
                              "c1 #2 refused not_found\n"
                              "c1 #3 refused not_found\n"
                              "c1 #4 refused not_found\n"
                              "c1 #5 refused not_found\n"
                              "c1 #6 refused not_found\n");
    conversation_destroy(late);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tcase = tcase_create("session");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, acquire_and_release_are_answered_in_one_turn);
    tcase_add_test(tcase, a_waiter_of_another_session_is_served_at_the_release);
    tcase_add_test(tcase, c12_a_release_never_frees_what_is_not_its_own);
    tcase_add_test(tcase, c12_more_than_it_holds_changes_nothing);
    tcase_add_test(tcase, c12_a_lost_grant_is_expired);
    tcase_add_test(tcase,
                   c13_a_request_is_done_once_whatever_is_left_of_its_wait);
    tcase_add_test(tcase, c13_what_the_client_has_is_never_run_again);
    tcase_add_test(tcase, cancel_comes_after_the_answer_that_it_causes);
    tcase_add_test(tcase, a_disconnect_serves_those_behind_in_the_same_turn);
    tcase_add_test(tcase, what_the_server_closed_is_freed_by_silence);
    tcase_add_test(tcase,
                   a_silent_session_ends_and_its_connection_is_to_be_closed);
    tcase_add_test(tcase, bye_ends_the_session_and_nothing_after_it_is_obeyed);
    tcase_add_test(tcase,
                   c14_ten_thousand_requests_are_each_answered_once_in_order);
    tcase_add_test(tcase, c20_waiters_are_not_in_flight);
    tcase_add_test(tcase,
                   waiting_is_pushed_at_once_and_then_at_most_once_a_second);
    tcase_add_test(tcase, lists_show_who_holds_and_who_waits);
    tcase_add_test(tcase, any_split_of_a_stream_gives_the_same_answers);
    tcase_add_test(tcase, no_answer_leaves_before_its_records_are_durable);
    tcase_add_test(tcase,
                   at_the_limit_of_requests_in_flight_nothing_more_is_obeyed);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
