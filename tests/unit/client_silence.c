/* SPDX-License-Identifier: MIT */

/* FAULTS C19: a server that falls silent after each byte of a conversation, and
 * keeps the line open. The blocking face says so in time, and believes in
 * nothing that it was not told.
 *
 * Every seventh byte, and those around the ends of messages; every one with
 * PERMIT_TEST_EVERY in the environment. */

#include "permit/permit.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include "daemon.h"
#include "frame.h"
#include "wire.h"

#define TIMEOUT_MS 60

static uint8_t conversation[512];
static size_t welcome_end;
static size_t conversation_end;
static int listener = -1;
static char address[64];

static void say(const struct wire_server_message *message)
{
    conversation_end +=
        wire_encode_server(message, conversation + conversation_end,
                           sizeof(conversation) - conversation_end);
}

static void write_conversation(void)
{
    memcpy(conversation, frame_preface, FRAME_PREFACE_BYTES);
    conversation_end = FRAME_PREFACE_BYTES;
    say(&(const struct wire_server_message){
        .id = 1,
        .type = WIRE_WELCOME,
        .welcome = {.session_id = 7,
                    .boot_id = "b",
                    .heartbeat_ms = 1000, /* No Ping takes Acquire's id. */
                    .session_timeout_ms = 3000,
                    .server = "s"}});
    welcome_end = conversation_end;
    say(&(const struct wire_server_message){
        .id = 2, .type = WIRE_GRANTED, .granted = {.grant_id = 9, .fence = 1}});
}

static void listen_somewhere(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t bytes = sizeof(name);

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ne(listener, -1);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(listener, 5), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&name, &bytes),
                     0);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d",
                   ntohs(name.sin_port));
}

/* Reads until the client has said Hello, or more has come; the first request
 * for the second message. */
static void await_bytes(int fd)
{
    uint8_t bytes[1024];

    ck_assert_int_gt(read(fd, bytes, sizeof(bytes)), 0);
}

/* Says the first bytes, each message once it is asked for, then nothing until
 * the client has gone. */
static void *serve(void *arg)
{
    size_t said = *(const size_t *)arg;
    size_t first = said < welcome_end ? said : welcome_end;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    uint8_t byte;

    await_bytes(fd);
    (void)!write(fd, conversation, first);
    if (said > welcome_end) {
        await_bytes(fd);
        (void)!write(fd, conversation + welcome_end, said - welcome_end);
    }
    while (read(fd, &byte, 1) > 0) {
    }
    (void)close(fd);
    return NULL;
}

static void use(struct permit_client *client, size_t said)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = NULL;
    enum permit_status status;
    enum permit_loss loss;

    request.semaphore = "jobs";
    request.wait_ms = 0;
    status = permit_acquire(client, &request, &grant);
    if (said < conversation_end) {
        ck_assert_msg(status == PERMIT_E_NO_ANSWER ||
                          status == PERMIT_E_OUTCOME_UNKNOWN,
                      "%s", permit_status_name(status));
        ck_assert_ptr_null(grant);
        return;
    }
    ck_assert_int_eq(status, PERMIT_OK);
    ck_assert_int_eq(permit_grant_wait_lost(grant, -1, &loss), PERMIT_E_LOST);
    ck_assert_int_eq(loss, PERMIT_LOSS_SESSION);
    ck_assert(!permit_grant_is_valid(grant));
    permit_grant_destroy(grant); /* At 0.9 of the session timeout. */
}

static void meet(size_t said)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_client *client;
    enum permit_status status;
    char error[256];
    pthread_t server;

    ck_assert_int_eq(pthread_create(&server, NULL, serve, &said), 0);
    options.server = address;
    options.connect_timeout_ms = said < welcome_end ? TIMEOUT_MS : 5000;
    options.answer_timeout_ms = said < conversation_end ? TIMEOUT_MS : 5000;
    status = permit_client_create(&options, &client, error, sizeof(error));
    if (said < welcome_end) {
        ck_assert_int_eq(status, PERMIT_E_DISCONNECTED);
        ck_assert_ptr_nonnull(strstr(error, "no answer to Hello in time"));
    } else {
        ck_assert_msg(status == PERMIT_OK, "%s", error);
        use(client, said);
        permit_client_destroy(client);
    }
    (void)pthread_join(server, NULL);
}

START_TEST(silence_after_each_byte_is_said_in_time)
{
    size_t fds;

    write_conversation();
    listen_somewhere();
    fds = open_fds();
    for (size_t said = 0; said <= conversation_end; said++) {
        bool is_edge = said <= FRAME_PREFACE_BYTES ||
                       said + 2 > conversation_end ||
                       (said + 2 > welcome_end && said < welcome_end + 2);

        if (is_edge || said % 7 == 0 || getenv("PERMIT_TEST_EVERY") != NULL) {
            meet(said);
            ck_assert_uint_eq(open_fds(), fds);
        }
    }
    (void)close(listener);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_silence");
    TCase *tcase = tcase_create("silence");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 55);
    tcase_add_test(tcase, silence_after_each_byte_is_said_in_time);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
