/* SPDX-License-Identifier: MIT */
/* FAULTS C5: every message in every stage of a conversation. */
#include "session.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "conversation.h"
#include "frame.h"

/* What is heard where the session is ready. */
static const struct {
    enum wire_client_type type;
    const char *ready;
    const char *draining; /* NULL: as ready. */
} cases[] = {
    {WIRE_HELLO, "c1 #0 goaway protocol\n", NULL},
    {WIRE_PING, "c1 #50 pong\n", NULL},
    {WIRE_BYE, "c1 #50 done\n", NULL},
    {WIRE_ACQUIRE, "c1 #50 granted\n", "c1 #50 refused draining\n"},
    {WIRE_CANCEL, "c1 #50 cancelled 2\n", NULL},
    {WIRE_RELEASE, "c1 #50 done\n", NULL},
    {WIRE_POST, "c1 #50 refused invalid\n", NULL},
    {WIRE_QUERY, "c1 #50 semaphore\n", NULL},
    {WIRE_LIST, "c1 #50 page 1 of 1\n", NULL},
    {WIRE_DEFINE, "c1 #50 done\n", NULL},
    {WIRE_DELETE, "c1 #50 refused conflict\n", NULL},
    {WIRE_RENEW, "c1 #50 renewed 7000\n", NULL},
    {WIRE_SETTLE, "c1 #50 refused invalid\n", NULL},
    {WIRE_VERIFY, "c1 #50 refused not_held\n", NULL},
    {WIRE_WATCH, "c1 #50 refused unsupported\n", NULL},
    {WIRE_PAUSE, "c1 #50 refused unsupported\n", NULL},
    {WIRE_RESUME, "c1 #50 refused unsupported\n", NULL},
    {WIRE_REVOKE, "c1 #50 refused unsupported\n", NULL},
    {WIRE_KICK, "c1 #50 refused unsupported\n", NULL},
    {WIRE_DRAIN, "c1 #50 refused unsupported\n", NULL},
    {WIRE_WHY, "c1 #50 done\n", "c1 #50 refused draining\n"},
    {WIRE_UNKNOWN, "c1 #50 refused unsupported\n", NULL},
};
#define CASES_COUNT ((int)(sizeof(cases) / sizeof(cases[0])))
_Static_assert(sizeof(cases) / sizeof(cases[0]) == WIRE_CLIENT_TYPE_COUNT,
               "every message has a row");

static struct conversation *talk;

static void setup(void)
{
    talk = conversation_create(false, NULL);
    ck_assert_ptr_nonnull(talk);
}

static void teardown(void)
{
    conversation_destroy(talk);
}

/* Says a message of that type, with id 50, that makes sense. */
static void say(enum wire_client_type type)
{
    /* The id, and a member of the oneof that no version has. */
    static const uint8_t unknown[] = {0, 0, 0, 5, 0x08, 50, 0xfa, 0x3f, 0};
    struct wire_client_message message = {.id = 50, .type = type};

    switch (type) {
    case WIRE_HELLO:
        message.hello.name = message.hello.host = "x";
        message.hello.purpose = message.hello.client = "";
        break;
    case WIRE_ACQUIRE:
    case WIRE_WHY:
        message.acquire.parts[0].semaphore = "jobs";
        message.acquire.parts[0].permits = 1;
        message.acquire.parts_count = 1;
        break;
    case WIRE_CANCEL:
        message.cancel.acquire_id = 3;
        break;
    case WIRE_RELEASE:
    case WIRE_SETTLE:
        message.release.acquire_id = 3;
        break;
    case WIRE_POST:
        message.post.semaphore = "jobs";
        message.post.permits = 1;
        break;
    case WIRE_QUERY:
        message.query.semaphore = "jobs";
        break;
    case WIRE_LIST:
        message.list.kind = WIRE_LIST_SEMAPHORES;
        message.list.name = "";
        break;
    case WIRE_DEFINE:
        message.define.semaphore = "other";
        break;
    case WIRE_DELETE:
        message.delete.semaphore = "jobs";
        break;
    case WIRE_UNKNOWN:
        (void)conversation_say_bytes(talk, 1, unknown, sizeof(unknown));
        return;
    case WIRE_RENEW:
        message.renew.acquire_id = 3;
        message.renew.hold_ms = 7000;
        break;
    case WIRE_PING:
    case WIRE_BYE:
    case WIRE_VERIFY:
    case WIRE_WATCH:
    case WIRE_PAUSE:
    case WIRE_RESUME:
    case WIRE_REVOKE:
    case WIRE_KICK:
    case WIRE_DRAIN:
        break;
    }
    conversation_say(talk, 1, &message);
}

static void become_ready(void)
{
    ck_assert(conversation_hello(talk, 1));
    say_define(talk, 1, 2, "jobs", 2);
    say_acquire(talk, 1, 3, "jobs", 1, 0);
    conversation_expect(talk, "c1 preface\n"
                              "c1 #1 welcome\n"
                              "c1 #2 done\n"
                              "c1 #3 granted\n");
}

static void expect_closing(const char *reason)
{
    ck_assert_int_eq(session_get_stage(talk->clients[1]),
                     SESSION_STAGE_CLOSING);
    ck_assert_str_eq(session_close_reason(talk->clients[1]), reason);
}

START_TEST(before_the_preface_a_frame_is_closed_without_a_word)
{
    ck_assert(conversation_connect(talk, 1));
    say(cases[_i].type);
    conversation_expect(talk, "");
    expect_closing("preface");
}
END_TEST

START_TEST(before_welcome_only_hello_is_obeyed)
{
    ck_assert(conversation_connect(talk, 1));
    (void)conversation_say_bytes(talk, 1, frame_preface, FRAME_PREFACE_BYTES);
    say(cases[_i].type);
    if (cases[_i].type == WIRE_HELLO) {
        conversation_expect(talk, "c1 preface\n"
                                  "c1 #50 welcome\n");
    } else {
        conversation_expect(talk, "c1 preface\n"
                                  "c1 #0 goaway protocol\n");
        expect_closing("protocol");
    }
}
END_TEST

START_TEST(a_ready_session_answers_each_message)
{
    become_ready();
    say(cases[_i].type);
    conversation_expect(talk, cases[_i].ready);
}
END_TEST

START_TEST(after_bye_nothing_is_obeyed)
{
    struct wire_client_message bye = {.id = 4, .type = WIRE_BYE};

    become_ready();
    conversation_say(talk, 1, &bye);
    say(cases[_i].type);
    conversation_expect(talk, "c1 #4 done\n");
    say(cases[_i].type);
    conversation_expect(talk, "");
    expect_closing("bye");
}
END_TEST

START_TEST(after_goaway_nothing_is_obeyed)
{
    become_ready();
    session_goaway(talk->clients[1], WIRE_GOAWAY_SHUTDOWN, 1000, "");
    say(cases[_i].type);
    conversation_expect(talk, "c1 #0 goaway shutdown\n");
    expect_closing("shutdown");
}
END_TEST

START_TEST(draining_holders_go_on_and_acquires_are_refused)
{
    struct engine_event drain = {.type = ENGINE_DRAIN, .now_ns = talk->now_ns};

    become_ready();
    sessions_apply(talk->sessions, &drain);
    say(cases[_i].type);
    conversation_expect(talk, cases[_i].draining != NULL ? cases[_i].draining
                                                         : cases[_i].ready);
}
END_TEST

START_TEST(c6_another_version_gets_the_servers_own_preface)
{
    static const uint8_t other[] = {0x93, 'P', 'M', 2, 0, 0, 0, 0};

    ck_assert(conversation_connect(talk, 1));
    (void)conversation_say_bytes(talk, 1, other, sizeof(other));
    conversation_expect(talk, "c1 preface\n");
    expect_closing("preface");
}
END_TEST

/* A frame of that length, announced before and after Welcome. */
static const struct {
    bool is_ready;
    uint8_t header[FRAME_HEADER_BYTES];
    bool is_broken;
} lengths[] = {
    {false, {0x00, 0x00, 0x04, 0x00}, false},
    {false, {0x00, 0x00, 0x04, 0x01}, true},
    {true, {0x00, 0x01, 0x00, 0x00}, false},
    {true, {0x00, 0x01, 0x00, 0x01}, true},
    {true, {0x7f, 0xff, 0xff, 0xff}, true},
    {true, {0x80, 0x00, 0x00, 0x00}, true},
    {true, {0xff, 0xff, 0xff, 0xff}, true},
};

START_TEST(c1_a_frame_that_is_too_long_is_refused_by_its_length)
{
    if (lengths[_i].is_ready) {
        become_ready();
    } else {
        ck_assert(conversation_connect(talk, 1));
        (void)conversation_say_bytes(talk, 1, frame_preface,
                                     FRAME_PREFACE_BYTES);
        conversation_expect(talk, "c1 preface\n");
    }
    (void)conversation_say_bytes(talk, 1, lengths[_i].header,
                                 FRAME_HEADER_BYTES);
    conversation_expect(talk,
                        lengths[_i].is_broken ? "c1 #0 goaway protocol\n" : "");
}
END_TEST

static void say_hello(const struct wire_client_message *hello)
{
    ck_assert(conversation_connect(talk, 1));
    (void)conversation_say_bytes(talk, 1, frame_preface, FRAME_PREFACE_BYTES);
    conversation_say(talk, 1, hello);
}

START_TEST(a_hello_about_a_session_that_is_not_there_opens_a_new_one)
{
    struct wire_client_message hello = {.id = 1, .type = WIRE_HELLO};

    hello.hello.name = hello.hello.host = hello.hello.purpose =
        hello.hello.client = "";
    hello.hello.has_resume = _i == 0;
    hello.hello.has_end = _i == 1;
    say_hello(&hello);
    conversation_expect(talk, "c1 preface\n"
                              "c1 #1 welcome\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_stages");
    TCase *tcase = tcase_create("stages");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase,
                        before_the_preface_a_frame_is_closed_without_a_word, 0,
                        CASES_COUNT);
    tcase_add_loop_test(tcase, before_welcome_only_hello_is_obeyed, 0,
                        CASES_COUNT);
    tcase_add_loop_test(tcase, a_ready_session_answers_each_message, 0,
                        CASES_COUNT);
    tcase_add_loop_test(tcase, after_bye_nothing_is_obeyed, 0, CASES_COUNT);
    tcase_add_loop_test(tcase, after_goaway_nothing_is_obeyed, 0, CASES_COUNT);
    tcase_add_loop_test(tcase, draining_holders_go_on_and_acquires_are_refused,
                        0, CASES_COUNT);
    tcase_add_test(tcase, c6_another_version_gets_the_servers_own_preface);
    tcase_add_loop_test(tcase,
                        c1_a_frame_that_is_too_long_is_refused_by_its_length, 0,
                        (int)(sizeof(lengths) / sizeof(lengths[0])));
    tcase_add_loop_test(
        tcase, a_hello_about_a_session_that_is_not_there_opens_a_new_one, 0, 2);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
