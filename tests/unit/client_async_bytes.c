/* SPDX-License-Identifier: MIT */

/* The non-blocking face and its bytes: many answers at once, every split of
 * them, and a server that is gone at each. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <check.h>

#include "async_script.h"
#include "frame.h"

static struct async_script script;

#define MANY 10000u

static uint32_t next_answer;

static void count_answer(void *arg, const struct permit_answer *answer)
{
    ck_assert_uint_eq((uintptr_t)arg, next_answer);
    ck_assert_int_eq(answer->status,
                     next_answer % 2 == 0 ? PERMIT_OK : PERMIT_E_WOULD_BLOCK);
    next_answer++;
    permit_grant_destroy(answer->grant);
}

static size_t encode_answer(uint64_t id, bool is_granted, uint8_t *to,
                            size_t room)
{
    struct wire_server_message message = {.id = id, .type = WIRE_GRANTED};

    message.granted.grant_id = id;
    message.granted.fence = id;
    if (!is_granted) {
        message.type = WIRE_REFUSED;
        message.refused.reason = PERMIT_E_WOULD_BLOCK;
        message.refused.detail = "";
    }
    return wire_encode_server(&message, to, room);
}

START_TEST(ten_thousand_requests_are_answered_once_each_in_order)
{
    static uint8_t answers[MANY * 32];
    static uint8_t heard[1 << 16];
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    size_t length = 0;
    size_t used = 0;

    async_script_start(&script);
    async_script_connect(&script);
    script.is_quiet = true;
    request.semaphore = "jobs";
    request.wait_ms = 0;
    for (uint32_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(permit_async_acquire(script.client, &request,
                                              count_answer,
                                              (void *)(uintptr_t)i, NULL),
                         PERMIT_OK);
        length += encode_answer(3 + i, i % 2 == 0, answers + length,
                                sizeof(answers) - length);
    }
    while (used < length) {
        ssize_t sent = send(script.line, answers + used, length - used,
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        used += sent > 0 ? (size_t)sent : 0;
        async_script_run(&script);
        while (recv(script.line, heard, sizeof(heard), 0) > 0) {
        }
    }
    ck_assert_uint_eq(next_answer, MANY);
    async_script_stop(&script);
}
END_TEST

static void count_cancelled(void *arg, const struct permit_answer *answer)
{
    (void)arg;
    next_answer += answer->status == PERMIT_E_CANCELLED;
}

/* Each tenth of them is left. */
START_TEST(what_is_cancelled_before_welcome_is_never_sent)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    char expected[8192] = "> 1 HELLO 0\n";

    async_script_start(&script);
    request.semaphore = "jobs";
    for (unsigned i = 0; i < 3000; i++) {
        ck_assert_int_eq(permit_async_acquire(script.client, &request,
                                              count_cancelled, NULL, NULL),
                         PERMIT_OK);
    }
    for (unsigned id = 2; id < 3002; id++) {
        size_t length = strlen(expected);

        if (id % 10 == 0) {
            (void)snprintf(expected + length, sizeof(expected) - length,
                           "> %u ACQUIRE 0\n", id);
        } else {
            ck_assert_int_eq(permit_async_cancel(script.client, id), PERMIT_OK);
        }
        if (id % 7 == 0) {
            async_script_run(&script);
        }
    }
    async_script_run(&script);
    ck_assert_uint_eq(next_answer, 2700);
    async_script_accept(&script);
    async_script_welcome(&script, 1);
    async_script_run(&script);
    async_script_hear(&script);
    async_script_expect(&script, expected);
    async_script_stop(&script);
}
END_TEST

/* What the server says in a session of many things, and what comes of it. */
static size_t make_answers(uint8_t *to, size_t room)
{
    static const struct permit_semaphore_info row = {.name = "jobs",
                                                     .kind = PERMIT_BOUNDED};
    const struct wire_server_message messages[] = {
        {.id = 1,
         .type = WIRE_WELCOME,
         .welcome = {.session_id = 7,
                     .boot_id = "b",
                     .heartbeat_ms = 5000,
                     .session_timeout_ms = 15000,
                     .server = "permitd/test"}},
        {.id = 2, .type = WIRE_WAITING, .waiting = {.position = 2}},
        {.id = 3, .type = WIRE_PONG},
        {.id = 2,
         .type = WIRE_GRANTED,
         .granted = {.grant_id = 102, .fence = 1}},
        {.id = 4,
         .type = WIRE_REFUSED,
         .refused = {.reason = PERMIT_E_TIMEOUT, .detail = "too late"}},
        {.id = 2, .type = WIRE_LOST, .lost = {102, PERMIT_LOSS_REVOKED, 0}},
        {.id = 5,
         .type = WIRE_PAGE,
         .page = {.kind = WIRE_LIST_SEMAPHORES,
                  .total = 1,
                  .count = 1,
                  .semaphores = &row}}};
    size_t length = FRAME_PREFACE_BYTES;

    memcpy(to, frame_preface, length);
    for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
        length += wire_encode_server(&messages[i], to + length, room - length);
    }
    return length;
}

#define STORY                                                                  \
    "a waits\n"                                                                \
    "b ok\n"                                                                   \
    "a ok\n"                                                                   \
    "c timeout\n"                                                              \
    "a LOST revoked\n"                                                         \
    "d ok\n"

static void ask_all(void)
{
    (void)async_script_acquire(&script, "a");
    (void)async_script_ping(&script, "b");
    (void)async_script_acquire(&script, "c");
    (void)async_script_list(&script, "d");
    async_script_run(&script);
    async_script_accept(&script);
}

START_TEST(every_split_of_the_answers_is_the_same)
{
    uint8_t bytes[1024];
    size_t length = make_answers(bytes, sizeof(bytes));

    for (size_t at = 0; at <= length; at++) {
        struct async_script *fresh = &script;

        async_script_start(fresh);
        ask_all();
        async_script_say_bytes(fresh, bytes, at);
        async_script_say_bytes(fresh, bytes + at, length - at);
        async_script_expect(fresh, STORY);
        async_script_stop(fresh);
    }
    async_script_start(&script);
    script.split = 1;
    ask_all();
    async_script_say_bytes(&script, bytes, length);
    async_script_expect(&script, STORY);
    async_script_stop(&script);
}
END_TEST

/* The server is gone. Each of the four requests has ended once by now; what was
 * granted is lost. */
static void expect_all_ended(const char *what, size_t at)
{
    int ends = 0;

    async_script_hang_up(&script);
    async_script_run(&script);
    for (size_t i = 0; i < 4; i++) {
        char line[32];
        const char *from = script.transcript;

        (void)snprintf(line, sizeof(line), "%s ", script.asked[i].name);
        for (; (from = strstr(from, line)) != NULL; from++) {
            ends += strncmp(from + 2, "waits", 5) != 0 &&
                    strncmp(from + 2, "LOST", 4) != 0;
        }
    }
    ck_assert_msg(ends == 4, "%d ends, %s at byte %zu: %s", ends, what, at,
                  script.transcript);
    ck_assert_uint_eq(permit_async_session_id(script.client), 0);
    if (script.asked[0].grant != NULL) {
        ck_assert(!permit_grant_is_valid(script.asked[0].grant));
        ck_assert_ptr_nonnull(strstr(script.transcript, "a LOST "));
    }
}

START_TEST(the_server_may_be_gone_at_every_byte)
{
    uint8_t bytes[1024];
    size_t length = make_answers(bytes, sizeof(bytes));

    for (size_t at = 0; at <= length; at++) {
        async_script_start(&script);
        ask_all();
        async_script_say_bytes(&script, bytes, at);
        expect_all_ended("gone", at);
        async_script_stop(&script);
    }
}
END_TEST

/* ------------------------------------------------------------------ hostile
 */

START_TEST(every_byte_may_be_wrong)
{
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    uint8_t bytes[1024];
    size_t length = make_answers(bytes, sizeof(bytes));

    for (size_t at = 0; at < length; at++) {
        bytes[at] ^= flips[_i];
        async_script_start(&script);
        ask_all();
        async_script_say_bytes(&script, bytes, length);
        expect_all_ended("wrong", at);
        async_script_stop(&script);
        bytes[at] ^= flips[_i];
    }
}
END_TEST

/* In a session in which a Ping, 4, and an acquire, 5, are under way, and what
 * acquire 3 got was released by 6. */
static const struct wire_server_message lies[] = {
    {.id = 99, .type = WIRE_GRANTED, .granted = {.grant_id = 9, .fence = 1}},
    {.id = 4, .type = WIRE_GRANTED, .granted = {.grant_id = 9, .fence = 1}},
    {.id = 3, .type = WIRE_GRANTED, .granted = {.grant_id = 103, .fence = 1}},
    {.id = 5, .type = WIRE_LOST, .lost = {105, PERMIT_LOSS_REVOKED, 0}},
    {.id = 3, .type = WIRE_LOST, .lost = {9, PERMIT_LOSS_REVOKED, 0}},
    {.id = 5, .type = WIRE_DONE},
    {.id = 5, .type = WIRE_PONG},
    {.id = 0, .type = WIRE_PONG},
    {.id = 2, .type = WIRE_PONG},
    {.id = 1,
     .type = WIRE_WELCOME,
     .welcome = {.session_id = 8,
                 .boot_id = "b",
                 .heartbeat_ms = 5000,
                 .session_timeout_ms = 15000,
                 .server = "permitd/test"}}};

START_TEST(what_was_not_asked_ends_the_line)
{
    async_script_start(&script);
    async_script_connect(&script);
    (void)async_script_acquire(&script, "a");
    async_script_granted(&script, 3);
    (void)async_script_ping(&script, "b");
    (void)async_script_acquire(&script, "c");
    async_script_run(&script);
    async_script_release(&script, "r", "a", 1);
    async_script_say(&script, &lies[_i]);
    async_script_expect(&script, "a ok\n"
                                 "a LOST session\n"
                                 "b disconnected\n"
                                 "c outcome_unknown\n"
                                 "r outcome_unknown\n");
    ck_assert(!permit_grant_is_valid(script.asked[1].grant));
    async_script_stop(&script);
}
END_TEST

static void ask_again(struct asked *asked, const char *what)
{
    if (strcmp(what, "disconnected") == 0) {
        (void)async_script_ping(asked->script, "again");
    }
}

START_TEST(what_came_behind_the_end_of_a_line_is_not_the_next_ones)
{
    static uint8_t bytes[FRAME_HEADER_BYTES + FRAME_BYTES_MAX + 16380] = {
        0x00, 0x01, 0x00, 0x00};

    async_script_start(&script);
    async_script_connect(&script);
    (void)async_script_ping(&script, "a");
    async_script_run(&script);
    script.then = ask_again;
    /* A frame without a message, and so much more that it is read with the
     * frame's last bytes. */
    async_script_say_bytes(&script, bytes, sizeof(bytes));
    async_script_hang_up(&script);
    async_script_accept(&script);
    async_script_welcome(&script, 4);
    async_script_say_type(&script, 5, WIRE_PONG);
    async_script_expect(&script, "a disconnected\n"
                                 "again ok\n");
    async_script_stop(&script);
}
END_TEST

START_TEST(what_came_before_a_write_failed_counts)
{
    async_script_start(&script);
    async_script_connect(&script);
    (void)async_script_ping(&script, "a");
    async_script_run(&script);
    script.holds_back = true;
    async_script_say_type(&script, 3, WIRE_PONG);
    script.holds_back = false;
    async_script_hang_up(&script);
    (void)async_script_ping(&script, "b");
    permit_async_writable(script.client);
    async_script_expect(&script, "a ok\n"
                                 "b disconnected\n");
    async_script_stop(&script);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async_bytes");
    TCase *bytes = tcase_create("bytes");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(bytes, 30);
    tcase_add_test(bytes,
                   ten_thousand_requests_are_answered_once_each_in_order);
    tcase_add_test(bytes, what_is_cancelled_before_welcome_is_never_sent);
    tcase_add_test(bytes, every_split_of_the_answers_is_the_same);
    tcase_add_test(bytes, the_server_may_be_gone_at_every_byte);
    tcase_add_loop_test(bytes, every_byte_may_be_wrong, 0, 3);
    tcase_add_loop_test(bytes, what_was_not_asked_ends_the_line, 0,
                        sizeof(lies) / sizeof(*lies));
    tcase_add_test(bytes,
                   what_came_behind_the_end_of_a_line_is_not_the_next_ones);
    tcase_add_test(bytes, what_came_before_a_write_failed_counts);
    suite_add_tcase(suite, bytes);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
