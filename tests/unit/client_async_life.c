/* SPDX-License-Identifier: MIT */

/* The non-blocking face: what callbacks may do, destroy included, and what
 * fork() leaves of it. */

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "async_script.h"
#include "daemon.h"

static struct async_script script;
static size_t fds_before;

static void start(void)
{
    fds_before = open_fds();
    async_script_start(&script);
}

static void stop(void)
{
    async_script_stop(&script);
    ck_assert_uint_eq(open_fds(), fds_before);
}

/* ------------------------------------------------------------------ destroy
 */

static const char *destroy_at; /* "name what". */

static void destroy_then(struct asked *asked, const char *what)
{
    struct async_script *owner = asked->script;
    size_t name_length = strlen(asked->name);

    if (strncmp(destroy_at, asked->name, name_length) != 0 ||
        strcmp(destroy_at + name_length + 1, what) != 0) {
        return;
    }
    permit_async_destroy(owner->client);
    permit_async_destroy(owner->client);
    permit_async_readable(owner->client);
    permit_async_timer(owner->client);
    (void)async_script_ping(owner, "late");
    ck_assert(!owner->is_detached);
}

/* The server answers all in one write, so that answers are left over. */
static void answer_three(void)
{
    async_script_connect(&script);
    (void)async_script_acquire(&script, "a");
    (void)async_script_ping(&script, "b");
    (void)async_script_acquire(&script, "c");
    async_script_run(&script);
    script.then = destroy_then;
    script.holds_back = true;
    async_script_say_type(&script, 3, WIRE_WAITING);
    async_script_granted(&script, 3);
    async_script_say_type(&script, 4, WIRE_PONG);
    async_script_lost(&script, 3, PERMIT_LOSS_REVOKED);
    async_script_refused(&script, 5, PERMIT_E_TIMEOUT);
    script.holds_back = false;
    async_script_run(&script);
}

static const struct {
    const char *at;
    const char *expected;
} destroy_cases[] = {{"a waits", "a waits\n"
                                 "late not asked: closed\n"
                                 "a closed\n"
                                 "b closed\n"
                                 "c closed\n"},
                     {"a ok", "a waits\n"
                              "a ok\n"
                              "late not asked: closed\n"
                              "b closed\n"
                              "c closed\n"},
                     {"b ok", "a waits\n"
                              "a ok\n"
                              "b ok\n"
                              "late not asked: closed\n"
                              "c closed\n"},
                     {"a LOST revoked", "a waits\n"
                                        "a ok\n"
                                        "b ok\n"
                                        "a LOST revoked\n"
                                        "late not asked: closed\n"
                                        "c closed\n"},
                     {"c timeout", "a waits\n"
                                   "a ok\n"
                                   "b ok\n"
                                   "a LOST revoked\n"
                                   "c timeout\n"
                                   "late not asked: closed\n"}};

START_TEST(a_callback_destroys)
{
    destroy_at = destroy_cases[_i].at;
    answer_three();
    ck_assert(script.is_detached);
    async_script_expect(&script, destroy_cases[_i].expected);
    if (script.asked[1].grant != NULL) {
        ck_assert(!permit_grant_is_valid(script.asked[1].grant));
    }
}
END_TEST

START_TEST(a_callback_destroys_when_the_line_is_lost)
{
    async_script_connect(&script);
    (void)async_script_acquire(&script, "a");
    async_script_granted(&script, 3);
    (void)async_script_ping(&script, "b");
    (void)async_script_ping(&script, "c");
    async_script_run(&script);
    script.then = destroy_then;
    destroy_at = "b disconnected";
    async_script_hang_up(&script);
    async_script_run(&script);
    ck_assert(script.is_detached);
    async_script_expect(&script, "a ok\n"
                                 "a LOST session\n"
                                 "b disconnected\n"
                                 "late not asked: closed\n"
                                 "c disconnected\n");
}
END_TEST

START_TEST(what_is_under_way_is_closed)
{
    script.then = destroy_then;
    destroy_at = "b closed";
    (void)async_script_acquire(&script, "a");
    (void)async_script_ping(&script, "b");
    (void)async_script_ping(&script, "c");
    permit_async_destroy(script.client);
    async_script_expect(&script, "a closed\n"
                                 "b closed\n"
                                 "late not asked: closed\n"
                                 "c closed\n");
}
END_TEST

/* ---------------------------------------------------------------- callbacks
 */

static void ask_more(struct asked *asked, const char *what)
{
    struct async_script *owner = asked->script;

    if (strcmp(what, "ok") == 0 && strcmp(asked->name, "a") == 0) {
        (void)async_script_ping(owner, "more");
        async_script_release(owner, "release", "a", 0);
    } else if (strcmp(what, "waits") == 0) {
        ck_assert_int_eq(permit_async_cancel(owner->client, asked->id),
                         PERMIT_OK);
    }
}

START_TEST(callbacks_ask_release_and_cancel)
{
    async_script_connect(&script);
    script.then = ask_more;
    (void)async_script_acquire(&script, "a");
    (void)async_script_acquire(&script, "w");
    async_script_granted(&script, 3);
    async_script_say_type(&script, 4, WIRE_WAITING);
    async_script_hear(&script);
    async_script_say_type(&script, 5, WIRE_PONG);
    async_script_say_type(&script, 6, WIRE_DONE);
    async_script_refused(&script, 4, PERMIT_E_CANCELLED);
    async_script_expect(&script, "a ok\n"
                                 "w waits\n"
                                 "> 3 ACQUIRE 0\n"
                                 "> 4 ACQUIRE 0\n"
                                 "> 5 PING 0\n"
                                 "> 6 RELEASE 3\n"
                                 "> 7 CANCEL 4\n"
                                 "more ok\n"
                                 "release ok\n"
                                 "w cancelled\n");
}
END_TEST

static void try_again(struct asked *asked, const char *what)
{
    if (strcmp(what, "disconnected") == 0 ||
        strcmp(what, "LOST session") == 0) {
        (void)async_script_ping(asked->script, "again");
    }
}

START_TEST(a_callback_asks_anew_when_the_line_is_lost)
{
    struct permit_counters counters = PERMIT_COUNTERS_INIT;

    async_script_connect(&script);
    (void)async_script_acquire(&script, "a");
    async_script_granted(&script, 3);
    (void)async_script_ping(&script, "b");
    async_script_run(&script);
    async_script_hang_up(&script);
    script.then = try_again;
    async_script_run(&script);
    ck_assert(!permit_grant_is_valid(script.asked[1].grant));
    async_script_accept(&script);
    async_script_welcome(&script, 5);
    async_script_hear(&script);
    async_script_say_type(&script, 6, WIRE_PONG);
    async_script_say_type(&script, 7, WIRE_PONG);
    async_script_expect(&script, "a ok\n"
                                 "a LOST session\n"
                                 "b disconnected\n"
                                 "> 5 HELLO 0\n"
                                 "> 6 PING 0\n"
                                 "> 7 PING 0\n"
                                 "again ok\n"
                                 "again ok\n");
    ck_assert(!permit_grant_is_valid(script.asked[1].grant));
    async_script_release(&script, "r", "a", 0);
    async_script_expect(&script, "r not asked: expired\n");
    ck_assert_int_eq(permit_async_counters(script.client, &counters),
                     PERMIT_OK);
    ck_assert_uint_eq(counters.reconnects_total, 1);
    ck_assert_uint_eq(counters.losses_total, 1);
}
END_TEST

static void destroy_other_grant(struct asked *asked, const char *what)
{
    struct asked *other = async_script_find(asked->script, "b");

    if (strcmp(what, "LOST session") == 0) {
        permit_grant_destroy(other->grant);
        other->grant = NULL;
    }
}

START_TEST(a_grant_destroyed_in_a_callback_is_not_lost)
{
    async_script_connect(&script);
    (void)async_script_acquire(&script, "a");
    (void)async_script_acquire(&script, "b");
    (void)async_script_acquire(&script, "c");
    async_script_granted(&script, 3);
    async_script_granted(&script, 4);
    async_script_granted(&script, 5);
    script.then = destroy_other_grant;
    async_script_hang_up(&script);
    async_script_run(&script);
    async_script_expect(&script, "a ok\n"
                                 "b ok\n"
                                 "c ok\n"
                                 "a LOST session\n"
                                 "c LOST session\n");
}
END_TEST

/* --------------------------------------------------------------------- fork
 */

/* Its own, when it is linked in: what a child leaks counts too. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static void end_child(void)
{
    int leaks = 0;

    if (__lsan_do_recoverable_leak_check != NULL) {
        leaks = __lsan_do_recoverable_leak_check();
    }
    _exit(leaks != 0 || script.calls_total > 0 || script.is_detached ? 1 : 0);
}

static void expect_child_ok(pid_t child)
{
    int status;

    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

static void be_child(struct permit_grant *destroyed, struct permit_grant *kept)
{
    struct permit_async *client = script.client;
    struct permit_counters counters = PERMIT_COUNTERS_INIT;
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    const struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    const struct permit_loop loop = PERMIT_LOOP_INIT;
    char text[16];
    bool is_well =
        permit_async_attach(client, &loop) == PERMIT_E_FORKED &&
        permit_async_post(client, "a", 1, NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_define(client, "a", &definition, NULL, NULL) ==
            PERMIT_E_FORKED &&
        permit_async_delete(client, "a", true, NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_verify(client, 1, 1, NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_renew(kept, 0, NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_query(client, "a", NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_list_holders(client, "a", NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_ping(client, NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_cancel(client, 3) == PERMIT_E_FORKED &&
        permit_async_release(kept, 0, NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_settle(kept, NULL, 0, NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_why(client, &request, NULL, NULL) == PERMIT_E_FORKED &&
        permit_async_counters(client, &counters) == PERMIT_E_FORKED &&
        permit_async_session_id(client) == 0 && !permit_grant_is_valid(kept) &&
        permit_grant_event_fd(kept) == -1;

    script.calls_total = 0;
    permit_async_last_error(client, text, sizeof(text));
    permit_async_readable(client);
    permit_async_writable(client);
    permit_async_timer(client);
    permit_grant_destroy(destroyed);
    permit_async_destroy(client);
    is_well = is_well && !permit_grant_is_valid(kept);
    permit_grant_destroy(kept);
    if (!is_well || text[0] != '\0') {
        _exit(2);
    }
    end_child();
}

START_TEST(a_child_touches_nothing)
{
    pid_t child;

    async_script_connect(&script);
    (void)async_script_acquire(&script, "a");
    (void)async_script_acquire(&script, "b");
    async_script_granted(&script, 3);
    async_script_granted(&script, 4);
    (void)async_script_ping(&script, "under way");
    async_script_run(&script);
    async_script_release(&script, "r", "a", 1);
    async_script_run(&script);
    script.holds_back = true;
    async_script_say_type(&script, 5, WIRE_PONG);
    script.holds_back = false;
    child = fork();
    if (child == 0) {
        be_child(script.asked[1].grant, script.asked[2].grant);
    }
    expect_child_ok(child);
    async_script_say_type(&script, 6, WIRE_DONE);
    async_script_hear(&script);
    async_script_expect(&script, "a ok\n"
                                 "b ok\n"
                                 "under way ok\n"
                                 "r ok\n"
                                 "> 3 ACQUIRE 0\n"
                                 "> 4 ACQUIRE 0\n"
                                 "> 5 PING 0\n"
                                 "> 6 RELEASE 3\n");
    ck_assert(permit_grant_is_valid(script.asked[2].grant));
}
END_TEST

static pid_t child_of_callback = -1;

static void fork_then(struct asked *asked, const char *what)
{
    (void)what;
    if (strcmp(asked->name, "a") == 0) {
        child_of_callback = fork();
        script.calls_total = 0;
        if (child_of_callback == 0) {
            script.then = NULL;
        }
    }
}

START_TEST(a_callback_forks_and_the_child_comes_back)
{
    async_script_connect(&script);
    (void)async_script_ping(&script, "a");
    (void)async_script_ping(&script, "b");
    async_script_run(&script);
    script.then = fork_then;
    script.holds_back = true;
    async_script_say_type(&script, 3, WIRE_PONG);
    async_script_say_type(&script, 4, WIRE_PONG);
    script.holds_back = false;
    permit_async_readable(script.client);
    if (child_of_callback == 0) {
        permit_async_destroy(script.client);
        if (strcmp(script.transcript, "a ok\n") != 0) {
            _exit(2);
        }
        end_child();
    }
    expect_child_ok(child_of_callback);
    async_script_expect(&script, "a ok\n"
                                 "b ok\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async_life");
    TCase *life = tcase_create("life");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(life, start, stop);
    tcase_add_loop_test(life, a_callback_destroys, 0,
                        sizeof(destroy_cases) / sizeof(*destroy_cases));
    tcase_add_test(life, a_callback_destroys_when_the_line_is_lost);
    tcase_add_test(life, what_is_under_way_is_closed);
    tcase_add_test(life, callbacks_ask_release_and_cancel);
    tcase_add_test(life, a_callback_asks_anew_when_the_line_is_lost);
    tcase_add_test(life, a_grant_destroyed_in_a_callback_is_not_lost);
    tcase_add_test(life, a_child_touches_nothing);
    tcase_add_test(life, a_callback_forks_and_the_child_comes_back);
    suite_add_tcase(suite, life);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
