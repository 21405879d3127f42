/* SPDX-License-Identifier: MIT */

/* What the blocking face grants by itself, while a real daemon is away. */

#include "permit/permit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "daemon.h"

static struct daemon server;
static struct permit_client *client;

static void connect_with(int64_t local_permits, int64_t answer_timeout_ms)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    char text[256];

    options.server = server.server;
    options.local_permits = local_permits;
    options.answer_timeout_ms = answer_timeout_ms;
    ck_assert_msg(permit_client_create(&options, &client, text, sizeof(text)) ==
                      PERMIT_OK,
                  "%s", text);
}

static void define(const char *name, enum permit_kind kind, uint32_t permits)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;

    definition.fields = PERMIT_DEFINE_KIND | PERMIT_DEFINE_PERMITS;
    definition.kind = kind;
    definition.permits = permits;
    ck_assert_int_eq(permit_define(client, name, &definition), PERMIT_OK);
}

static struct permit_grant *take(const char *name, uint32_t permits)
{
    struct permit_grant *grant = NULL;

    ck_assert_int_eq(permit_try(client, name, permits, &grant), PERMIT_OK);
    return grant;
}

static void expect_no(const char *name, uint32_t permits,
                      enum permit_status status)
{
    struct permit_grant *grant = NULL;

    ck_assert_int_eq(permit_try(client, name, permits, &grant), status);
    ck_assert_ptr_null(grant);
}

static void give(struct permit_grant *grant)
{
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_OK);
    permit_grant_destroy(grant);
}

static void start(void)
{
    daemon_start(&server);
    connect_with(2, 5000);
    define("jobs", PERMIT_BOUNDED, 3);
}

static void stop(void)
{
    permit_client_destroy(client);
    daemon_stop(&server);
}

/* The client knows it. */
static void kill_daemon(void)
{
    struct permit_grant *grant = take("jobs", 1);
    enum permit_loss loss;

    daemon_kill(&server);
    ck_assert_int_eq(permit_grant_wait_lost(grant, -1, &loss), PERMIT_E_LOST);
    permit_grant_destroy(grant);
}

static void bring_it_back(void)
{
    daemon_restart(&server);
    while (permit_ping(client) != PERMIT_OK) {
        (void)poll(NULL, 0, 1);
    }
    define("jobs", PERMIT_BOUNDED, 3);
}

/* -------------------------------------------------------------------- tries
 */

START_TEST(by_default_nothing_is_granted_while_the_daemon_is_away)
{
    permit_client_destroy(client);
    connect_with(0, 5000);
    kill_daemon();
    expect_no("jobs", 1, PERMIT_E_DISCONNECTED);
    daemon_restart(&server);
}
END_TEST

START_TEST(a_local_grant_says_that_it_is_one)
{
    struct permit_grant *grant = take("jobs", 2);
    enum permit_loss loss;

    ck_assert(!permit_grant_is_local(grant));
    give(grant);
    kill_daemon();
    grant = take("jobs", 2);
    ck_assert(permit_grant_is_local(grant));
    ck_assert(permit_grant_is_valid(grant));
    ck_assert_int_gt(permit_grant_left_ms(grant), 1000000000);
    ck_assert_uint_eq(permit_grant_permits(grant), 2);
    ck_assert_uint_eq(permit_grant_id(grant), 0);
    ck_assert_uint_eq(permit_grant_fence(grant), 0);
    ck_assert_int_eq(permit_grant_wait_lost(grant, 0, &loss), PERMIT_E_TIMEOUT);
    ck_assert_int_eq(permit_grant_renew(grant, 1), PERMIT_OK);
    ck_assert_int_gt(permit_grant_left_ms(grant), 1000000000);
    ck_assert_int_eq(permit_grant_release(grant, 3), PERMIT_E_OVER_RELEASE);
    ck_assert_int_eq(permit_grant_release(grant, 1), PERMIT_OK);
    ck_assert_uint_eq(permit_grant_permits(grant), 1);
    ck_assert(permit_grant_is_valid(grant));
    ck_assert_int_eq(permit_grant_release(grant, 1), PERMIT_OK);
    ck_assert(!permit_grant_is_valid(grant));
    ck_assert_int_eq(permit_grant_wait_lost(grant, 0, &loss),
                     PERMIT_E_NOT_HELD);
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_E_NOT_HELD);
    ck_assert_int_eq(permit_grant_renew(grant, 1), PERMIT_E_NOT_HELD);
    permit_grant_destroy(grant);
    daemon_restart(&server);
}
END_TEST

START_TEST(each_name_has_the_local_permits_and_no_more)
{
    struct permit_grant *grants[3];

    kill_daemon();
    grants[0] = take("jobs", 1);
    grants[1] = take("jobs", 1);
    grants[2] = take("other", 2);
    expect_no("jobs", 1, PERMIT_E_WOULD_BLOCK);
    expect_no("other", 1, PERMIT_E_WOULD_BLOCK);
    expect_no("new", 3, PERMIT_E_DISCONNECTED); /* Never here. */
    permit_grant_destroy(grants[0]);            /* Gives it back. */
    give(take("jobs", 1));
    give(grants[1]);
    give(grants[2]);
    daemon_restart(&server);
}
END_TEST

START_TEST(without_a_limit_everything_is_granted)
{
    struct permit_grant *grants[2];

    permit_client_destroy(client);
    connect_with(-1, 5000);
    kill_daemon();
    grants[0] = take("jobs", 1000);
    grants[1] = take("jobs", 2147483647);
    ck_assert(permit_grant_is_local(grants[1]));
    give(grants[0]);
    give(grants[1]);
    daemon_restart(&server);
}
END_TEST

START_TEST(what_is_taken_or_added_for_good_fails_while_the_daemon_is_away)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    kill_daemon();
    request.semaphore = "orders";
    request.consume = true;
    ck_assert_int_eq(permit_acquire(client, &request, NULL),
                     PERMIT_E_DISCONNECTED);
    ck_assert_int_eq(permit_post(client, "orders", 1, NULL),
                     PERMIT_E_DISCONNECTED);
    daemon_restart(&server);
}
END_TEST

START_TEST(of_several_semaphores_nothing_is_granted_here)
{
    static const struct permit_acquire_part also = {.semaphore = "other",
                                                    .permits = 1};
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant;

    kill_daemon();
    request.semaphore = "jobs";
    request.settle = true;
    ck_assert_int_eq(permit_acquire(client, &request, &grant),
                     PERMIT_E_DISCONNECTED);
    request.settle = false;
    request.also = &also;
    request.also_count = 1;
    ck_assert_int_eq(permit_acquire(client, &request, &grant),
                     PERMIT_E_DISCONNECTED);
    ck_assert_int_eq(permit_why(client, &request), PERMIT_E_DISCONNECTED);
    daemon_restart(&server);
}
END_TEST

START_TEST(a_local_grant_is_given_back_by_name_or_with_an_outcome)
{
    static const struct permit_part parts[] = {{"jobs", 1}, {"other", 1}};
    struct permit_grant *grant;

    kill_daemon();
    grant = take("jobs", 2);
    ck_assert_int_eq(permit_grant_settle(grant, parts, 1), PERMIT_E_INVALID);
    ck_assert_int_eq(permit_grant_release_parts(grant, &parts[1], 1),
                     PERMIT_E_OVER_RELEASE);
    ck_assert_int_eq(permit_grant_release_parts(grant, parts, 1), PERMIT_OK);
    ck_assert_uint_eq(permit_grant_permits(grant), 1);
    ck_assert_int_eq(permit_grant_release_outcome(grant, "done", 4), PERMIT_OK);
    ck_assert(!permit_grant_is_valid(grant));
    permit_grant_destroy(grant);
    give(take("jobs", 2));
    daemon_restart(&server);
}
END_TEST

START_TEST(what_the_server_refuses_is_refused)
{
    struct permit_grant *grant = take("jobs", 3);

    expect_no("jobs", 1, PERMIT_E_WOULD_BLOCK);
    expect_no("jobs", 4, PERMIT_E_IMPOSSIBLE);
    expect_no("unheard-of", 1, PERMIT_E_NOT_FOUND);
    give(grant);
}
END_TEST

START_TEST(local_grants_stay_when_the_daemon_is_back)
{
    struct permit_grant *local;
    struct permit_grant *grant;

    kill_daemon();
    local = take("jobs", 2);
    bring_it_back();
    grant = take("jobs", 3);
    ck_assert(!permit_grant_is_local(grant));
    ck_assert(permit_grant_is_valid(local));
    expect_no("jobs", 1, PERMIT_E_WOULD_BLOCK);
    give(local); /* The server has no part in it. */
    expect_no("jobs", 1, PERMIT_E_WOULD_BLOCK);
    give(grant);
}
END_TEST

START_TEST(a_daemon_that_does_not_answer_is_away)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant;

    permit_client_destroy(client);
    connect_with(2, 1000);
    ck_assert_int_eq(kill(server.pid, SIGSTOP), 0);
    grant = take("jobs", 2);
    ck_assert(permit_grant_is_local(grant));
    ck_assert_int_eq(kill(server.pid, SIGCONT), 0);
    give(grant);
    request.semaphore = "jobs";
    request.permits = 3; /* What it granted late is given back. */
    ck_assert_int_eq(permit_acquire(client, &request, &grant), PERMIT_OK);
    ck_assert(!permit_grant_is_local(grant));
    give(grant);
}
END_TEST

/* -------------------------------------------------------------------- waits
 */

struct waiter {
    pthread_t thread;
    uint32_t permits;
    int64_t wait_ms;
    int cancel_fd;
    enum permit_status status;
    struct permit_grant *grant;
};

static void *await(void *arg)
{
    struct waiter *waiter = arg;
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    request.semaphore = "jobs";
    request.permits = waiter->permits;
    request.wait_ms = waiter->wait_ms;
    request.cancel_fd = waiter->cancel_fd;
    waiter->status = permit_acquire(client, &request, &waiter->grant);
    return NULL;
}

/* Returns once somebody waits: then nobody passes. */
static struct waiter *start_waiter(uint32_t permits, int64_t wait_ms,
                                   int cancel_fd)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    struct permit_grant *grant;

    ck_assert_ptr_nonnull(waiter);
    waiter->permits = permits;
    waiter->wait_ms = wait_ms;
    waiter->cancel_fd = cancel_fd;
    ck_assert_int_eq(pthread_create(&waiter->thread, NULL, await, waiter), 0);
    while (permit_try(client, "jobs", 1, &grant) == PERMIT_OK) {
        permit_grant_destroy(grant);
    }
    return waiter;
}

static void end_waiter(struct waiter *waiter, enum permit_status status)
{
    (void)pthread_join(waiter->thread, NULL);
    ck_assert_int_eq(waiter->status, status);
    if (status == PERMIT_OK) {
        ck_assert(permit_grant_is_local(waiter->grant));
        permit_grant_destroy(waiter->grant);
    }
    free(waiter);
}

START_TEST(a_local_wait_ends_with_a_release)
{
    struct permit_grant *grant;
    struct waiter *waiter;

    kill_daemon();
    grant = take("jobs", 1);
    waiter = start_waiter(2, _i == 0 ? -1 : 60000, -1);
    give(grant);
    end_waiter(waiter, PERMIT_OK);
    daemon_restart(&server);
}
END_TEST

START_TEST(a_local_wait_ends_at_its_time)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *other = NULL;
    struct permit_grant *grant;
    char text[256];

    kill_daemon();
    grant = take("jobs", 1);
    request.semaphore = "jobs";
    request.permits = 2;
    request.wait_ms = 50;
    ck_assert_int_eq(permit_acquire(client, &request, &other),
                     PERMIT_E_TIMEOUT);
    permit_client_last_error(client, text, sizeof(text));
    ck_assert_str_eq(
        text, "the daemon is away, and the client's own permits are taken");
    ck_assert_ptr_null(other);
    give(take("jobs", 1)); /* Nobody stands before it any more. */
    give(grant);
    daemon_restart(&server);
}
END_TEST

/* Several times, so that the second waits already when the first one ends. */
START_TEST(a_cancelled_local_wait_stands_before_nobody)
{
    struct permit_grant *grant;
    struct waiter *first;
    struct waiter *second;
    int fds[2];

    kill_daemon();
    grant = take("jobs", 1);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(pipe(fds), 0);
        first = start_waiter(2, -1, fds[0]);
        second = start_waiter(1, -1, -1);
        (void)close(fds[1]);
        end_waiter(first, PERMIT_E_CANCELLED);
        end_waiter(second, PERMIT_OK);
        (void)close(fds[0]);
    }
    give(grant);
    daemon_restart(&server);
}
END_TEST

START_TEST(in_a_child_a_local_grant_is_not_valid)
{
    struct permit_grant *grant;
    int status;
    pid_t pid;

    kill_daemon();
    grant = take("jobs", 2);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        bool is_right = !permit_grant_is_valid(grant) &&
                        permit_grant_release(grant, 0) == PERMIT_E_FORKED;

        permit_grant_destroy(grant);
        _exit(is_right ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    expect_no("jobs", 1, PERMIT_E_WOULD_BLOCK);
    give(grant);
    daemon_restart(&server);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_local");
    TCase *tcase = tcase_create("local");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase,
                   by_default_nothing_is_granted_while_the_daemon_is_away);
    tcase_add_test(tcase, a_local_grant_says_that_it_is_one);
    tcase_add_test(tcase, each_name_has_the_local_permits_and_no_more);
    tcase_add_test(tcase, without_a_limit_everything_is_granted);
    tcase_add_test(
        tcase, what_is_taken_or_added_for_good_fails_while_the_daemon_is_away);
    tcase_add_test(tcase, of_several_semaphores_nothing_is_granted_here);
    tcase_add_test(tcase,
                   a_local_grant_is_given_back_by_name_or_with_an_outcome);
    tcase_add_test(tcase, what_the_server_refuses_is_refused);
    tcase_add_test(tcase, local_grants_stay_when_the_daemon_is_back);
    tcase_add_test(tcase, a_daemon_that_does_not_answer_is_away);
    tcase_add_loop_test(tcase, a_local_wait_ends_with_a_release, 0, 2);
    tcase_add_test(tcase, a_local_wait_ends_at_its_time);
    tcase_add_test(tcase, a_cancelled_local_wait_stands_before_nobody);
    tcase_add_test(tcase, in_a_child_a_local_grant_is_not_valid);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
