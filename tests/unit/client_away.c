/* SPDX-License-Identifier: MIT */

/* What a daemon that is away costs its callers, and how it is found again. One
 * that is a black hole prints its figures. */

#include "permit/permit.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "daemon.h"

#define CONNECT_TIMEOUT_MS 200
#define CALLERS 8
#define MS INT64_C(1000000)

static struct daemon server;
static struct permit_client *client;
static char error_text[512];

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * MS + now.tv_nsec;
}

static void start_with(int64_t linger_ms)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;

    daemon_start(&server);
    options.server = server.server;
    options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    options.linger_ms = linger_ms;
    ck_assert_msg(permit_client_create(&options, &client, error_text,
                                       sizeof(error_text)) == PERMIT_OK,
                  "%s", error_text);
}

static void start(void)
{
    start_with(0);
}

static void stop(void)
{
    permit_client_destroy(client);
}

/* A call that needs the server, and does nothing there. */
static enum permit_status call(void)
{
    return permit_ping(client);
}

/* The client has seen that its line is gone. */
static void await_break(void)
{
    while (permit_client_session_id(client) != 0) {
        (void)poll(NULL, 0, 1);
    }
}

/* Listens where the daemon did. Whoever connects is not answered. */
static int become_black_hole(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons((uint16_t)atoi(strrchr(server.server, ':') + 1));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(fd, 1000), 0);
    return fd;
}

/* How many have connected. */
static int count_attempts(int listener)
{
    int count = 0;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    while (fd >= 0) {
        (void)close(fd);
        count++;
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    }
    return count;
}

/* -------------------------------------------------------------- its callers
 */

/* Those that took half of an attempt's time or more waited for one. */
struct cost {
    int pause_ms; /* Between calls. */
    int waits;
    int refusals;
    int surprises; /* Another status. */
    int64_t waits_ns;
    int64_t refusals_ns;
};

static void *keep_calling(void *arg)
{
    struct cost *cost = arg;
    int64_t end_ns = now_ns() + 2000 * MS;
    int64_t from_ns;
    int64_t took_ns;

    for (from_ns = now_ns(); from_ns < end_ns; from_ns = now_ns()) {
        cost->surprises += call() != PERMIT_E_DISCONNECTED;
        took_ns = now_ns() - from_ns;
        if (took_ns >= CONNECT_TIMEOUT_MS / 2 * MS) {
            cost->waits++;
            cost->waits_ns += took_ns;
        } else {
            cost->refusals++;
            cost->refusals_ns += took_ns;
        }
        if (cost->pause_ms > 0) {
            (void)poll(NULL, 0, cost->pause_ms);
        }
    }
    return NULL;
}

START_TEST(a_black_hole_costs_one_caller_an_attempt_and_others_nothing)
{
    struct cost cost = {0};
    int64_t wait_ns;
    int64_t refusal_ns;
    int listener;
    int attempts;

    daemon_kill(&server);
    await_break();
    listener = become_black_hole();
    (void)keep_calling(&cost);
    attempts = count_attempts(listener);
    ck_assert_int_eq(cost.surprises, 0);
    ck_assert_int_gt(cost.waits, 1);
    ck_assert_int_le(cost.waits / 2, attempts); /* The machine is slow. */
    ck_assert_int_gt(cost.refusals, 0);
    wait_ns = cost.waits_ns / cost.waits;
    refusal_ns = cost.refusals_ns / cost.refusals;
    (void)printf("a black hole: %d calls waited %.1f ms each, %d were refused "
                 "in %.2f us each, %d times quicker\n",
                 cost.waits, (double)wait_ns / 1e6, cost.refusals,
                 (double)refusal_ns / 1e3, (int)(wait_ns / refusal_ns));
    ck_assert_int_gt(wait_ns / 100, refusal_ns);
    (void)close(listener);
}
END_TEST

/* All may join the first attempt, nobody another's. */
START_TEST(callers_do_not_wait_for_each_others_attempts)
{
    struct cost costs[CALLERS] = {0};
    pthread_t threads[CALLERS];
    int waits = 0;
    int listener;
    int attempts;

    daemon_kill(&server);
    await_break();
    listener = become_black_hole();
    for (int i = 0; i < CALLERS; i++) {
        costs[i].pause_ms = 1; /* Else they wait for each other's lock. */
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, keep_calling, &costs[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        (void)pthread_join(threads[i], NULL);
        ck_assert_int_eq(costs[i].surprises, 0);
        waits += costs[i].waits;
    }
    attempts = count_attempts(listener);
    ck_assert_int_gt(attempts, 2);
    ck_assert_int_lt(waits, CALLERS + 4 * attempts); /* Some may be slow. */
    (void)close(listener);
}
END_TEST

/* ------------------------------------------------------------ and its return
 */

/* Returns how long that took since from_ns. */
static int64_t await_session(int64_t from_ns)
{
    while (call() != PERMIT_OK) {
        (void)poll(NULL, 0, 1);
    }
    return now_ns() - from_ns;
}

START_TEST(a_daemon_that_comes_back_is_found)
{
    for (int i = 0; i < 3; i++) {
        daemon_kill(&server);
        await_break();
        ck_assert_int_eq(call(), PERMIT_E_DISCONNECTED);
        daemon_restart(&server);
        (void)await_session(0);
        daemon_kill(&server);
        await_break();
        daemon_restart(&server);
        ck_assert_int_eq(call(), PERMIT_OK); /* Nothing has failed. */
    }
    daemon_stop(&server);
}
END_TEST

START_TEST(the_time_that_goaway_asks_for_is_kept)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_refusal refusal = {0};
    struct permit_grant *grant = NULL;
    int64_t from_ns = now_ns();

    ck_assert_int_eq(kill(server.pid, SIGTERM), 0);
    await_break();
    request.semaphore = "jobs";
    request.ret_refusal = &refusal;
    ck_assert_int_eq(permit_acquire(client, &request, &grant),
                     PERMIT_E_DISCONNECTED);
    ck_assert_int_gt(refusal.retry_after_ms, 0);
    ck_assert_int_le(refusal.retry_after_ms, 1000);
    permit_client_last_error(client, error_text, sizeof(error_text));
    ck_assert_ptr_nonnull(strstr(error_text, "the daemon stops"));
    daemon_stop(&server);
    daemon_restart(&server);
    ck_assert_int_ge(await_session(from_ns), 1000 * MS);
    daemon_stop(&server);
}
END_TEST

/* By itself: nobody calls. In the mean it takes 0.8 s; less than 20 ms is less
 * likely than one in a million. */
START_TEST(a_session_that_lingers_keeps_the_pace)
{
    struct pollfd listener = {.events = POLLIN};
    int64_t from_ns;

    daemon_stop(&server);
    stop();
    start_with(60000);
    daemon_kill(&server);
    listener.fd = become_black_hole();
    from_ns = now_ns();
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(poll(&listener, 1, 20000), 1);
        ck_assert_int_eq(count_attempts(listener.fd), 1);
    }
    ck_assert_int_gt(now_ns() - from_ns, 20 * MS);
    (void)close(listener.fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_away");
    TCase *tcase = tcase_create("away");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_set_timeout(tcase, 50);
    tcase_add_test(tcase,
                   a_black_hole_costs_one_caller_an_attempt_and_others_nothing);
    tcase_add_test(tcase, callers_do_not_wait_for_each_others_attempts);
    tcase_add_test(tcase, a_daemon_that_comes_back_is_found);
    tcase_add_test(tcase, the_time_that_goaway_asks_for_is_kept);
    tcase_add_test(tcase, a_session_that_lingers_keeps_the_pace);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
