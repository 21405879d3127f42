/* SPDX-License-Identifier: MIT */

/* FAULTS C19: a server that says what no server may say, and bytes cut
 * anywhere. Never a crash, never a grant that is not there. */

#include "client_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "frame.h"
#include "list.h"
#include "memory.h"

static struct client_script script;

static void stop(void)
{
    client_script_stop(&script);
}

/* Does the transcript end so? */
static void expect_down(const char *reason)
{
    char line[64];

    (void)snprintf(line, sizeof(line), "DOWN %s: ", reason);
    ck_assert_msg(strstr(script.transcript, line) != NULL, "%s",
                  script.transcript);
    ck_assert(core_is_down(script.core));
    ck_assert_int_eq(core_believed_until(script.core), 0);
}

/* ------------------------------------------------------- before Welcome */

static const struct {
    const char *bytes;
    size_t length;
    const char *reason;
} openings[] = {
    {"HTTP/1.1 400 Bad Request\r\n", 26, "protocol"},
    {"SSH-2.0-OpenSSH_9.2\r\n", 21, "protocol"},
    {"\x15\x03\x01\x00\x02\x02\x46", 7, "protocol"},
    {"\x93PM\x02", 4, "version"},
    {"\x93PM\x01\x00\x01\x00\x01", 8, "protocol"}, /* Too long a frame. */
    {"\x93PM\x01\xff\xff\xff\xff", 8, "protocol"},
    {"\x93PM\x01\x00\x00\x00\x01\x07", 9, "protocol"}, /* A broken message. */
    {"\x93PM\x01\x00\x00\x00\x00", 8, "protocol"},     /* An empty one. */
};

START_TEST(what_is_no_permitd_is_told_apart)
{
    client_script_open(&script);
    client_script_say_bytes(&script, (const uint8_t *)openings[_i].bytes,
                            openings[_i].length);
    expect_down(openings[_i].reason);
}
END_TEST

static const struct wire_welcome welcomes[] = {
    {.session_id = 0, .heartbeat_ms = 1, .session_timeout_ms = 3},
    {.session_id = 7, .heartbeat_ms = 0, .session_timeout_ms = 3},
    {.session_id = 7, .heartbeat_ms = 1, .session_timeout_ms = 0},
    {.session_id = 7,
     .heartbeat_ms = 1,
     .session_timeout_ms = 3,
     .resumed = true},
};

START_TEST(a_welcome_that_makes_no_sense_is_refused)
{
    struct wire_server_message message = {
        .id = 1, .type = WIRE_WELCOME, .welcome = welcomes[_i]};

    message.welcome.boot_id = "";
    message.welcome.server = "";
    client_script_open(&script);
    client_script_say_bytes(&script, frame_preface, FRAME_PREFACE_BYTES);
    client_script_say(&script, &message);
    expect_down("protocol");
}
END_TEST

START_TEST(a_refused_hello_says_why)
{
    client_script_open(&script);
    client_script_say_bytes(&script, frame_preface, FRAME_PREFACE_BYTES);
    client_script_refused(&script, 1, PERMIT_E_TOO_MANY);
    expect_down("too_many");
}
END_TEST

START_TEST(nothing_but_welcome_comes_first)
{
    client_script_open(&script);
    client_script_say_bytes(&script, frame_preface, FRAME_PREFACE_BYTES);
    client_script_granted(&script, 1, 0, 0);
    expect_down("protocol");
}
END_TEST

START_TEST(a_welcome_that_does_not_come_is_not_waited_for)
{
    client_script_open(&script);
    client_script_say_bytes(&script, frame_preface, FRAME_PREFACE_BYTES);
    client_script_at(&script, 999);
    client_script_expect(&script, "");
    client_script_at(&script, 1000);
    expect_down("disconnected");
}
END_TEST

/* ---------------------------------------------------------- after Welcome */

START_TEST(an_answer_to_nothing_closes_the_line)
{
    static const enum wire_server_type types[] = {
        WIRE_PONG, WIRE_DONE,      WIRE_CANCELLED, WIRE_POSTED,
        WIRE_PAGE, WIRE_SEMAPHORE, WIRE_GRANTED,   WIRE_WELCOME,
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        client_script_start(&script);
        if (types[i] == WIRE_GRANTED) {
            client_script_granted(&script, 99, 0, 0);
        } else if (types[i] == WIRE_WELCOME) {
            client_script_welcome(&script);
        } else {
            client_script_say_type(&script, 99, types[i]);
        }
        expect_down("protocol");
        client_script_stop(&script);
    }
    client_script_start(&script);
}
END_TEST

START_TEST(an_answer_of_another_kind_closes_the_line)
{
    static const enum wire_client_type asked[] = {
        WIRE_PING, WIRE_ACQUIRE, WIRE_POST,   WIRE_QUERY,
        WIRE_LIST, WIRE_DEFINE,  WIRE_DELETE, WIRE_BYE};
    static const enum wire_server_type answers[] = {
        WIRE_PONG, WIRE_GRANTED, WIRE_POSTED, WIRE_SEMAPHORE,
        WIRE_PAGE, WIRE_DONE,    WIRE_DONE,   WIRE_DONE};
    const size_t count = sizeof(asked) / sizeof(*asked);

    for (size_t i = 0; i < count * count; i++) {
        enum wire_client_type type = asked[i / count];
        enum wire_server_type answer = answers[i % count];
        uint64_t id;

        client_script_start(&script);
        id = type == WIRE_ACQUIRE
                 ? client_script_acquire(&script, "a", 0, 0, false)
                 : client_script_ask(&script, "a", type);
        if (answer == WIRE_GRANTED) {
            client_script_granted(&script, id, 0, 0);
        } else {
            client_script_say_type(&script, id, answer);
        }
        if (answer == answers[i / count]) {
            ck_assert(core_has_line(script.core));
        } else {
            expect_down("protocol");
        }
        client_script_stop(&script);
    }
    client_script_start(&script);
}
END_TEST

START_TEST(a_second_answer_closes_the_line_and_loses_the_grant)
{
    uint64_t a;

    client_script_start(&script);
    a = client_script_acquire(&script, "a", 0, 0, false);
    client_script_granted(&script, a, 0, 0);
    client_script_granted(&script, a, 0, 0);
    expect_down("protocol");
    ck_assert_ptr_nonnull(strstr(script.transcript, "a LOST session"));
}
END_TEST

START_TEST(a_foreign_loss_closes_the_line)
{
    static const uint64_t losses[][2] = {{2, 999}, {99, 102}, {3, 103}};
    uint64_t a;

    client_script_start(&script);
    a = client_script_acquire(&script, "a", 0, 0, false);
    client_script_granted(&script, a, 0, 0);
    (void)client_script_acquire(&script, "b", -1, 0, false); /* It waits. */
    client_script_lost(&script, losses[_i][0], losses[_i][1],
                       PERMIT_LOSS_REVOKED);
    expect_down("protocol");
}
END_TEST

/* Event, Joined and reasons that this version does not know. */
START_TEST(what_a_newer_server_says_is_passed_over)
{
    static const uint8_t event[] = {0, 0, 0, 5, 0x08, 0x63, 0x8a, 0x01, 0x00};
    static const uint8_t reason_99[] = {0,    0,    0,    6,    0x08,
                                        0x02, 0x22, 0x02, 0x08, 99};

    client_script_start(&script);
    client_script_say_bytes(&script, event, sizeof(event));
    ck_assert_uint_eq(client_script_acquire(&script, "a", 0, 0, false), 2);
    client_script_say_bytes(&script, reason_99, sizeof(reason_99));
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a unsupported\n");
    ck_assert(core_has_line(script.core));
}
END_TEST

/* ------------------------------------------------------------------- cuts */

/* A conversation, fed in pieces of each size. */
START_TEST(every_split_says_the_same)
{
    uint64_t a;

    client_script_open(&script);
    script.split = (size_t)_i;
    client_script_welcome(&script);
    a = client_script_acquire(&script, "a", -1, 0, false);
    client_script_say_type(&script, a, WIRE_WAITING);
    client_script_granted(&script, a, 0, 2000);
    client_script_refused(&script, client_script_ask(&script, "p", WIRE_POST),
                          PERMIT_E_OVERFLOW);
    client_script_lost(&script, a, 100 + a, PERMIT_LOSS_REVOKED);
    client_script_expect(&script, "[   0] READY 7\n"
                                  "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a waits, 2\n"
                                  "[   0] a OK until 1998.000\n"
                                  "[   0] > 3 POST jobs 1\n"
                                  "[   0] p overflow\n"
                                  "[   0] a LOST revoked\n");
}
END_TEST

START_TEST(a_grant_without_a_number_closes_the_line)
{
    struct wire_server_message message = {
        .id = 2,
        .type = WIRE_GRANTED,
        .granted = {.grant_id = _i == 0 ? 0 : 7, .fence = _i == 0 ? 7 : 0}};

    client_script_start(&script);
    (void)client_script_acquire(&script, "a", -1, 0, false);
    client_script_say(&script, &message);
    expect_down("protocol");
    ck_assert_ptr_null(strstr(script.transcript, "a ok"));
}
END_TEST

START_TEST(a_loss_for_a_newer_reason_is_a_loss)
{
    uint64_t id;

    client_script_start(&script);
    id = client_script_acquire(&script, "a", -1, 0, false);
    client_script_granted(&script, id, 0, 0);
    client_script_lost(&script, id, 100 + id, (enum permit_loss)99);
    client_script_expect(&script, "[   0] > 2 ACQUIRE jobs\n"
                                  "[   0] a ok\n"
                                  "[   0] a LOST unknown\n");
}
END_TEST

/* Else a list would seem to be all that there is. */
START_TEST(a_page_without_the_rows_that_there_are_is_refused)
{
    const struct wire_page none = {.kind = WIRE_LIST_SEMAPHORES};
    const struct wire_page held_back = {.kind = WIRE_LIST_SEMAPHORES,
                                        .total = 5};
    const struct permit_semaphore_info rows[2] = {{.name = "a"}, {.name = "b"}};
    const struct wire_page beyond = {.kind = WIRE_LIST_SEMAPHORES,
                                     .total = 1,
                                     .count = 2,
                                     .semaphores = rows};
    struct permit_list *list =
        list_create(&memory_default, WIRE_LIST_SEMAPHORES, "");

    client_script_start(&script);
    ck_assert_int_eq(list_append(list, &none), PERMIT_OK);
    ck_assert_int_eq(list_append(list, &held_back), PERMIT_E_PROTOCOL);
    ck_assert_int_eq(list_append(list, &beyond), PERMIT_E_PROTOCOL);
    permit_list_destroy(list);
}
END_TEST

/* One byte of a good conversation is another: whatever happens, no answer that
 * was not asked for, and nothing believed in after the line is down. */
START_TEST(no_changed_byte_does_harm)
{
    const struct wire_server_message granted = {
        .id = 2,
        .type = WIRE_GRANTED,
        .granted = {.grant_id = 102, .fence = 1, .hold_ms = 2000}};
    uint8_t frame[128];
    size_t length = wire_encode_server(&granted, frame, sizeof(frame));

    for (size_t at = 0; at < length * 8; at++) {
        client_script_start(&script);
        (void)client_script_acquire(&script, "a", -1, 2000, false);
        frame[at / 8] ^= (uint8_t)(1u << (at % 8));
        client_script_say_bytes(&script, frame, length);
        frame[at / 8] ^= (uint8_t)(1u << (at % 8));
        client_script_at(&script, 60000);
        ck_assert(core_is_down(script.core));
        ck_assert_int_eq(core_believed_until(script.core), 0);
        client_script_stop(&script);
    }
    client_script_start(&script);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_hostile");
    TCase *hostile = tcase_create("hostile");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(hostile, NULL, stop);
    tcase_add_loop_test(hostile, what_is_no_permitd_is_told_apart, 0,
                        (int)(sizeof(openings) / sizeof(*openings)));
    tcase_add_loop_test(hostile, a_welcome_that_makes_no_sense_is_refused, 0,
                        (int)(sizeof(welcomes) / sizeof(*welcomes)));
    tcase_add_test(hostile, a_refused_hello_says_why);
    tcase_add_test(hostile, nothing_but_welcome_comes_first);
    tcase_add_test(hostile, a_welcome_that_does_not_come_is_not_waited_for);
    tcase_add_test(hostile, an_answer_to_nothing_closes_the_line);
    tcase_add_test(hostile, an_answer_of_another_kind_closes_the_line);
    tcase_add_test(hostile,
                   a_second_answer_closes_the_line_and_loses_the_grant);
    tcase_add_loop_test(hostile, a_foreign_loss_closes_the_line, 0, 3);
    tcase_add_test(hostile, what_a_newer_server_says_is_passed_over);
    tcase_add_loop_test(hostile, every_split_says_the_same, 1, 64);
    tcase_add_test(hostile, no_changed_byte_does_harm);
    tcase_add_test(hostile, a_loss_for_a_newer_reason_is_a_loss);
    tcase_add_loop_test(hostile, a_grant_without_a_number_closes_the_line, 0,
                        2);
    tcase_add_test(hostile, a_page_without_the_rows_that_there_are_is_refused);
    suite_add_tcase(suite, hostile);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
