/* SPDX-License-Identifier: MIT */

/* 64 threads on one client: everything it can be asked, at random, while
 * nothing happens, and while its daemon is killed and started again. For the
 * thread sanitizer above all.
 *
 * PERMIT_TEST_SECONDS says how long each of the two lasts (5 with the thread
 * sanitizer, 1 without), PERMIT_TEST_SEED what is random in it. */

#include "permit/permit.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "daemon.h"

#if defined(__SANITIZE_THREAD__)
#define SECONDS_DEFAULT 5
#else
#define SECONDS_DEFAULT 1
#endif
#define THREADS 64
#define PERMITS 5
#define ANSWER_TIMEOUT_MS 5000
/* A call may be late by what a loaded machine needs, but not for ever. */
#define SLACK_MS (6 * INT64_C(5000))

/* What a thread holds, for the one that checks. */
struct holding {
    pthread_mutex_t mutex;
    struct permit_grant *grant; /* NULL: nothing. */
    uint32_t permits;
    bool was_valid;
};

static struct daemon server;
static struct permit_client *client;
static struct holding holdings[THREADS];
static unsigned seed;
static int64_t seconds;
static bool is_stormy;
static atomic_bool is_over;
static atomic_int held; /* Permits, as the threads know it. */
static atomic_int held_max;
static int most_held; /* Of held_max, before the end. */
static atomic_int believed_max;
static atomic_uint grants;
static atomic_uint cancelled;
static atomic_int wrong_status; /* The first that must not be. */
static atomic_uint late;
static struct permit_counters counters = PERMIT_COUNTERS_INIT; /* At the end. */
static pthread_mutex_t storm_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t storm_is_over = PTHREAD_COND_INITIALIZER;
static bool is_down; /* The daemon: whoever finds that out waits. */

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void raise_to(atomic_int *most, int value)
{
    int before = atomic_load(most);

    while (value > before &&
           !atomic_compare_exchange_weak(most, &before, value)) {
    }
}

/* ---------------------------------------------------------------- statuses */

static bool is_outcome(enum permit_status status)
{
    return status == PERMIT_OK || status == PERMIT_E_WOULD_BLOCK ||
           status == PERMIT_E_TIMEOUT || status == PERMIT_E_CANCELLED;
}

/* What a daemon that dies and forgets may cause. */
static bool is_of_storm(enum permit_status status)
{
    return status == PERMIT_E_DISCONNECTED ||
           status == PERMIT_E_OUTCOME_UNKNOWN || status == PERMIT_E_NO_ANSWER ||
           status == PERMIT_E_NOT_FOUND || status == PERMIT_E_EXPIRED;
}

static void set_down(bool down)
{
    (void)pthread_mutex_lock(&storm_mutex);
    is_down = down;
    (void)pthread_cond_broadcast(&storm_is_over);
    (void)pthread_mutex_unlock(&storm_mutex);
}

static void await_daemon(void)
{
    (void)pthread_mutex_lock(&storm_mutex);
    while (is_down) {
        (void)pthread_cond_wait(&storm_is_over, &storm_mutex);
    }
    (void)pthread_mutex_unlock(&storm_mutex);
}

static void note(enum permit_status status)
{
    int none = PERMIT_OK;

    if (status == PERMIT_E_DISCONNECTED) {
        await_daemon();
    }

    if (!is_outcome(status) && !(is_stormy && is_of_storm(status))) {
        (void)atomic_compare_exchange_strong(&wrong_status, &none, (int)status);
    }
}

/* ---------------------------------------------------------------- holding */

static void show(struct holding *holding, struct permit_grant *grant,
                 uint32_t permits)
{
    (void)pthread_mutex_lock(&holding->mutex);
    holding->grant = grant;
    holding->permits = permits;
    holding->was_valid = false;
    (void)pthread_mutex_unlock(&holding->mutex);
}

/* Those that are valid in a first look and still in a second were so at the
 * instant between the two. */
static int believed_at_once(void)
{
    int sum = 0;

    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_mutex_lock(&holdings[i].mutex);
        holdings[i].was_valid = holdings[i].grant != NULL &&
                                permit_grant_is_valid(holdings[i].grant);
        (void)pthread_mutex_unlock(&holdings[i].mutex);
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_mutex_lock(&holdings[i].mutex);
        if (holdings[i].was_valid && permit_grant_is_valid(holdings[i].grant)) {
            sum += (int)holdings[i].permits;
        }
        (void)pthread_mutex_unlock(&holdings[i].mutex);
    }
    return sum;
}

static void look_at(struct permit_grant *grant, unsigned how)
{
    struct pollfd poll_fd = {.events = POLLIN};
    enum permit_loss loss;

    if (how % 3 == 0) {
        poll_fd.fd = permit_grant_event_fd(grant);
        (void)poll(&poll_fd, 1, 0);
    } else if (how % 3 == 1) {
        (void)permit_grant_wait_lost(grant, how % 4, &loss);
    }
    (void)permit_grant_left_ms(grant);
    (void)permit_grant_get_loss(grant);
}

static void give_back(struct permit_grant *grant, uint32_t permits,
                      unsigned how)
{
    enum permit_status status = PERMIT_OK;

    if (how % 4 == 1 && permits > 1) {
        status = permit_grant_release(grant, 1);
        note(status);
    }
    if (how % 4 != 0 && status == PERMIT_OK) { /* Else nothing is left of it. */
        note(permit_grant_release(grant, 0));
    }
    permit_grant_destroy(grant);
}

/* ------------------------------------------------------------------ rounds */

/* Its descriptor is readable from the start in a third of the rounds. */
static void acquire(struct holding *holding, unsigned how, int cancel_fd)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant;
    enum permit_status status;
    int64_t began_ms = now_ms();
    int now;

    request.semaphore = "jobs";
    request.permits = 1 + how / 16 % PERMITS;
    request.wait_ms = how % 7 == 0 ? 0 : how % 5 == 0 ? 2 : -1;
    request.cancel_fd = how % 3 == 0 ? cancel_fd : -1;
    status = permit_acquire(client, &request, &grant);
    note(status);
    if (request.wait_ms >= 0 &&
        now_ms() - began_ms > request.wait_ms + ANSWER_TIMEOUT_MS + SLACK_MS) {
        atomic_fetch_add(&late, 1);
    }
    if (status == PERMIT_E_CANCELLED) {
        atomic_fetch_add(&cancelled, 1);
    } else if (status == PERMIT_OK) {
        atomic_fetch_add(&grants, 1);
        show(holding, grant, request.permits);
        now = atomic_fetch_add(&held, (int)request.permits);
        raise_to(&held_max, now + (int)request.permits);
        look_at(grant, how / 256);
        atomic_fetch_sub(&held, (int)request.permits);
        show(holding, NULL, 0);
        give_back(grant, request.permits, how / 128);
    }
}

static void ask_something(unsigned how)
{
    struct permit_counters own = PERMIT_COUNTERS_INIT;
    struct permit_list *list = NULL;
    char text[64];

    switch (how % 6) {
    case 0:
        note(permit_list_waiters(client, "jobs", &list));
        break;
    case 1:
        note(permit_query(client, "jobs", &list));
        break;
    case 2:
        note(permit_post(client, "tokens", 1, NULL));
        break;
    case 3:
        note(permit_ping(client));
        break;
    case 4:
        note(permit_client_counters(client, &own));
        (void)permit_client_deadline_ms(client);
        (void)close(permit_client_fd(client)); /* -1 does no harm. */
        break;
    default:
        permit_client_last_error(client, text, sizeof(text));
        (void)permit_client_session_id(client);
        break;
    }
    permit_list_destroy(list);
}

static void *work(void *arg)
{
    struct holding *holding = arg;
    unsigned own = seed + (unsigned)(holding - holdings);
    int cancel_fd = eventfd(1, EFD_CLOEXEC);

    while (!atomic_load(&is_over)) {
        unsigned how = (unsigned)rand_r(&own);

        if (how % 11 == 0) {
            ask_something(how / 11);
        } else {
            acquire(holding, how, cancel_fd);
        }
    }
    (void)close(cancel_fd);
    return NULL;
}

/* Who comes too early is told what the last attempt to connect met. */
static void define(const char *name, const struct permit_definition *definition)
{
    enum permit_status status = permit_define(client, name, definition);

    while (status == PERMIT_E_DISCONNECTED) {
        status = permit_define(client, name, definition);
    }
    note(status);
}

static void define_all(uint32_t permits)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;

    definition.fields = PERMIT_DEFINE_PERMITS;
    definition.permits = permits;
    define("jobs", &definition);
    define("kept", &definition);
    definition.fields |= PERMIT_DEFINE_KIND;
    definition.permits = 0;
    definition.kind = PERMIT_COUNTING;
    define("tokens", &definition);
}

/* The daemon lives until so many more grants were made, or a while. */
static void await_grants(unsigned more, int64_t until_ms)
{
    unsigned before = atomic_load(&grants);

    while (atomic_load(&grants) - before < more && now_ms() < until_ms) {
        raise_to(&believed_max, believed_at_once());
        (void)sched_yield();
    }
}

/* What was held is lost with the daemon, and nobody believes in it. */
static void kill_daemon(void)
{
    struct permit_grant *grant = NULL;
    enum permit_loss loss;

    ck_assert_int_eq(permit_try(client, "kept", 1, &grant), PERMIT_OK);
    set_down(true);
    daemon_kill(&server);
    ck_assert_int_eq(permit_grant_wait_lost(grant, -1, &loss), PERMIT_E_LOST);
    ck_assert(!permit_grant_is_valid(grant));
    permit_grant_destroy(grant);
    daemon_restart(&server);
    set_down(false);
}

static void watch(void)
{
    int64_t until_ms = now_ms() + seconds * 1000;

    while (now_ms() < until_ms) {
        await_grants(500, until_ms);
        if (is_stormy) {
            kill_daemon();
            define_all(PERMITS);
        }
    }
}

static void run(void)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    pthread_t threads[THREADS];
    struct permit_list *list;
    size_t fds = open_fds();

    (void)fprintf(stderr,
                  "PERMIT_TEST_SEED=%u PERMIT_TEST_SECONDS=%" PRId64 "\n", seed,
                  seconds);
    daemon_start(&server);
    options.server = server.server;
    options.answer_timeout_ms = ANSWER_TIMEOUT_MS;
    ck_assert_int_eq(permit_client_create(&options, &client, NULL, 0),
                     PERMIT_OK);
    define_all(PERMITS);
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_mutex_init(&holdings[i].mutex, NULL);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &holdings[i]),
                         0);
    }
    watch();
    most_held = atomic_load(&held_max);
    atomic_store(&is_over, true);
    define_all(THREADS * PERMITS); /* Ends the waits that have no end. */
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        (void)pthread_mutex_destroy(&holdings[i].mutex);
    }
    ck_assert_int_eq(permit_client_counters(client, &counters), PERMIT_OK);
    (void)fprintf(
        stderr,
        "%u grants, %u cancelled, %" PRIu64 " lost in %" PRIu64 " restarts\n",
        grants, cancelled, counters.losses_total, counters.reconnects_total);
    ck_assert_msg(wrong_status == PERMIT_OK, "%s",
                  permit_status_name((enum permit_status)wrong_status));
    ck_assert_uint_eq(late, 0);
    ck_assert_int_le(believed_max, PERMITS);
    ck_assert_uint_gt(grants, THREADS);
    ck_assert_uint_gt(cancelled, 0);
    ck_assert_int_eq(permit_query(client, "jobs", &list), PERMIT_OK);
    ck_assert_uint_eq(permit_list_semaphore(list, 0)->held, 0);
    ck_assert_uint_eq(permit_list_semaphore(list, 0)->waiters, 0);
    permit_list_destroy(list);
    permit_client_destroy(client);
    daemon_stop(&server);
    ck_assert_uint_eq(open_fds(), fds);
}

START_TEST(no_more_is_held_than_there_is)
{
    run();
    /* While the daemon lives a grant counts until it is given back. */
    ck_assert_int_le(most_held, PERMITS);
    ck_assert_uint_eq(counters.losses_total, 0);
}
END_TEST

START_TEST(no_more_is_believed_in_whatever_happens_to_the_daemon)
{
    is_stormy = true;
    run();
    ck_assert_uint_gt(counters.reconnects_total, 0);
    ck_assert_uint_ge(counters.losses_total, counters.reconnects_total);
}
END_TEST

static int64_t number_of(const char *variable, int64_t otherwise)
{
    const char *text = getenv(variable);

    return text == NULL ? otherwise : strtoll(text, NULL, 10);
}

int main(void)
{
    Suite *suite = suite_create("client_threads");
    TCase *tcase = tcase_create("threads");
    SRunner *runner = srunner_create(suite);
    int failed;

    seconds = number_of("PERMIT_TEST_SECONDS", SECONDS_DEFAULT);
    seed = (unsigned)number_of("PERMIT_TEST_SEED", (int64_t)time(NULL));
    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, (double)seconds + 100);
    tcase_add_test(tcase, no_more_is_held_than_there_is);
    tcase_add_test(tcase,
                   no_more_is_believed_in_whatever_happens_to_the_daemon);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
