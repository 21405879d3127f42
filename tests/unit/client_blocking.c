/* SPDX-License-Identifier: MIT */

/* The blocking face with a real daemon. */

#include "permit/permit.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "daemon.h"

static struct daemon server;
static struct permit_client *client;
static char error_text[256];

static struct permit_client *connect_as(const char *name)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_client *connected = NULL;

    options.server = server.server;
    options.name = name;
    ck_assert_msg(permit_client_create(&options, &connected, error_text,
                                       sizeof(error_text)) == PERMIT_OK,
                  "%s", error_text);
    return connected;
}

static void define(const char *name, enum permit_kind kind, uint32_t permits)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;

    definition.fields = PERMIT_DEFINE_KIND | PERMIT_DEFINE_PERMITS;
    definition.kind = kind;
    definition.permits = permits;
    ck_assert_int_eq(permit_define(client, name, &definition), PERMIT_OK);
}

static struct permit_grant *acquire(const char *name, uint32_t permits)
{
    struct permit_grant *grant = NULL;

    ck_assert_int_eq(permit_try(client, name, permits, &grant), PERMIT_OK);
    return grant;
}

static void start(void)
{
    daemon_start(&server);
    client = connect_as("alice");
    define("jobs", PERMIT_BOUNDED, 2);
}

static void stop(void)
{
    permit_client_destroy(client);
    daemon_stop(&server);
}

/* ------------------------------------------------------------------- grants
 */

START_TEST(a_grant_says_what_it_is)
{
    struct permit_grant *grant = acquire("jobs", 2);
    struct permit_grant *other;

    ck_assert(permit_grant_is_valid(grant));
    ck_assert_uint_eq(permit_grant_permits(grant), 2);
    ck_assert_uint_gt(permit_grant_fence(grant), 0);
    ck_assert_uint_gt(permit_grant_id(grant), 0);
    ck_assert_int_gt(permit_grant_left_ms(grant), 10000);
    ck_assert_int_le(permit_grant_left_ms(grant), 13500);
    ck_assert_int_eq(permit_try(client, "jobs", 1, &other),
                     PERMIT_E_WOULD_BLOCK);
    ck_assert_int_eq(permit_grant_release(grant, 3), PERMIT_E_OVER_RELEASE);
    ck_assert_int_eq(permit_grant_release(grant, 1), PERMIT_OK);
    ck_assert(permit_grant_is_valid(grant));
    ck_assert_uint_eq(permit_grant_permits(grant), 1);
    ck_assert_int_eq(permit_grant_release(grant, 1), PERMIT_OK);
    ck_assert(!permit_grant_is_valid(grant));
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_E_NOT_HELD);
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(a_destroyed_grant_is_given_back)
{
    permit_grant_destroy(acquire("jobs", 2));
    permit_grant_destroy(acquire("jobs", 2));
}
END_TEST

START_TEST(a_hold_that_ends_says_so)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant;
    enum permit_loss loss;
    struct pollfd poll_fd = {.events = POLLIN};

    request.semaphore = "jobs";
    request.hold_ms = 50;
    ck_assert_int_eq(permit_acquire(client, &request, &grant), PERMIT_OK);
    ck_assert_int_le(permit_grant_left_ms(grant), 50);
    ck_assert_int_eq(permit_grant_wait_lost(grant, 0, &loss), PERMIT_E_TIMEOUT);
    ck_assert_int_eq(permit_grant_wait_lost(grant, -1, &loss), PERMIT_E_LOST);
    ck_assert_int_eq(loss, PERMIT_LOSS_HOLD);
    ck_assert(!permit_grant_is_valid(grant));
    poll_fd.fd = permit_grant_event_fd(grant);
    ck_assert_int_eq(poll(&poll_fd, 1, 0), 1);
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_E_EXPIRED);
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(a_wait_ends_at_its_time)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = acquire("jobs", 2);
    struct permit_grant *other;

    request.semaphore = "jobs";
    request.wait_ms = 30;
    ck_assert_int_eq(permit_acquire(client, &request, &other),
                     PERMIT_E_TIMEOUT);
    permit_grant_destroy(grant);
}
END_TEST

struct place {
    struct permit_grant *grant;
    char oldest[64];
    uint64_t position;
};

static void release_when_waiting(void *arg,
                                 const struct permit_waiting *waiting)
{
    struct place *place = arg;

    place->position = waiting->position;
    ck_assert_ptr_nonnull(waiting->oldest);
    ck_assert_str_eq(waiting->semaphore, "jobs");
    ck_assert_uint_gt(waiting->permits_in_the_way, 0);
    ck_assert_int_eq(waiting->retry_after_ms, 0); /* Who knows? */
    (void)snprintf(place->oldest, sizeof(place->oldest), "%s",
                   waiting->oldest->name);
    (void)permit_grant_release(place->grant, 0);
}

START_TEST(a_waiter_is_told_who_is_before_it_in_its_own_thread)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct place place = {.grant = acquire("jobs", 2)};
    struct permit_grant *grant;

    request.semaphore = "jobs";
    request.on_waiting = release_when_waiting;
    request.on_waiting_arg = &place;
    ck_assert_int_eq(permit_acquire(client, &request, &grant), PERMIT_OK);
    ck_assert_uint_eq(place.position, 1);
    ck_assert_str_eq(place.oldest, "alice");
    permit_grant_destroy(grant);
    permit_grant_destroy(place.grant);
}
END_TEST

static void cancel_when_waiting(void *arg, const struct permit_waiting *waiting)
{
    (void)waiting;
    ck_assert_int_eq(write(*(int *)arg, "x", 1), 1);
}

START_TEST(a_readable_descriptor_cancels)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = acquire("jobs", 2);
    struct permit_grant *other;
    struct permit_list *list;
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    request.semaphore = "jobs";
    request.cancel_fd = fds[0];
    request.on_waiting = cancel_when_waiting;
    request.on_waiting_arg = &fds[1];
    ck_assert_int_eq(permit_acquire(client, &request, &other),
                     PERMIT_E_CANCELLED);
    ck_assert_int_eq(permit_list_waiters(client, "jobs", &list), PERMIT_OK);
    ck_assert_uint_eq(permit_list_count(list), 0);
    permit_list_destroy(list);
    permit_grant_destroy(grant);
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

/* --------------------------------------------------------------- semaphores
 */

START_TEST(what_is_posted_is_consumed)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = (struct permit_grant *)&request;
    uint64_t available;

    define("orders", PERMIT_COUNTING, 0);
    ck_assert_int_eq(permit_post(client, "orders", 5, &available), PERMIT_OK);
    ck_assert_uint_eq(available, 5);
    request.semaphore = "orders";
    request.permits = 4;
    request.wait_ms = 0;
    request.consume = true;
    ck_assert_int_eq(permit_acquire(client, &request, &grant), PERMIT_OK);
    ck_assert_ptr_null(grant);
    ck_assert_int_eq(permit_acquire(client, &request, &grant),
                     PERMIT_E_WOULD_BLOCK);
    ck_assert_int_eq(permit_post(client, "orders", 2147483647, NULL),
                     PERMIT_E_OVERFLOW);
    ck_assert_int_eq(permit_post(client, "jobs", 1, NULL), PERMIT_E_INVALID);
    ck_assert_int_eq(permit_post(client, "none", 1, NULL), PERMIT_E_NOT_FOUND);
}
END_TEST

START_TEST(semaphores_holders_and_waiters_are_listed)
{
    struct permit_grant *grant = acquire("jobs", 2);
    const struct permit_holder_info *holder;
    struct permit_list *list;
    char name[32];

    ck_assert_int_eq(permit_query(client, "jobs", &list), PERMIT_OK);
    ck_assert_uint_eq(permit_list_count(list), 1);
    ck_assert_uint_eq(permit_list_semaphore(list, 0)->held, 2);
    ck_assert_ptr_null(permit_list_semaphore(list, 1));
    ck_assert_ptr_null(permit_list_holder(list, 0));
    permit_list_destroy(list);
    ck_assert_int_eq(permit_list_holders(client, "jobs", &list), PERMIT_OK);
    ck_assert_uint_eq(permit_list_count(list), 1);
    holder = permit_list_holder(list, 0);
    ck_assert_str_eq(holder->client.name, "alice");
    ck_assert_uint_eq(holder->client.pid, (uint64_t)getpid());
    ck_assert_uint_eq(holder->grant_id, permit_grant_id(grant));
    permit_list_destroy(list);
    for (int i = 0; i < 150; i++) { /* More than two pages. */
        (void)snprintf(name, sizeof(name), "many/%03d", i);
        define(name, PERMIT_BOUNDED, 1);
    }
    ck_assert_int_eq(permit_list_semaphores(client, "many/", &list), PERMIT_OK);
    ck_assert_uint_eq(permit_list_count(list), 150);
    ck_assert_str_eq(permit_list_semaphore(list, 149)->name, "many/149");
    permit_list_destroy(list);
    ck_assert_int_eq(permit_list_waiters(client, "none", &list),
                     PERMIT_E_NOT_FOUND);
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(a_semaphore_is_resized_and_deleted)
{
    struct permit_grant *grant = acquire("jobs", 2);
    struct permit_grant *more;
    enum permit_loss loss;

    define("jobs", PERMIT_BOUNDED, 3);
    more = acquire("jobs", 1);
    ck_assert_int_eq(permit_delete(client, "jobs", false), PERMIT_E_CONFLICT);
    ck_assert_int_eq(permit_grant_grace_ms(grant), 0);
    ck_assert_int_eq(permit_delete(client, "jobs", true), PERMIT_OK);
    ck_assert_int_eq(permit_grant_wait_lost(grant, -1, &loss), PERMIT_E_LOST);
    ck_assert_int_eq(loss, PERMIT_LOSS_DELETED);
    ck_assert(!permit_grant_is_valid(grant));
    ck_assert_int_gt(permit_grant_grace_ms(grant), 0);
    ck_assert_int_le(permit_grant_grace_ms(grant), 4500); /* 0.9 of 5 s. */
    ck_assert_int_eq(permit_delete(client, "jobs", false), PERMIT_E_NOT_FOUND);
    permit_grant_destroy(grant);
    permit_grant_destroy(more);
}
END_TEST

static const struct {
    const char *semaphore;
    uint32_t permits;
    int64_t wait_ms;
    int64_t hold_ms;
} nonsense[] = {
    {NULL, 1, 0, 0},    {"", 1, 0, 0},       {"-x", 1, 0, 0},
    {"a b", 1, 0, 0},   {"team/*", 1, 0, 0}, {"jobs", 0, 0, 0},
    {"jobs", 1, -2, 0}, {"jobs", 1, 0, -1},  {"jobs", 2147483648u, 0, 0},
};

START_TEST(what_makes_no_sense_is_not_asked)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant;

    request.semaphore = nonsense[_i].semaphore;
    request.permits = nonsense[_i].permits;
    request.wait_ms = nonsense[_i].wait_ms;
    request.hold_ms = nonsense[_i].hold_ms;
    ck_assert_int_eq(permit_acquire(client, &request, &grant),
                     PERMIT_E_INVALID);
    permit_client_last_error(client, error_text, sizeof(error_text));
    ck_assert_str_ne(error_text, "");
    ck_assert_int_eq(permit_ping(client), PERMIT_OK);
}
END_TEST

/* ------------------------------------------------------------- the session */

START_TEST(a_daemon_that_dies_takes_the_grants_and_comes_back)
{
    struct permit_grant *grant = acquire("jobs", 1);
    enum permit_loss loss;

    daemon_kill(&server);
    ck_assert_int_eq(permit_grant_wait_lost(grant, -1, &loss), PERMIT_E_LOST);
    ck_assert_int_eq(loss, PERMIT_LOSS_SESSION);
    ck_assert(!permit_grant_is_valid(grant));
    ck_assert_int_eq(permit_client_deadline_ms(client), 0);
    ck_assert_uint_eq(permit_client_session_id(client), 0);
    ck_assert_int_eq(permit_ping(client), PERMIT_E_DISCONNECTED);
    permit_client_last_error(client, error_text, sizeof(error_text));
    ck_assert_msg(strstr(error_text, server.server) != NULL &&
                      strstr(error_text, "refused") != NULL,
                  "%s", error_text);
    daemon_restart(&server);
    while (permit_ping(client) != PERMIT_OK) {
        /* It is told what the last attempt met, until the next is due. */
    }
    ck_assert_uint_ne(permit_client_session_id(client), 0);
    ck_assert(!permit_grant_is_valid(grant));
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_E_EXPIRED);
    permit_grant_destroy(grant);
}
END_TEST

static void kill_when_waiting(void *arg, const struct permit_waiting *waiting)
{
    (void)arg;
    (void)waiting;
    daemon_kill(&server);
}

START_TEST(a_call_under_way_when_the_line_breaks_is_told_so)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = acquire("jobs", 2);
    struct permit_grant *other;

    request.semaphore = "jobs";
    request.on_waiting = kill_when_waiting;
    ck_assert_int_eq(permit_acquire(client, &request, &other),
                     PERMIT_E_OUTCOME_UNKNOWN);
    daemon_restart(&server);
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(a_child_is_told_that_it_is_one)
{
    struct permit_grant *grant = acquire("jobs", 1);
    struct permit_grant *other;
    int status;
    pid_t child = fork();

    if (child == 0) {
        int wrong = permit_grant_is_valid(grant) ||
                    permit_ping(client) != PERMIT_E_FORKED ||
                    permit_try(client, "jobs", 1, &other) != PERMIT_E_FORKED ||
                    permit_grant_release(grant, 0) != PERMIT_E_FORKED ||
                    permit_grant_settle(grant, NULL, 0) != PERMIT_E_FORKED ||
                    permit_client_fd(client) != -1;

        permit_grant_destroy(grant);
        permit_client_destroy(client);
        _exit(wrong);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert(permit_grant_is_valid(grant));
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_OK);
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(no_descriptor_is_left)
{
    size_t before = open_fds();

    for (int i = 0; i < 5; i++) {
        struct permit_client *other = connect_as("bob");
        struct permit_grant *grant;

        ck_assert_int_eq(permit_try(other, "jobs", 1, &grant), PERMIT_OK);
        ck_assert_uint_eq(open_fds(), before + 3);
        ck_assert_int_ne(permit_grant_event_fd(grant), -1);
        ck_assert_int_eq(permit_grant_event_fd(grant),
                         permit_grant_event_fd(grant));
        ck_assert_uint_eq(open_fds(), before + 4);
        permit_grant_destroy(grant);
        permit_client_destroy(other);
    }
    ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(the_io_thread_leaves_signals_to_their_owner)
{
    sigset_t user_1;
    siginfo_t info;

    (void)sigemptyset(&user_1);
    (void)sigaddset(&user_1, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &user_1, NULL);
    /* Unblocked anywhere, it would end this process. */
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
    ck_assert_int_eq(permit_ping(client), PERMIT_OK);
    ck_assert_int_eq(sigwaitinfo(&user_1, &info), SIGUSR1);
}
END_TEST

/* ------------------------------------------------------------------ servers
 */

static const struct {
    const char *server;
    enum permit_status expected;
} servers[] = {
    {"permits://localhost", PERMIT_E_UNSUPPORTED},
    {"", PERMIT_E_INVALID},
    {"http://localhost", PERMIT_E_INVALID},
    {"localhost:0", PERMIT_E_INVALID},
    {"localhost:65536", PERMIT_E_INVALID},
    {"localhost:1x", PERMIT_E_INVALID},
    {"localhost,", PERMIT_E_INVALID},
    {"[::1", PERMIT_E_INVALID},
    {"[::1]x", PERMIT_E_INVALID},
    {"unix:relative", PERMIT_E_INVALID},
    {"unix:///no/such/socket", PERMIT_E_DISCONNECTED},
    {"127.0.0.1:1", PERMIT_E_DISCONNECTED},
    {"[::1]:1", PERMIT_E_DISCONNECTED},
};

START_TEST(an_address_is_right_or_the_error_names_it)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_client *other;

    options.server = servers[_i].server;
    error_text[0] = '\0';
    ck_assert_int_eq(
        permit_client_create(&options, &other, error_text, sizeof(error_text)),
        servers[_i].expected);
    ck_assert_str_ne(error_text, "");
    if (servers[_i].expected == PERMIT_E_DISCONNECTED) {
        ck_assert_msg(strstr(error_text, servers[_i].server) != NULL, "%s",
                      error_text);
    }
}
END_TEST

START_TEST(the_first_server_that_answers_serves)
{
    struct permit_client *other;
    char list[256];

    (void)snprintf(list, sizeof(list), "127.0.0.1:1,permit://%s",
                   server.server);
    ck_assert_int_eq(setenv("PERMIT_SERVER", list, 1), 0);
    ck_assert_int_eq(
        permit_client_create(NULL, &other, error_text, sizeof(error_text)),
        PERMIT_OK);
    permit_client_destroy(other);
}
END_TEST

static void add_tests(TCase *tcase)
{
    tcase_add_test(tcase, a_grant_says_what_it_is);
    tcase_add_test(tcase, a_destroyed_grant_is_given_back);
    tcase_add_test(tcase, a_hold_that_ends_says_so);
    tcase_add_test(tcase, a_wait_ends_at_its_time);
    tcase_add_test(tcase, a_waiter_is_told_who_is_before_it_in_its_own_thread);
    tcase_add_test(tcase, a_readable_descriptor_cancels);
    tcase_add_test(tcase, what_is_posted_is_consumed);
    tcase_add_test(tcase, semaphores_holders_and_waiters_are_listed);
    tcase_add_test(tcase, a_semaphore_is_resized_and_deleted);
    tcase_add_loop_test(tcase, what_makes_no_sense_is_not_asked, 0,
                        (int)(sizeof(nonsense) / sizeof(*nonsense)));
    tcase_add_test(tcase, a_daemon_that_dies_takes_the_grants_and_comes_back);
    tcase_add_test(tcase, a_call_under_way_when_the_line_breaks_is_told_so);
    tcase_add_test(tcase, a_child_is_told_that_it_is_one);
    tcase_add_test(tcase, no_descriptor_is_left);
    tcase_add_test(tcase, the_io_thread_leaves_signals_to_their_owner);
    tcase_add_loop_test(tcase, an_address_is_right_or_the_error_names_it, 0,
                        (int)(sizeof(servers) / sizeof(*servers)));
    tcase_add_test(tcase, the_first_server_that_answers_serves);
}

int main(void)
{
    Suite *suite = suite_create("client_blocking");
    TCase *tcase = tcase_create("blocking");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 20);
    tcase_add_checked_fixture(tcase, start, stop);
    add_tests(tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
