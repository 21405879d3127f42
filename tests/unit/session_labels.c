/* SPDX-License-Identifier: MIT */
/* Labels of acquires: shown while the acquire waits or its grant lives, and
 * gone with it, whatever ends it. */
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "conversation.h"
#include "fault.h"
#include "session_private.h"

static struct conversation *talk;

static void begin(void)
{
    talk = conversation_create(false, NULL);
    ck_assert_ptr_nonnull(talk);
    ck_assert(conversation_hello(talk, 1));
    ck_assert(conversation_hello(talk, 2));
    say_define(talk, 1, 2, "jobs", 1);
    conversation_turn(talk);
    talk->length = 0;
}

static void end(void)
{
    conversation_destroy(talk);
}

static struct wire_client_message labelled(uint64_t id, int64_t wait_ms)
{
    struct wire_client_message message = {.id = id, .type = WIRE_ACQUIRE};
    struct wire_acquire *acquire = &message.acquire;

    acquire->parts[0].semaphore = "jobs";
    acquire->parts[0].permits = 1;
    acquire->parts_count = 1;
    acquire->wait_ms = wait_ms;
    acquire->labels[0] = (struct permit_label){"job", "nightly"};
    acquire->labels[1] = (struct permit_label){"k", ""};
    acquire->labels_count = 2;
    return message;
}

static void say_labelled(int number, uint64_t id, int64_t wait_ms)
{
    struct wire_client_message message = labelled(id, wait_ms);

    conversation_say(talk, number, &message);
}

/* How many acquires of a client have labels now. */
static uint32_t kept(int number)
{
    return talk->clients[number]->labels.kept;
}

static void assert_nightly(const struct permit_label *labels, uint32_t count)
{
    ck_assert_uint_eq(count, 2);
    ck_assert_str_eq(labels[0].key, "job");
    ck_assert_str_eq(labels[0].value, "nightly");
    ck_assert_str_eq(labels[1].key, "k");
    ck_assert_str_eq(labels[1].value, "");
}

START_TEST(they_are_shown_of_who_waits_and_of_who_holds)
{
    struct permit_holder_info holder;
    struct permit_waiter_info waiter;
    size_t total;

    say_acquire(talk, 1, 3, "jobs", 1, 0);
    say_labelled(2, 2, -1);
    ck_assert_uint_eq(sessions_view_holders(talk->sessions, "jobs", 0,
                                            talk->now_ns, &holder, 1, &total),
                      1);
    ck_assert_uint_eq(holder.labels_count, 0);
    ck_assert_uint_eq(sessions_view_waiters(talk->sessions, "jobs", 0,
                                            talk->now_ns, &waiter, 1, &total),
                      1);
    assert_nightly(waiter.labels, waiter.labels_count);
    say_release(talk, 1, 4, 3);
    ck_assert_uint_eq(sessions_view_holders(talk->sessions, "jobs", 0,
                                            talk->now_ns, &holder, 1, &total),
                      1);
    assert_nightly(holder.labels, holder.labels_count);
}
END_TEST

/* ----------------------------------------------------------- what ends them */

/* Each ends the labelled acquire #3 of client 1, which waits behind client 2 or
 * holds. */
static void by_release(void)
{
    say_release(talk, 1, 4, 3);
}

static void by_hold(void)
{
    conversation_advance(talk, 1000);
}

static void by_delete(void)
{
    struct wire_client_message message = {.id = 3, .type = WIRE_DELETE};

    message.delete.semaphore = "jobs";
    message.delete.force = true;
    conversation_say(talk, 2, &message);
}

static void by_delete_and_grace(void)
{
    by_delete();
    ck_assert_uint_eq(kept(1), 1); /* Its grant lives on for the grace. */
    conversation_advance(talk, 5000);
}

static void by_cancel(void)
{
    struct wire_client_message message = {.id = 4, .type = WIRE_CANCEL};

    message.cancel.acquire_id = 3;
    conversation_say(talk, 1, &message);
}

static void by_timeout(void)
{
    conversation_advance(talk, 500);
}

static void by_bye(void)
{
    struct wire_client_message message = {.id = 4, .type = WIRE_BYE};

    conversation_say(talk, 1, &message);
}

static const struct {
    bool waits;
    void (*what)(void);
} ends[] = {
    {false, by_release}, {false, by_hold},  {false, by_delete_and_grace},
    {false, by_bye},     {true, by_cancel}, {true, by_timeout},
    {true, by_delete},   {true, by_bye},
};

START_TEST(they_are_gone_with_the_wait_or_the_grant)
{
    struct wire_client_message message = labelled(3, 500);

    if (ends[_i].waits) {
        say_acquire(talk, 2, 2, "jobs", 1, 0);
    } else {
        message.acquire.hold_ms = 1000;
    }
    conversation_say(talk, 1, &message);
    conversation_turn(talk);
    ck_assert_uint_eq(kept(1), 1);
    ends[_i].what();
    conversation_turn(talk);
    ck_assert_uint_eq(kept(1), 0);
}
END_TEST

START_TEST(they_are_kept_until_all_of_a_grant_is_back)
{
    struct wire_client_message message = labelled(3, 0);
    struct wire_client_message release = {.id = 4, .type = WIRE_RELEASE};

    say_define(talk, 2, 2, "jobs", 2);
    message.acquire.parts[0].permits = 2;
    conversation_say(talk, 1, &message);
    release.release.acquire_id = 3;
    release.release.parts[0] =
        (struct wire_part){.semaphore = "jobs", .permits = 1};
    release.release.parts_count = 1;
    conversation_say(talk, 1, &release);
    conversation_turn(talk);
    ck_assert_uint_eq(kept(1), 1);
    release.id = 5;
    conversation_say(talk, 1, &release);
    conversation_turn(talk);
    ck_assert_uint_eq(kept(1), 0);
}
END_TEST

START_TEST(what_is_not_granted_or_taken_for_good_keeps_none)
{
    struct wire_client_message define = {.id = 3, .type = WIRE_DEFINE};
    struct wire_client_message message = labelled(5, 0);

    define.define.semaphore = "orders";
    define.define.fields = WIRE_FIELD_KIND | WIRE_FIELD_PERMITS;
    define.define.kind = PERMIT_COUNTING;
    define.define.permits = 1;
    conversation_say(talk, 1, &define);
    say_acquire(talk, 1, 4, "jobs", 1, 0);
    conversation_say(talk, 1, &message);
    ck_assert_uint_eq(kept(1), 0);
    message.id = 6;
    message.acquire.parts[0].semaphore = "orders";
    message.acquire.parts[0].consume = true;
    conversation_say(talk, 1, &message);
    conversation_expect(talk, "c1 #3 done\n"
                              "c1 #4 granted\n"
                              "c1 #5 refused would_block\n"
                              "c1 #6 granted taken 1\n");
    ck_assert_uint_eq(kept(1), 0);
}
END_TEST

START_TEST(a_session_that_is_not_heard_keeps_them_until_it_ends)
{
    struct permit_holder_info holder;
    size_t total;

    say_labelled(1, 3, 0);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_SERVER);
    ck_assert_uint_eq(sessions_view_holders(talk->sessions, "jobs", 0,
                                            talk->now_ns, &holder, 1, &total),
                      1);
    ck_assert(!holder.client.connected);
    assert_nightly(holder.labels, holder.labels_count);
}
END_TEST

/* --------------------------------------------------------------- sent again */

START_TEST(an_acquire_that_is_sent_again_keeps_them_once)
{
    struct wire_client_message other = labelled(3, -1);

    say_acquire(talk, 2, 2, "jobs", 1, 0);
    say_labelled(1, 3, -1);
    say_labelled(1, 3, 500); /* Under way. */
    other.acquire.labels[0].value = "weekly";
    conversation_say(talk, 1, &other);
    say_release(talk, 2, 3, 2);
    say_labelled(1, 3, -1); /* Answered. */
    conversation_expect(talk, "c2 #2 granted\n"
                              "c1 #3 refused conflict\n"
                              "c2 #3 done\n"
                              "c1 #3 granted\n"
                              "c1 #3 granted\n");
    ck_assert_uint_eq(kept(1), 1);
    say_release(talk, 1, 4, 3);
    ck_assert_uint_eq(kept(1), 0);
}
END_TEST

START_TEST(an_acquire_whose_labels_find_no_memory_is_unavailable)
{
    struct wire_client_message message = labelled(4, -1);

    say_acquire(talk, 2, 2, "jobs", 1, 0);
    say_labelled(1, 3, -1);
    conversation_expect(talk, "c2 #2 granted\n");
    message.acquire.waiting = true;
    for (size_t n = 1; n <= 2; n++) { /* The labels, the Waiting pushes. */
        fault_arm(n, true);
        conversation_say(talk, 1, &message);
        fault_arm(0, false);
        conversation_expect(talk, "c1 #4 refused unavailable\n");
        ck_assert_uint_eq(kept(1), 1);
    }
    conversation_say(talk, 1, &message);
    conversation_expect(talk, "");
    ck_assert_uint_eq(kept(1), 2);
}
END_TEST

/* -------------------------------------------------------------------- pages */

START_TEST(a_page_of_large_rows_is_shorter_and_the_next_goes_on)
{
    static char texts[WIRE_LABELS_MAX][WIRE_TEXT_BYTES_MAX + 1];
    struct wire_client_message list = {.id = 100, .type = WIRE_LIST};
    struct wire_client_message message = labelled(0, -1);

    say_define(talk, 2, 2, "jobs", 64);
    message.acquire.labels_count = WIRE_LABELS_MAX;
    for (int i = 0; i < WIRE_LABELS_MAX; i++) {
        memset(texts[i], 'a' + i, WIRE_TEXT_BYTES_MAX);
        message.acquire.labels[i] = (struct permit_label){texts[i], texts[i]};
    }
    for (message.id = 10; message.id < 74; message.id++) {
        conversation_say(talk, 1, &message);
    }
    conversation_turn(talk);
    talk->length = 0;
    list.list.kind = WIRE_LIST_HOLDERS;
    list.list.name = "jobs";
    for (list.list.offset = 0; list.list.offset < 64; list.list.offset += 30) {
        conversation_say(talk, 1, &list);
        list.id++;
    }
    conversation_expect(talk, "c1 #100 page 30 of 64\n"
                              "c1 #101 page 30 of 64\n"
                              "c1 #102 page 4 of 64\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_labels");
    TCase *tcase = tcase_create("labels");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, they_are_shown_of_who_waits_and_of_who_holds);
    tcase_add_loop_test(tcase, they_are_gone_with_the_wait_or_the_grant, 0,
                        (int)(sizeof(ends) / sizeof(ends[0])));
    tcase_add_test(tcase, they_are_kept_until_all_of_a_grant_is_back);
    tcase_add_test(tcase, what_is_not_granted_or_taken_for_good_keeps_none);
    tcase_add_test(tcase, a_session_that_is_not_heard_keeps_them_until_it_ends);
    tcase_add_test(tcase, an_acquire_that_is_sent_again_keeps_them_once);
    tcase_add_test(tcase,
                   an_acquire_whose_labels_find_no_memory_is_unavailable);
    tcase_add_test(tcase, a_page_of_large_rows_is_shorter_and_the_next_goes_on);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
