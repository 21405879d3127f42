/* SPDX-License-Identifier: MIT */
/* Sessions that outlive their lines: linger, resume, end, re-sent requests. c1,
 * c2, ... are lines, not sessions. */
#include "session.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conversation.h"

static struct conversation *talk;

/* Line 1 has a session that lingers for 1 s; line 2 has one that does not. */
static void setup(void)
{
    talk = conversation_create(false, NULL);
    ck_assert_ptr_nonnull(talk);
    ck_assert(conversation_return(talk, 1, 1000, 0, 0));
    ck_assert(conversation_hello(talk, 2));
    say_define(talk, 1, 2, "jobs", 1);
    conversation_expect(talk, "c1 preface\n"
                              "c1 #1 welcome\n"
                              "c2 preface\n"
                              "c2 #1 welcome\n"
                              "c1 #2 done\n");
}

static void teardown(void)
{
    conversation_destroy(talk);
}

static uint64_t available(const char *semaphore)
{
    struct engine_semaphore_view view;

    ck_assert(engine_view_semaphore(talk->engine, semaphore, &view));
    return view.available;
}

START_TEST(b17_a_fin_starts_the_linger_and_nobody_else_is_granted_before)
{
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 2, 2, "jobs", 1, -1);
    conversation_expect(talk, "c1 #3 granted\n");
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 999);
    conversation_expect(talk, "");
    conversation_advance(talk, 1);
    conversation_expect(talk, "c2 #2 granted\n");
}
END_TEST

START_TEST(the_linger_is_capped_and_welcome_says_so)
{
    struct engine_session_view view;

    ck_assert(conversation_return(talk, 3, INT64_MAX, 0, 0));
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome\n");
    ck_assert(engine_view_session(talk->engine, talk->session_ids[3], &view));
    ck_assert_int_eq(view.linger_ms, 60000);
}
END_TEST

START_TEST(who_comes_back_keeps_grants_and_gets_answers_again)
{
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    conversation_expect(talk, "c1 #3 granted\n");
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 999);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_acquire(talk, 3, 3, "jobs", 1, 0); /* Again. */
    say_acquire(talk, 3, 3, "jobs", 2, 0); /* Another body. */
    say_release(talk, 3, 4, 3);
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome resumed #3:jobs*1\n"
                              "c3 #3 granted\n"
                              "c3 #3 refused conflict\n"
                              "c3 #4 done\n");
    ck_assert_uint_eq(talk->session_ids[3], talk->session_ids[1]);
}
END_TEST

START_TEST(b21_waiters_without_a_line_block_nobody_and_keep_their_places)
{
    struct engine_waiter_view view;
    struct engine_obstacle obstacle;

    say_define(talk, 2, 2, "pair", 2);
    say_acquire(talk, 2, 3, "pair", 2, 0);
    say_acquire(talk, 1, 3, "pair", 2, 5000);
    say_acquire(talk, 2, 4, "pair", 1, -1);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    ck_assert(engine_view_waiter(talk->engine, talk->session_ids[1], 3, &view,
                                 &obstacle));
    ck_assert_uint_eq(view.aside, ENGINE_ASIDE_DISCONNECTED);
    say_release(talk, 2, 5, 3);
    say_acquire(talk, 2, 6, "pair", 1, 0); /* It is not even blocked. */
    say_acquire(talk, 2, 7, "pair", 1, -1);
    conversation_expect(talk, "c2 #2 done\n"
                              "c2 #3 granted\n"
                              "c2 #5 done\n"
                              "c2 #4 granted\n"
                              "c2 #6 granted\n");
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_release(talk, 2, 8, 4);
    say_release(talk, 2, 9, 6);
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome resumed\n"
                              "c2 #8 done\n"
                              "c2 #9 done\n"
                              "c3 #3 granted\n");
}
END_TEST

START_TEST(b19_a_wait_that_is_sent_again_keeps_its_place_and_deadline)
{
    say_acquire(talk, 2, 2, "jobs", 1, 0);
    say_acquire(talk, 1, 3, "jobs", 1, 800);
    say_acquire(talk, 2, 3, "jobs", 1, -1);
    conversation_expect(talk, "c2 #2 granted\n");
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 300);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_acquire(talk, 3, 3, "jobs", 1, 450); /* The rest, as it believes. */
    conversation_advance(talk, 499);
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome resumed\n");
    conversation_advance(talk, 1);
    conversation_expect(talk, "c3 #3 refused timeout\n");
    say_acquire(talk, 3, 3, "jobs", 1, 1);
    conversation_expect(talk, "c3 #3 refused timeout\n");
}
END_TEST

START_TEST(b19_a_wait_that_ended_meanwhile_has_its_answer)
{
    say_acquire(talk, 2, 2, "jobs", 1, 0);
    say_acquire(talk, 1, 3, "jobs", 1, 100);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 200);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_acquire(talk, 3, 3, "jobs", 1, 0);
    conversation_expect(talk, "c2 #2 granted\n"
                              "c3 preface\n"
                              "c3 #1 welcome resumed\n"
                              "c3 #3 refused timeout\n");
}
END_TEST

START_TEST(b12_the_newer_line_wins_and_the_older_is_told)
{
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    conversation_expect(talk, "c1 #3 granted\n");
    ck_assert(conversation_return(talk, 3, 0, 1, 0));
    say_release(talk, 1, 4, 3); /* Of the older line: dropped. */
    conversation_expect(talk, "c3 preface\n"
                              "c1 #0 goaway superseded\n"
                              "c3 #1 welcome resumed #3:jobs*1\n");
    ck_assert_str_eq(session_close_reason(talk->clients[1]), "superseded");
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    say_release(talk, 3, 4, 3);
    conversation_expect(talk, "c3 #4 done\n");
}
END_TEST

START_TEST(b12_a_wrong_secret_is_denied_and_changes_nothing)
{
    static const uint8_t wrong[] = "not so secret .!";
    static const size_t lengths[] = {16, 15, 0};
    struct wire_hello hello = {
        .name = "", .host = "", .purpose = "", .client = ""};
    struct wire_session_key key = {talk->session_ids[1],
                                   {wrong, lengths[_i % 3]}};

    if (_i < 3) {
        hello.has_resume = true;
        hello.resume = key;
    } else {
        hello.has_end = true;
        hello.end = key;
    }
    if (lengths[_i % 3] != 16) { /* It is no matter how it begins. */
        hello.resume.secret.data = hello.end.secret.data = conversation_secret;
    }
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    ck_assert(conversation_greet(talk, 3, &hello));
    say_release(talk, 1, 4, 3);
    conversation_expect(talk, "c1 #3 granted\n"
                              "c3 preface\n"
                              "c3 #1 refused denied\n"
                              "c1 #4 done\n");
    ck_assert_str_eq(session_close_reason(talk->clients[3]), "denied");
}
END_TEST

START_TEST(b13_a_silent_line_is_resumed_without_a_linger_too)
{
    say_acquire(talk, 2, 2, "jobs", 1, 0);
    conversation_advance(talk, 14999);
    ck_assert(conversation_return(talk, 3, 0, 2, 0));
    conversation_expect(talk, "c2 #2 granted\n"
                              "c3 preface\n"
                              "c2 #0 goaway superseded\n"
                              "c3 #1 welcome resumed #2:jobs*1\n");
    conversation_advance(talk, 14999);
    say_release(talk, 3, 3, 2);
    conversation_expect(talk, "c3 #3 done\n");
}
END_TEST

START_TEST(who_comes_too_late_gets_a_new_session)
{
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    conversation_expect(talk, "c1 #3 granted\n");
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    talk->now_ns += 1000 * NS_PER_MS; /* No timer ran. */
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_acquire(talk, 3, 3, "jobs", 1, 0); /* Not done again, but anew. */
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome\n"
                              "c3 #3 granted\n");
    ck_assert_uint_ne(talk->session_ids[3], talk->session_ids[1]);
}
END_TEST

START_TEST(a_session_can_be_ended_from_a_new_line)
{
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 2, 2, "jobs", 1, -1);
    conversation_expect(talk, "c1 #3 granted\n");
    if (_i == 0) {
        conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    }
    ck_assert(conversation_return(talk, 3, 0, 0, 1));
    say_acquire(talk, 3, 2, "jobs", 1, 0);
    conversation_expect(talk, _i == 0 ? "c3 preface\n"
                                        "c2 #2 granted\n"
                                        "c3 #1 welcome\n"
                                        "c3 #2 refused would_block\n"
                                      : "c3 preface\n"
                                        "c2 #2 granted\n"
                                        "c1 #0 goaway superseded\n"
                                        "c3 #1 welcome\n"
                                        "c3 #2 refused would_block\n");
    ck_assert_uint_ne(talk->session_ids[3], talk->session_ids[1]);
}
END_TEST

START_TEST(who_falls_silent_is_closed_and_lingers)
{
    uint64_t connection_id = 0;

    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_acquire(talk, 2, 2, "jobs", 1, -1);
    conversation_advance(talk, 14000);
    session_heard(talk->clients[2], talk->now_ns);
    conversation_advance(talk, 1000);
    ck_assert(sessions_next_closing(talk->sessions, &connection_id));
    ck_assert_uint_eq(connection_id, 1);
    ck_assert_str_eq(session_close_reason(talk->clients[1]), "silence");
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_SERVER);
    conversation_advance(talk, 999);
    conversation_expect(talk, "c1 #3 granted\n");
    ck_assert(conversation_return(talk, 3, 0, 1, 0));
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome resumed #3:jobs*1\n");
}
END_TEST

START_TEST(b18_more_grants_than_a_page_are_listed)
{
    say_define(talk, 2, 2, "many", 600);
    for (uint64_t id = 3; id < 603; id++) {
        say_acquire(talk, 1, id, "many", 1, 0);
        conversation_turn(talk);
    }
    talk->length = 0;
    ck_assert(conversation_return(talk, 3, 0, 1, 0));
    say_release(talk, 3, 700, 602);
    conversation_expect(talk, "c3 preface\n"
                              "c1 #0 goaway superseded\n"
                              "c3 #1 welcome resumed 256 grants more\n"
                              "c3 #1 grants 256 grants more\n"
                              "c3 #1 grants 88 grants\n"
                              "c3 #700 done\n");
}
END_TEST

START_TEST(b18_a_release_whose_answer_was_lost_is_not_done_twice)
{
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_release(talk, 1, 4, 3);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    say_acquire(talk, 2, 2, "jobs", 1, 0);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_acquire(talk, 3, 3, "jobs", 1, 0);
    say_release(talk, 3, 4, 3);
    conversation_expect(talk, "c2 #2 granted\n"
                              "c3 preface\n"
                              "c3 #1 welcome resumed\n"
                              "c3 #3 granted\n"
                              "c3 #4 done\n");
    ck_assert_uint_eq(available("jobs"), 0); /* Line 2's still. */
}
END_TEST

START_TEST(a_grant_that_was_lost_meanwhile_is_said_to_be_lost)
{
    struct wire_client_message acquire = {.id = 3, .type = WIRE_ACQUIRE};

    acquire.acquire.parts[0].semaphore = "jobs";
    acquire.acquire.parts[0].permits = 1;
    acquire.acquire.parts_count = 1;
    acquire.acquire.hold_ms = 100;
    conversation_say(talk, 1, &acquire);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 100);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    conversation_say(talk, 3, &acquire);
    say_release(talk, 3, 4, 3);
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome resumed\n"
                              "c3 #3 granted\n"
                              "c3 #3 lost hold\n"
                              "c3 #4 refused expired\n");
}
END_TEST

START_TEST(labels_stay_with_the_session)
{
    struct wire_client_message acquire = {.id = 3, .type = WIRE_ACQUIRE};
    struct permit_holder_info row;
    size_t total;

    acquire.acquire.parts[0].semaphore = "jobs";
    acquire.acquire.parts[0].permits = 1;
    acquire.acquire.parts_count = 1;
    acquire.acquire.labels[0] = (struct permit_label){"job", "nightly"};
    acquire.acquire.labels_count = 1;
    conversation_say(talk, 1, &acquire);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    ck_assert_uint_eq(sessions_view_holders(talk->sessions, "jobs", 0,
                                            talk->now_ns, &row, 1, &total),
                      1);
    ck_assert(!row.client.connected);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    ck_assert_uint_eq(sessions_view_holders(talk->sessions, "jobs", 0,
                                            talk->now_ns, &row, 1, &total),
                      1);
    ck_assert(row.client.connected);
    ck_assert_uint_eq(row.labels_count, 1);
    ck_assert_str_eq(row.labels[0].value, "nightly");
}
END_TEST

START_TEST(what_is_lost_with_a_grace_is_live_no_more)
{
    struct wire_client_message delete = {.id = 2, .type = WIRE_DELETE};

    delete.delete.semaphore = "jobs";
    delete.delete.force = true;
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_say(talk, 2, &delete);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_acquire(talk, 3, 3, "jobs", 1, 0);
    conversation_expect(talk, "c2 #2 done\n"
                              "c3 preface\n"
                              "c3 #1 welcome resumed\n"
                              "c3 #3 granted\n"
                              "c3 #3 lost deleted\n");
}
END_TEST

START_TEST(what_the_client_has_is_forgotten_with_hello)
{
    struct wire_client_message hello = {
        .id = 50, .answered_below = 4, .type = WIRE_HELLO};

    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_release(talk, 1, 4, 3);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    hello.hello.name = hello.hello.host = hello.hello.purpose =
        hello.hello.client = "";
    hello.hello.has_resume = true;
    hello.hello.resume.id = talk->session_ids[1];
    hello.hello.resume.secret.data = conversation_secret;
    hello.hello.resume.secret.length = sizeof(conversation_secret);
    ck_assert(conversation_connect(talk, 3));
    (void)conversation_say_bytes(talk, 3, (const uint8_t *)"\x93PM\x01", 4);
    conversation_say(talk, 3, &hello);
    say_acquire(talk, 3, 3, "jobs", 1, 0);
    say_release(talk, 3, 4, 3);
    conversation_expect(talk, "c3 preface\n"
                              "c3 #50 welcome resumed\n"
                              "c3 #3 refused invalid\n"
                              "c3 #4 done\n");
}
END_TEST

static bool can_push(void *arg, uint64_t connection_id)
{
    (void)arg;
    return connection_id != 0;
}

START_TEST(waiting_is_pushed_again_when_it_is_asked_again)
{
    struct wire_client_message acquire = {.id = 3, .type = WIRE_ACQUIRE};

    acquire.acquire.parts[0].semaphore = "jobs";
    acquire.acquire.parts[0].permits = 1;
    acquire.acquire.parts_count = 1;
    acquire.acquire.wait_ms = -1;
    acquire.acquire.waiting = true;
    say_acquire(talk, 2, 2, "jobs", 1, 0);
    conversation_say(talk, 1, &acquire);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    sessions_push_waiting(talk->sessions, talk->now_ns, can_push, NULL);
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    conversation_say(talk, 3, &acquire);
    conversation_say(talk, 3, &acquire); /* It is one waiter all the same. */
    sessions_push_waiting(talk->sessions, talk->now_ns, can_push, NULL);
    conversation_expect(talk, "c2 #2 granted\n"
                              "c3 preface\n"
                              "c3 #1 welcome resumed\n"
                              "c3 #3 waiting 1 of 1 held 1\n");
}
END_TEST

START_TEST(renew_is_answered_once_and_verify_anew)
{
    struct wire_client_message renew = {.id = 4, .type = WIRE_RENEW};
    struct wire_client_message verify = {.id = 2, .type = WIRE_VERIFY};
    struct engine_grant_view view;

    renew.renew.acquire_id = 3;
    renew.renew.hold_ms = 100;
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    conversation_say(talk, 1, &renew);
    conversation_expect(talk, "c1 #3 granted\n"
                              "c1 #4 renewed 100\n");
    ck_assert(engine_view_grant(talk->engine, talk->session_ids[1], 3, &view));
    verify.verify.grant_id = verify.verify.fence = view.grant_id;
    conversation_say(talk, 2, &verify);
    conversation_advance(talk, 50);
    conversation_say(talk, 1, &renew); /* Again: nothing is done. */
    conversation_expect(talk, "c2 #2 done\n"
                              "c1 #4 renewed 100\n");
    talk->now_ns += 50 * NS_PER_MS; /* No timer ran. */
    conversation_say(talk, 2, &verify);
    conversation_expect(talk, "c1 #3 lost hold\n"
                              "c2 #2 refused expired\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_resume");
    TCase *tcase = tcase_create("resume");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(
        tcase, b17_a_fin_starts_the_linger_and_nobody_else_is_granted_before);
    tcase_add_test(tcase, the_linger_is_capped_and_welcome_says_so);
    tcase_add_test(tcase, who_comes_back_keeps_grants_and_gets_answers_again);
    tcase_add_test(
        tcase, b21_waiters_without_a_line_block_nobody_and_keep_their_places);
    tcase_add_test(tcase,
                   b19_a_wait_that_is_sent_again_keeps_its_place_and_deadline);
    tcase_add_test(tcase, b19_a_wait_that_ended_meanwhile_has_its_answer);
    tcase_add_test(tcase, b12_the_newer_line_wins_and_the_older_is_told);
    tcase_add_loop_test(tcase, b12_a_wrong_secret_is_denied_and_changes_nothing,
                        0, 6);
    tcase_add_test(tcase, b13_a_silent_line_is_resumed_without_a_linger_too);
    tcase_add_test(tcase, who_comes_too_late_gets_a_new_session);
    tcase_add_loop_test(tcase, a_session_can_be_ended_from_a_new_line, 0, 2);
    tcase_add_test(tcase, who_falls_silent_is_closed_and_lingers);
    tcase_add_test(tcase, b18_more_grants_than_a_page_are_listed);
    tcase_add_test(tcase,
                   b18_a_release_whose_answer_was_lost_is_not_done_twice);
    tcase_add_test(tcase, a_grant_that_was_lost_meanwhile_is_said_to_be_lost);
    tcase_add_test(tcase, labels_stay_with_the_session);
    tcase_add_test(tcase, what_is_lost_with_a_grace_is_live_no_more);
    tcase_add_test(tcase, what_the_client_has_is_forgotten_with_hello);
    tcase_add_test(tcase, waiting_is_pushed_again_when_it_is_asked_again);
    tcase_add_test(tcase, renew_is_answered_once_and_verify_anew);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
