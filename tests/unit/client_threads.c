/* SPDX-License-Identifier: MIT */

/* 64 threads on one client: acquire, cancel and release at random, and at no
 * instant more held than there are permits. For the thread sanitizer too. */

#include "permit/permit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <check.h>

#include "daemon.h"

#define THREADS 64
#define ROUNDS 100
#define PERMITS 5

static struct daemon server;
static struct permit_client *client;
static atomic_int held;
static atomic_int held_max;
static atomic_int grants;
static atomic_int cancelled;
static atomic_int errors;

static void note_held(int permits)
{
    int now = atomic_fetch_add(&held, permits) + permits;
    int most = atomic_load(&held_max);

    while (now > most && !atomic_compare_exchange_weak(&held_max, &most, now)) {
    }
}

static void give_back(struct permit_grant *grant, uint32_t permits,
                      unsigned how)
{
    enum permit_status status = PERMIT_OK;

    if (!permit_grant_is_valid(grant)) {
        atomic_fetch_add(&errors, 1);
    }
    atomic_fetch_sub(&held, (int)permits);
    if (how % 4 == 1 && permits > 1) {
        status = permit_grant_release(grant, 1);
    }
    if (how % 4 != 0 && status == PERMIT_OK) {
        status = permit_grant_release(grant, 0);
    }
    if (status != PERMIT_OK) {
        atomic_fetch_add(&errors, 1);
    }
    permit_grant_destroy(grant);
}

/* Its descriptor is readable from the start in a third of the rounds. */
static void one_round(unsigned *seed, int cancel_fd)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    unsigned how = (unsigned)rand_r(seed);
    struct permit_grant *grant;
    enum permit_status status;

    request.semaphore = "jobs";
    request.permits = 1 + how / 16 % PERMITS;
    request.wait_ms = how % 7 == 0 ? 0 : how % 5 == 0 ? 2 : -1;
    request.cancel_fd = how % 3 == 0 ? cancel_fd : -1;
    status = permit_acquire(client, &request, &grant);
    if (status == PERMIT_OK) {
        note_held((int)request.permits);
        atomic_fetch_add(&grants, 1);
        give_back(grant, request.permits, how / 128);
    } else if (status == PERMIT_E_CANCELLED) {
        atomic_fetch_add(&cancelled, 1);
    } else if (status != PERMIT_E_WOULD_BLOCK && status != PERMIT_E_TIMEOUT) {
        atomic_fetch_add(&errors, 1);
    }
}

static void *work(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    int cancel_fd = eventfd(1, EFD_CLOEXEC);

    for (int i = 0; i < ROUNDS; i++) {
        one_round(&seed, cancel_fd);
    }
    (void)close(cancel_fd);
    return NULL;
}

START_TEST(no_more_is_held_than_there_is)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct permit_list *list;
    pthread_t threads[THREADS];
    size_t fds = open_fds();

    daemon_start(&server);
    options.server = server.server;
    options.answer_timeout_ms = 60000; /* A sanitizer is slow. */
    ck_assert_int_eq(permit_client_create(&options, &client, NULL, 0),
                     PERMIT_OK);
    definition.fields = PERMIT_DEFINE_PERMITS;
    definition.permits = PERMITS;
    ck_assert_int_eq(permit_define(client, "jobs", &definition), PERMIT_OK);
    for (uintptr_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&errors), 0);
    ck_assert_int_le(atomic_load(&held_max), PERMITS);
    ck_assert_int_gt(atomic_load(&grants), THREADS);
    ck_assert_int_gt(atomic_load(&cancelled), 0);
    ck_assert_int_eq(permit_query(client, "jobs", &list), PERMIT_OK);
    ck_assert_uint_eq(permit_list_semaphore(list, 0)->held, 0);
    ck_assert_uint_eq(permit_list_semaphore(list, 0)->waiters, 0);
    permit_list_destroy(list);
    permit_client_destroy(client);
    daemon_stop(&server);
    ck_assert_uint_eq(open_fds(), fds);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_threads");
    TCase *tcase = tcase_create("threads");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, no_more_is_held_than_there_is);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
