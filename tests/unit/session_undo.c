/* SPDX-License-Identifier: MIT */
/* FAULTS B20: what a session took for good comes back when it ends, if no byte
 * of the Granted reached the kernel. And what was not durable when its line
 * broke is told to who comes back when it is. */
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
    conversation_turn(talk);
    talk->length = 0;
}

static void teardown(void)
{
    conversation_destroy(talk);
}

static void define_counting(uint64_t id, const char *semaphore,
                            uint32_t permits)
{
    struct wire_client_message message = {.id = id, .type = WIRE_DEFINE};

    message.define.semaphore = semaphore;
    message.define.fields = WIRE_FIELD_KIND | WIRE_FIELD_PERMITS;
    message.define.kind = PERMIT_COUNTING;
    message.define.permits = permits;
    conversation_say(talk, 2, &message);
    conversation_turn(talk);
    talk->length = 0;
}

static void say_consume(int number, uint64_t id, uint32_t permits,
                        int64_t wait_ms)
{
    struct wire_client_message message = {.id = id, .type = WIRE_ACQUIRE};

    message.acquire.parts[0].semaphore = "pool";
    message.acquire.parts[0].permits = permits;
    message.acquire.parts[0].consume = true;
    message.acquire.parts_count = 1;
    message.acquire.wait_ms = wait_ms;
    conversation_say(talk, number, &message);
}

static uint64_t available(const char *semaphore)
{
    struct engine_semaphore_view view;

    ck_assert(engine_view_semaphore(talk->engine, semaphore, &view));
    return view.available;
}

/* How far the Granted of what was taken for good comes, and who ends. */
static const struct {
    const char *name;
    bool is_plugged; /* It reaches the buffer, but not the kernel. */
    bool is_heard;   /* It reaches the kernel. */
    bool is_cut;     /* The connection breaks; else the client has said FIN. */
    uint64_t comes_back;
} undo_cases[] = {
    {"told", false, true, true, 0},
    {"in the buffer of a broken line", true, true, true, 2},
    {"in the gate of a broken line", false, false, true, 2},
    {"in the gate, but the client still reads", false, false, false, 0},
};

START_TEST(what_was_taken_for_good_comes_back_only_if_nobody_was_told)
{
    define_counting(900, "pool", 2);
    say_consume(2, 901, 2, 0);
    if (undo_cases[_i].is_plugged) {
        conversation_plug(talk, 2);
    }
    if (undo_cases[_i].is_heard) {
        conversation_turn(talk);
    }
    say_acquire(talk, 1, 3, "pool", 2, -1); /* Who waits behind is served. */
    if (undo_cases[_i].is_cut) {
        conversation_cut(talk, 2, SESSION_DISCONNECT_BY_CLIENT);
    } else {
        conversation_end(talk, 2, SESSION_DISCONNECT_BY_CLIENT);
    }
    conversation_turn(talk);
    talk->transcript[talk->length] = '\0';
    ck_assert_msg((strstr(talk->transcript, "c1 #3 granted") != NULL) ==
                      (undo_cases[_i].comes_back == 2),
                  "%s: %s", undo_cases[_i].name, talk->transcript);
    talk->length = 0;
    ck_assert_uint_eq(available("pool"), 0);
    conversation_end(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 1000);
    ck_assert_uint_eq(available("pool"), undo_cases[_i].comes_back);
}
END_TEST

START_TEST(what_is_told_to_who_comes_back_does_not_come_back)
{
    define_counting(900, "pool", 2);
    say_consume(1, 3, 2, 0);
    conversation_cut(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_turn(talk);
    ck_assert_uint_eq(available("pool"), 0); /* It may come back. */
    ck_assert(conversation_return(talk, 3, 1000, 1, 0));
    say_consume(3, 3, 2, 0);
    conversation_expect(talk, "c3 preface\n"
                              "c3 #1 welcome resumed\n"
                              "c3 #3 granted taken 1\n");
    conversation_cut(talk, 3, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 1000);
    ck_assert_uint_eq(available("pool"), 0);
}
END_TEST

START_TEST(what_nobody_was_told_comes_back_when_the_linger_is_over)
{
    define_counting(900, "pool", 2);
    say_consume(1, 3, 2, 0);
    conversation_cut(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 999);
    ck_assert_uint_eq(available("pool"), 0);
    conversation_advance(talk, 1);
    ck_assert_uint_eq(available("pool"), 2);
}
END_TEST

START_TEST(who_came_back_and_did_not_ask_was_not_told)
{
    define_counting(900, "pool", 2);
    say_consume(1, 3, 2, 0);
    conversation_cut(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    ck_assert(conversation_return(talk, 3, 0, 1, 0));
    conversation_end(talk, 3, SESSION_DISCONNECT_BY_CLIENT);
    conversation_advance(talk, 1000);
    ck_assert_uint_eq(available("pool"), 2);
}
END_TEST

START_TEST(nothing_comes_back_to_a_semaphore_of_the_same_name)
{
    struct wire_client_message delete = {.id = 902, .type = WIRE_DELETE};

    delete.delete.semaphore = "pool";
    define_counting(900, "pool", 2);
    say_consume(1, 3, 2, 0);
    conversation_cut(talk, 1, SESSION_DISCONNECT_BY_CLIENT);
    conversation_say(talk, 2, &delete);
    conversation_expect(talk, "c2 #902 done\n");
    define_counting(903, "pool", 7);
    conversation_advance(talk, 1000);
    ck_assert_uint_eq(available("pool"), 7);
}
END_TEST

/* What was put becomes durable, and what waited for it is heard. */
static void finish(struct conversation *late)
{
    conversation_turn(late);
    late_store_finish(late->late);
    conversation_turn(late);
}

START_TEST(welcome_waits_for_what_it_lists)
{
    struct conversation *late = conversation_create(true, NULL);

    ck_assert_ptr_nonnull(late);
    ck_assert(conversation_return(late, 1, 1000, 0, 0));
    say_define(late, 1, 2, "jobs", 1);
    finish(late);
    late->length = 0;
    say_acquire(late, 1, 3, "jobs", 1, 0);
    conversation_turn(late);
    conversation_end(late, 1, SESSION_DISCONNECT_BY_CLIENT);
    ck_assert(conversation_return(late, 3, 1000, 1, 0));
    conversation_expect(late, "c3 preface\n");
    finish(late);
    conversation_expect(late, "c3 #1 welcome resumed #3:jobs*1\n");
    finish(late);
    conversation_destroy(late);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_undo");
    TCase *tcase = tcase_create("undo");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(
        tcase, what_was_taken_for_good_comes_back_only_if_nobody_was_told, 0,
        (int)(sizeof(undo_cases) / sizeof(undo_cases[0])));
    tcase_add_test(tcase, what_is_told_to_who_comes_back_does_not_come_back);
    tcase_add_test(tcase,
                   what_nobody_was_told_comes_back_when_the_linger_is_over);
    tcase_add_test(tcase, who_came_back_and_did_not_ask_was_not_told);
    tcase_add_test(tcase, nothing_comes_back_to_a_semaphore_of_the_same_name);
    tcase_add_test(tcase, welcome_waits_for_what_it_lists);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
