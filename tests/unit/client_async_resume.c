/* SPDX-License-Identifier: MIT */

/* The non-blocking face over a line that breaks or falls silent. */

#include "async_script.h"
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>

#define LINGER_MS 30000
#define SILENT_MS 90 /* A session timeout: a third of it is soon over. */

static struct async_script script;

static void start(void)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;

    options.linger_ms = LINGER_MS;
    async_script_start_with(&script, &options);
}

static void stop(void)
{
    async_script_stop(&script);
}

/* ---------------------------------------------------------------- the server
 */

static struct wire_server_message welcome_of(uint64_t hello_id)
{
    return (struct wire_server_message){.id = hello_id,
                                        .type = WIRE_WELCOME,
                                        .welcome = {.session_id = 7,
                                                    .boot_id = "b",
                                                    .heartbeat_ms = 5000,
                                                    .session_timeout_ms = 15000,
                                                    .linger_ms = LINGER_MS,
                                                    .server = "permitd/test"}};
}

static void say_welcome(const struct wire_server_message *welcome)
{
    async_script_say_bytes(&script, frame_preface, FRAME_PREFACE_BYTES);
    async_script_say(&script, welcome);
}

/* A line with a session, and a grant of "a" by request 2. */
static void connect_and_hold(void)
{
    const struct wire_server_message welcome = welcome_of(1);

    (void)async_script_acquire(&script, "a");
    async_script_run(&script);
    async_script_accept(&script);
    say_welcome(&welcome);
    async_script_granted(&script, 2);
    async_script_hear(&script);
    async_script_expect(&script, "a ok\n"
                                 "> 1 HELLO 0\n"
                                 "> 2 ACQUIRE 0\n");
}

/* The loop's own time-out begins another line. */
static void accept_another(void)
{
    while (script.read_fd == -1 && script.write_fd == -1) {
        async_script_turn(&script);
    }
    async_script_accept(&script);
    async_script_run(&script);
}

static void say_resumed(uint64_t hello_id, bool has_grant)
{
    static const struct wire_live_grant row = {
        .acquire_id = 2, .grant_id = 102, .fence = 1};
    struct wire_server_message welcome = welcome_of(hello_id);

    welcome.welcome.resumed = true;
    welcome.welcome.grants.rows = &row;
    welcome.welcome.grants.count = has_grant;
    say_welcome(&welcome);
}

static bool a_is_valid(void)
{
    return permit_grant_is_valid(async_script_find(&script, "a")->grant);
}

/* ------------------------------------------------------------------ a break
 */

START_TEST(a_break_costs_nothing)
{
    connect_and_hold();
    (void)async_script_acquire(&script, "b");
    async_script_run(&script);
    async_script_hear(&script);
    async_script_hang_up(&script);
    async_script_run(&script);
    ck_assert(a_is_valid());
    async_script_release(&script, "r", "a", 0);
    accept_another();
    say_resumed(5, true);
    async_script_hear(&script);
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_granted(&script, 3);
    async_script_expect(&script, "> 3 ACQUIRE 0\n"
                                 "> 5 HELLO 0\n"
                                 "> 3 ACQUIRE 0\n"
                                 "> 4 RELEASE 2\n"
                                 "r ok\n"
                                 "b ok\n");
}
END_TEST

static void ask_anew(struct asked *asked, const char *what)
{
    (void)what;
    script.then = NULL;
    ck_assert(!a_is_valid());
    (void)async_script_ping(asked->script, "p");
}

START_TEST(what_is_not_listed_is_told_lost_and_something_else_asked)
{
    connect_and_hold();
    async_script_hang_up(&script);
    async_script_run(&script);
    accept_another();
    script.then = ask_anew;
    say_resumed(3, false);
    async_script_hear(&script);
    async_script_expect(&script, "a LOST session\n"
                                 "> 3 HELLO 0\n"
                                 "> 4 PING 0\n");
}
END_TEST

START_TEST(it_may_be_destroyed_without_a_line)
{
    connect_and_hold();
    (void)async_script_acquire(&script, "b");
    async_script_run(&script);
    async_script_hang_up(&script);
    async_script_run(&script);
    permit_async_destroy(script.client);
    script.client = NULL;
    async_script_expect(&script, "b closed\n");
    ck_assert(!a_is_valid());
}
END_TEST

/* ------------------------------------------------------------------ silence
 */

static bool is_whole(int line)
{
    char byte;
    ssize_t length;

    do {
        length = recv(line, &byte, 1, 0);
    } while (length > 0);
    return length < 0 && errno == EAGAIN;
}

/* Its end might be the session's. */
START_TEST(a_silent_line_is_kept_until_there_is_another)
{
    struct wire_server_message welcome = welcome_of(1);
    int silent;

    welcome.welcome.heartbeat_ms = SILENT_MS / 3;
    welcome.welcome.session_timeout_ms = SILENT_MS;
    (void)async_script_ping(&script, "p");
    async_script_run(&script);
    async_script_accept(&script);
    say_welcome(&welcome);
    silent = script.line;
    script.line = -1;
    while (script.read_fd != -1 || script.write_fd != -1) {
        async_script_turn(&script); /* Until it is left. */
    }
    accept_another();
    ck_assert(is_whole(silent));
    script.is_quiet = true;
    async_script_hear(&script);
    script.is_quiet = false;
    say_resumed(4, false);
    ck_assert(!is_whole(silent));
    ck_assert_int_eq(close(silent), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async_resume");
    TCase *tcase = tcase_create("resume");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, a_break_costs_nothing);
    tcase_add_test(tcase,
                   what_is_not_listed_is_told_lost_and_something_else_asked);
    tcase_add_test(tcase, it_may_be_destroyed_without_a_line);
    tcase_add_test(tcase, a_silent_line_is_kept_until_there_is_another);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
