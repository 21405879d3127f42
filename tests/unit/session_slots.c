/* SPDX-License-Identifier: MIT */
/* Slots, as sessions are told of them: "granted jobs[0-2]". */
#include "session.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "conversation.h"

static struct conversation *talk;

static void say_slots(int number, uint64_t id, const char *semaphore,
                      uint32_t permits, bool slots)
{
    struct wire_client_message message = {.id = id, .type = WIRE_DEFINE};

    message.define.semaphore = semaphore;
    message.define.fields = WIRE_FIELD_PERMITS | WIRE_FIELD_SLOTS;
    message.define.permits = permits;
    message.define.slots = slots;
    conversation_say(talk, number, &message);
}

/* Line 1 has a session that lingers for 1 s. */
static void setup(void)
{
    talk = conversation_create(false, NULL);
    ck_assert_ptr_nonnull(talk);
    ck_assert(conversation_return(talk, 1, 1000, 0, 0));
    ck_assert(conversation_hello(talk, 2));
    say_slots(1, 2, "jobs", 4, true);
    conversation_turn(talk);
    talk->length = 0;
}

static void teardown(void)
{
    conversation_destroy(talk);
}

static void say_release_some(int number, uint64_t id, uint64_t acquire_id,
                             uint32_t permits)
{
    struct wire_client_message message = {.id = id, .type = WIRE_RELEASE};

    message.release.acquire_id = acquire_id;
    message.release.parts_count = 1;
    message.release.parts[0].semaphore = "jobs";
    message.release.parts[0].permits = permits;
    conversation_say(talk, number, &message);
}

START_TEST(granted_says_them_and_again_those_that_are_left)
{
    say_acquire(talk, 2, 2, "jobs", 1, 0);
    say_acquire(talk, 1, 3, "jobs", 3, 0);
    say_release_some(1, 4, 3, 1);
    say_acquire(talk, 2, 3, "jobs", 1, 0);
    say_acquire(talk, 1, 3, "jobs", 3, 0); /* Again. */
    say_release(talk, 1, 5, 3);
    say_acquire(talk, 1, 3, "jobs", 3, 0);
    conversation_expect(talk, "c2 #2 granted jobs[0]\n"
                              "c1 #3 granted jobs[1-3]\n"
                              "c1 #4 done\n"
                              "c2 #3 granted jobs[3]\n"
                              "c1 #3 granted jobs[1-2]\n"
                              "c1 #5 done\n"
                              "c1 #3 granted\n");
}
END_TEST

START_TEST(who_waited_is_told_even_of_a_grant_that_is_lost_at_once)
{
    struct wire_client_message message = {.id = 2, .type = WIRE_ACQUIRE};

    say_acquire(talk, 1, 3, "jobs", 4, 0);
    message.acquire.parts[0] =
        (struct wire_part){.semaphore = "jobs", .permits = 2};
    message.acquire.parts_count = 1;
    message.acquire.wait_ms = -1;
    message.acquire.hold_ms = 1;
    conversation_say(talk, 2, &message);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 1001); /* The linger, and then the hold. */
    conversation_expect(talk, "c2 #2 granted jobs[0-1]\n"
                              "c2 #2 lost hold\n");
}
END_TEST

START_TEST(welcome_lists_them)
{
    say_acquire(talk, 2, 2, "jobs", 1, 0);
    say_acquire(talk, 1, 3, "jobs", 2, 0);
    say_define(talk, 1, 4, "plain", 1);
    say_acquire(talk, 1, 5, "plain", 1, 0);
    say_release(talk, 2, 3, 2);
    say_acquire(talk, 1, 6, "jobs", 2, 0);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_turn(talk);
    talk->length = 0;
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome resumed #3:jobs*2[1-2] "
                              "#5:plain*1 #6:jobs*2[0,3]\n");
}
END_TEST

START_TEST(live_grants_of_many_slots_are_listed_on_more_pages)
{
    char name[8];

    for (uint64_t id = 10; id < 28; id += 2) {
        (void)snprintf(name, sizeof(name), "s%d", (int)id);
        say_slots(1, id, name, 1024, true);
        say_acquire(talk, 1, id + 1, name, 1024, 0);
    }
    say_acquire(talk, 1, 30, "jobs", 1, 0);
    conversation_turn(talk);
    talk->length = 0;
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    conversation_expect(talk, "c3 preface\n"
                              "c1 #0 goaway superseded\n"
                              "c3 #1 welcome resumed 8 grants more\n"
                              "c3 #1 grants #27:s26*1024[0-1023] "
                              "#30:jobs*1[0]\n");
}
END_TEST

START_TEST(rows_of_holders_have_them)
{
    struct permit_holder_info rows[40];
    struct permit_semaphore_info semaphore;
    size_t total;

    say_slots(1, 3, "many", 1024, true);
    say_acquire(talk, 1, 4, "many", 984, 0);
    for (uint64_t id = 5; id < 44; id++) {
        say_acquire(talk, 1, id, "many", 1, 0);
    }
    say_release(talk, 1, 44, 4);
    say_acquire(talk, 2, 2, "many", 985, 0);
    ck_assert_uint_eq(sessions_view_holders(talk->sessions, "many", 0,
                                            talk->now_ns, rows, 40, &total),
                      40);
    for (size_t i = 0; i < 39; i++) {
        ck_assert_uint_eq(rows[i].slots_count, 1);
        ck_assert_uint_eq(rows[i].slots[0], 984 + i);
    }
    ck_assert_uint_eq(rows[39].slots_count, 985);
    ck_assert_uint_eq(rows[39].slots[983], 983);
    ck_assert_uint_eq(rows[39].slots[984], 1023);
    ck_assert(sessions_view_semaphore(talk->sessions, "many", talk->now_ns,
                                      &semaphore));
    ck_assert(semaphore.slots);
    say_define(talk, 1, 45, "plain", 1);
    say_acquire(talk, 1, 46, "plain", 1, 0);
    ck_assert_uint_eq(sessions_view_holders(talk->sessions, "plain", 0,
                                            talk->now_ns, rows, 40, &total),
                      1);
    ck_assert_uint_eq(rows[0].slots_count, 0);
    ck_assert(sessions_view_semaphore(talk->sessions, "plain", talk->now_ns,
                                      &semaphore));
    ck_assert(!semaphore.slots);
}
END_TEST

START_TEST(they_change_only_while_no_grant_is_out)
{
    say_acquire(talk, 2, 2, "jobs", 1, 0);
    say_slots(1, 3, "jobs", 4, false);
    say_slots(1, 4, "jobs", 1025, true);
    say_release(talk, 2, 3, 2);
    say_slots(1, 5, "jobs", 1025, false);
    say_acquire(talk, 2, 4, "jobs", 1, 0);
    conversation_expect(talk, "c2 #2 granted jobs[0]\n"
                              "c1 #3 refused conflict\n"
                              "c1 #4 refused invalid\n"
                              "c2 #3 done\n"
                              "c1 #5 done\n"
                              "c2 #4 granted\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_slots");
    TCase *tcase = tcase_create("slots");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, granted_says_them_and_again_those_that_are_left);
    tcase_add_test(tcase,
                   who_waited_is_told_even_of_a_grant_that_is_lost_at_once);
    tcase_add_test(tcase, welcome_lists_them);
    tcase_add_test(tcase, live_grants_of_many_slots_are_listed_on_more_pages);
    tcase_add_test(tcase, rows_of_holders_have_them);
    tcase_add_test(tcase, they_change_only_while_no_grant_is_out);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
