/* SPDX-License-Identifier: MIT */

/* The non-blocking face and its connection: how it comes about and how it ends.
 */

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#include "async_script.h"
#include "daemon.h"
#include "frame.h"

static struct async_script script;
static size_t fds_before;

static void start(void)
{
    fds_before = open_fds();
}

static void stop(void)
{
    ck_assert_uint_eq(open_fds(), fds_before);
}

static void start_at(const char *server, int64_t connect_timeout_ms)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;

    options.server = server;
    options.connect_timeout_ms = connect_timeout_ms;
    async_script_start_with(&script, &options);
}

/* Turns the loop until something was noted. */
static void wait_for_news(void)
{
    while (script.length == 0) {
        async_script_turn(&script);
    }
}

static void expect_error(const char *expected)
{
    char text[512];

    permit_async_last_error(script.client, text, sizeof(text));
    ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
}

/* A socket that is bound to a free port of 127.0.0.1, and listens if there is a
 * backlog. */
static int bind_somewhere(int backlog, int *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t bytes = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &bytes), 0);
    if (backlog > 0) {
        ck_assert_int_eq(listen(fd, backlog), 0);
    }
    *ret_port = ntohs(name.sin_port);
    return fd;
}

/* --------------------------------------------------------------- connecting
 */

START_TEST(a_server_that_is_not_there_is_told_by_the_loop)
{
    char server[64];
    int port;
    int fd = bind_somewhere(0, &port);

    (void)snprintf(server, sizeof(server), "127.0.0.1:%d", port);
    start_at(server, 5000);
    (void)async_script_acquire(&script, "a");
    (void)async_script_ping(&script, "b");
    ck_assert_uint_eq(script.length, 0);
    wait_for_news();
    async_script_expect(&script, "a disconnected\n"
                                 "b disconnected\n");
    expect_error("127.0.0.1");
    expect_error("refused");
    async_script_stop(&script);
    (void)close(fd);
}
END_TEST

START_TEST(the_next_server_is_tried_when_the_first_is_dead)
{
    char servers[64];
    int port;
    int fd = bind_somewhere(0, &port);

    (void)snprintf(servers, sizeof(servers), "unix:/nowhere,127.0.0.1:%d,",
                   port);
    start_at(servers, 5000);
    (void)async_script_ping(&script, "a");
    while (script.read_fd == -1) {
        async_script_turn(&script);
    }
    async_script_accept(&script);
    async_script_welcome(&script, 1);
    async_script_say_type(&script, 2, WIRE_PONG);
    async_script_expect(&script, "a ok\n");
    async_script_stop(&script);
    (void)close(fd);
}
END_TEST

/* A listener whose queue is full drops what asks for more: it looks like a
 * machine that is gone. */
START_TEST(a_server_that_hangs_takes_its_share)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    char servers[64];
    int port;
    int fill[2];
    int fd = bind_somewhere(0, &port);

    ck_assert_int_eq(listen(fd, 0), 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons((uint16_t)port);
    for (int i = 0; i < 2; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fill[i], (struct sockaddr *)&name, sizeof(name));
    }
    (void)snprintf(servers, sizeof(servers), "127.0.0.1:%d,", port);
    start_at(servers, 600);
    (void)async_script_ping(&script, "a");
    ck_assert_int_ne(script.write_fd, -1);
    ck_assert_int_le(script.timer_ms, 300);
    while (script.read_fd == -1) {
        async_script_turn(&script);
    }
    async_script_accept(&script);
    async_script_welcome(&script, 1);
    async_script_say_type(&script, 2, WIRE_PONG);
    async_script_expect(&script, "a ok\n");
    async_script_stop(&script);
    (void)close(fill[0]);
    (void)close(fill[1]);
    (void)close(fd);
}
END_TEST

START_TEST(a_server_that_does_not_say_welcome_is_given_up)
{
    start_at(NULL, 100);
    (void)async_script_acquire(&script, "a");
    async_script_run(&script);
    ck_assert_int_gt(script.timer_ms, 0);
    ck_assert_int_le(script.timer_ms, 100);
    wait_for_news();
    async_script_expect(&script, "a disconnected\n");
    expect_error("Hello");
    ck_assert_int_eq(script.timer_ms, -1);
    async_script_stop(&script);
}
END_TEST

/* A line on which "a" is granted. */
static void connect_to(int64_t heartbeat_ms, int64_t session_timeout_ms)
{
    const struct wire_server_message welcome = {
        .id = 1,
        .type = WIRE_WELCOME,
        .welcome = {.session_id = 7,
                    .boot_id = "b",
                    .heartbeat_ms = heartbeat_ms,
                    .session_timeout_ms = session_timeout_ms,
                    .server = "permitd/test"}};

    async_script_start(&script);
    (void)async_script_acquire(&script, "a");
    async_script_run(&script);
    async_script_accept(&script);
    async_script_say_bytes(&script, frame_preface, FRAME_PREFACE_BYTES);
    async_script_say(&script, &welcome);
    async_script_granted(&script, 2);
}

START_TEST(a_silent_server_is_not_believed)
{
    connect_to(5000, 400);
    async_script_expect(&script, "a ok\n");
    wait_for_news();
    async_script_expect(&script, "a LOST session\n");
    expect_error("silent");
    async_script_stop(&script);
}
END_TEST

START_TEST(the_loops_timer_sends_the_heartbeats)
{
    connect_to(30, 60000);
    while (strstr(script.transcript, "> 3 PING") == NULL) {
        async_script_turn(&script);
        async_script_hear(&script);
    }
    async_script_stop(&script);
}
END_TEST

START_TEST(a_timer_that_comes_early_is_set_again)
{
    async_script_start(&script);
    async_script_connect(&script);
    ck_assert_int_gt(script.timer_ms, 0);
    script.timer_ms = -1;
    permit_async_timer(script.client);
    ck_assert_int_gt(script.timer_ms, 0);
    async_script_stop(&script);
}
END_TEST

static char log_text[512];

static void keep_log(void *arg, enum permit_log_level level, const char *text)
{
    size_t length = strlen(log_text);

    (void)arg;
    (void)snprintf(log_text + length, sizeof(log_text) - length, "%d %s\n",
                   (int)level, text);
}

START_TEST(the_log_says_connected_and_lost)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    char expected[640];

    options.log = keep_log;
    async_script_start_with(&script, &options);
    async_script_connect(&script);
    async_script_hang_up(&script);
    async_script_run(&script);
    (void)snprintf(expected, sizeof(expected),
                   "1 connected to %s, session 7\n"
                   "2 %s: the server closed the connection\n",
                   script.server, script.server);
    ck_assert_str_eq(log_text, expected);
    async_script_stop(&script);
}
END_TEST

/* ---------------------------------------------------------------- resolving
 */

enum when { AT_ONCE, LATER, NEVER, NOTHING, LATE };

static enum when resolves;
static uint64_t lookup_id;
static uint64_t lookups_total;
static struct sockaddr_in found = {.sin_family = AF_INET};
static const struct addrinfo addresses = {.ai_family = AF_INET,
                                          .ai_addrlen = sizeof(found),
                                          .ai_addr = (struct sockaddr *)&found};

static void resolve(void *arg, struct permit_async *client, uint64_t id,
                    const char *host, const char *port)
{
    ck_assert_ptr_eq(arg, &script);
    ck_assert_str_eq(host, lookups_total == 0 ? "first.test" : "second.test");
    ck_assert_str_eq(port, "7417");
    lookup_id = id;
    lookups_total++;
    if (resolves == AT_ONCE) {
        permit_async_resolved(client, id, &addresses);
    } else if (resolves == NOTHING) {
        permit_async_resolved(client, id, NULL);
    }
}

/* Two names; the listener is 127.0.0.1's. */
static void start_resolving(enum when when, int64_t connect_timeout_ms)
{
    int port;
    int fd = bind_somewhere(8, &port);

    found.sin_port = htons((uint16_t)port);
    found.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    resolves = when;
    start_at("permit://first.test,second.test", connect_timeout_ms);
    (void)close(script.listener);
    script.listener = fd;
    ck_assert_int_eq(permit_async_set_resolver(script.client, resolve, &script),
                     PERMIT_OK);
    (void)async_script_ping(&script, "a");
    ck_assert_uint_eq(script.length, 0);
}

static void expect_answered(void)
{
    async_script_accept(&script);
    async_script_welcome(&script, 1);
    async_script_say_type(&script, 2, WIRE_PONG);
    wait_for_news();
    async_script_expect(&script, "a ok\n");
    async_script_stop(&script);
}

START_TEST(a_resolver_answers_at_once)
{
    start_resolving(AT_ONCE, 5000);
    expect_answered();
    ck_assert_uint_eq(lookups_total, 1);
}
END_TEST

START_TEST(a_resolver_answers_later)
{
    start_resolving(LATER, 5000);
    async_script_run(&script);
    permit_async_resolved(script.client, lookup_id + 1, NULL);
    permit_async_resolved(script.client, lookup_id, &addresses);
    permit_async_resolved(script.client, lookup_id, NULL);
    expect_answered();
    ck_assert_uint_eq(lookups_total, 1);
}
END_TEST

START_TEST(a_resolver_that_never_answers_takes_its_share)
{
    start_resolving(NEVER, 60);
    wait_for_news();
    async_script_expect(&script, "a disconnected\n");
    expect_error("second.test: the name was not looked up in time");
    ck_assert_uint_eq(lookups_total, 2);
    permit_async_resolved(script.client, lookup_id, &addresses);
    async_script_stop(&script);
}
END_TEST

START_TEST(a_resolver_finds_nothing)
{
    start_resolving(NOTHING, 5000);
    wait_for_news();
    async_script_expect(&script, "a disconnected\n");
    expect_error("second.test: the name is unknown");
    ck_assert_uint_eq(lookups_total, 2);
    async_script_stop(&script);
}
END_TEST

START_TEST(a_late_lookup_is_not_taken_for_the_next_hosts)
{
    uint64_t first;

    start_resolving(LATE, 800);
    first = lookup_id;
    while (lookups_total == 1) {
        async_script_turn(&script);
    }
    permit_async_resolved(script.client, first, NULL);
    permit_async_resolved(script.client, lookup_id, &addresses);
    expect_answered();
}
END_TEST

START_TEST(a_line_that_ends_while_it_is_looked_up_asks_again)
{
    async_script_fail_hook(1, false); /* The timer. */
    start_resolving(LATER, 5000);
    wait_for_news();
    async_script_expect(&script, "a nomem\n");
    lookups_total = 0;
    while (permit_async_ping(script.client, NULL, NULL) != PERMIT_OK) {
        /* It is told what the last attempt met, until the next is due. */
    }
    ck_assert_uint_eq(lookups_total, 1);
    async_script_stop(&script);
}
END_TEST

START_TEST(a_name_needs_a_resolver)
{
    start_at("somewhere.test", 5000);
    (void)async_script_ping(&script, "a");
    ck_assert_uint_eq(script.length, 0);
    ck_assert_int_eq(script.timer_ms, 0);
    wait_for_news();
    async_script_expect(&script, "a disconnected\n");
    expect_error("permit_async_set_resolver");
    async_script_stop(&script);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async_line");
    TCase *line = tcase_create("line");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(line, start, stop);
    tcase_set_timeout(line, 30);
    tcase_add_test(line, a_server_that_is_not_there_is_told_by_the_loop);
    tcase_add_test(line, the_next_server_is_tried_when_the_first_is_dead);
    tcase_add_test(line, a_server_that_hangs_takes_its_share);
    tcase_add_test(line, a_server_that_does_not_say_welcome_is_given_up);
    tcase_add_test(line, a_silent_server_is_not_believed);
    tcase_add_test(line, the_loops_timer_sends_the_heartbeats);
    tcase_add_test(line, the_log_says_connected_and_lost);
    tcase_add_test(line, a_resolver_answers_at_once);
    tcase_add_test(line, a_resolver_answers_later);
    tcase_add_test(line, a_resolver_that_never_answers_takes_its_share);
    tcase_add_test(line, a_resolver_finds_nothing);
    tcase_add_test(line, a_late_lookup_is_not_taken_for_the_next_hosts);
    tcase_add_test(line, a_line_that_ends_while_it_is_looked_up_asks_again);
    tcase_add_test(line, a_name_needs_a_resolver);
    tcase_add_test(line, a_timer_that_comes_early_is_set_again);
    suite_add_tcase(suite, line);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
