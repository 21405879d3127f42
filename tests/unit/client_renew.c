/* SPDX-License-Identifier: MIT */

/* Holds that are counted anew, grants that are verified, and losses that are
 * told: the blocking face with a real daemon. */

#include "permit/permit.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "daemon.h"

static struct daemon server;
static struct permit_client *client;
static char error_text[256];

static void start(void)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_definition definition = PERMIT_DEFINITION_INIT;

    daemon_start(&server);
    options.server = server.server;
    options.answer_timeout_ms = 500;
    ck_assert_msg(permit_client_create(&options, &client, error_text,
                                       sizeof(error_text)) == PERMIT_OK,
                  "%s", error_text);
    definition.fields = PERMIT_DEFINE_PERMITS | PERMIT_DEFINE_HOLD;
    definition.permits = 3;
    definition.hold_ms = 9000;
    ck_assert_int_eq(permit_define(client, "jobs", &definition), PERMIT_OK);
}

static void stop(void)
{
    permit_client_destroy(client);
    daemon_stop(&server);
}

static struct permit_grant *acquire(int64_t hold_ms)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = NULL;

    request.semaphore = "jobs";
    request.hold_ms = hold_ms;
    ck_assert_int_eq(permit_acquire(client, &request, &grant), PERMIT_OK);
    return grant;
}

static void lose(struct permit_grant *grant)
{
    enum permit_loss loss;

    ck_assert_int_eq(permit_grant_wait_lost(grant, -1, &loss), PERMIT_E_LOST);
}

/* --------------------------------------------------------------------- renew
 */

static const struct {
    int64_t hold_ms;
    int64_t left_ms; /* At most: the hold less a thousandth. */
} renewals[] = {
    {7000, 6993}, {1000, 999}, {0, 4995}, {60000, 8991}, /* The server caps. */
};

START_TEST(a_renewed_hold_counts_anew)
{
    struct permit_grant *grant = acquire(5000);
    int64_t before_ms = permit_grant_left_ms(grant);
    int64_t left_ms;

    ck_assert_int_le(before_ms, 4995);
    ck_assert_int_eq(permit_grant_renew(grant, renewals[_i].hold_ms),
                     PERMIT_OK);
    left_ms = permit_grant_left_ms(grant);
    ck_assert_int_le(left_ms, renewals[_i].left_ms);
    ck_assert_int_gt(left_ms, renewals[_i].left_ms - 900);
    ck_assert(permit_grant_is_valid(grant));
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(a_renewed_hold_outlives_the_first)
{
    struct permit_grant *grant = acquire(300);
    enum permit_loss loss;

    ck_assert_int_eq(permit_grant_renew(grant, 9000), PERMIT_OK);
    ck_assert_int_eq(permit_grant_wait_lost(grant, 400, &loss),
                     PERMIT_E_TIMEOUT);
    ck_assert(permit_grant_is_valid(grant));
    ck_assert_int_eq(permit_grant_renew(grant, 20), PERMIT_OK);
    lose(grant);
    ck_assert_int_eq(permit_grant_get_loss(grant), PERMIT_LOSS_HOLD);
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_E_EXPIRED);
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(what_is_not_held_is_not_renewed)
{
    struct permit_grant *grant = acquire(0);

    ck_assert_int_eq(permit_grant_renew(grant, -1), PERMIT_E_INVALID);
    permit_client_last_error(client, error_text, sizeof(error_text));
    ck_assert_str_eq(error_text, "a hold is at least 0");
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_OK);
    ck_assert_int_eq(permit_grant_renew(grant, 0), PERMIT_E_NOT_HELD);
    permit_grant_destroy(grant);
    grant = acquire(20);
    lose(grant);
    ck_assert_int_eq(permit_grant_renew(grant, 5000), PERMIT_E_EXPIRED);
    ck_assert(!permit_grant_is_valid(grant));
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(without_an_answer_the_old_hold_is_in_force_or_a_shorter_one)
{
    struct permit_grant *grant = acquire(8000);

    ck_assert_int_eq(kill(server.pid, SIGSTOP), 0);
    ck_assert_int_eq(permit_grant_renew(grant, 9000), PERMIT_E_NO_ANSWER);
    ck_assert_int_le(permit_grant_left_ms(grant), 7492);
    ck_assert(permit_grant_is_valid(grant));
    /* The server may have heard of it, and give the permit away. */
    ck_assert_int_eq(permit_grant_renew(grant, 100), PERMIT_E_NO_ANSWER);
    ck_assert(!permit_grant_is_valid(grant));
    ck_assert_int_eq(kill(server.pid, SIGCONT), 0);
    permit_grant_destroy(grant);
}
END_TEST

/* -------------------------------------------------------------------- verify
 */

START_TEST(a_resource_can_ask_whether_a_grant_is_alive)
{
    struct permit_grant *grant = acquire(0);
    uint64_t id = permit_grant_id(grant);
    uint64_t fence = permit_grant_fence(grant);

    ck_assert_int_eq(permit_verify(client, id, fence), PERMIT_OK);
    ck_assert_int_eq(permit_verify(client, id, fence + 1), PERMIT_E_NOT_HELD);
    ck_assert_int_eq(permit_verify(client, id + 1, fence), PERMIT_E_NOT_HELD);
    ck_assert_int_eq(permit_verify(client, 0, 0), PERMIT_E_NOT_HELD);
    ck_assert_int_eq(permit_grant_renew(grant, 20), PERMIT_OK);
    lose(grant);
    /* The server gives it away a little after the client stops believing. */
    while (permit_verify(client, id, fence) == PERMIT_OK) {
    }
    ck_assert_int_eq(permit_verify(client, id, fence), PERMIT_E_EXPIRED);
    permit_grant_destroy(grant);
}
END_TEST

/* ------------------------------------------------------------------- on_lost
 */

/* What an on_lost is told, and does. */
struct teller {
    struct permit_grant *grant;
    pthread_t thread;
    enum permit_loss loss;
    int calls;
    bool destroys;
    bool asks;
    enum permit_status asked[6];
    sem_t told;
    sem_t may_return; /* Waited for if `lingers`. */
    bool lingers;
    bool has_returned;
};

static void ask_all(struct teller *teller)
{
    struct permit_grant *other;
    enum permit_loss loss;

    teller->asked[0] = permit_ping(client);
    teller->asked[1] = permit_try(client, "jobs", 1, &other);
    teller->asked[2] = permit_grant_release(teller->grant, 0);
    teller->asked[3] = permit_grant_renew(teller->grant, 0);
    teller->asked[4] = permit_verify(client, 1, 1);
    teller->asked[5] = permit_grant_wait_lost(teller->grant, -1, &loss);
}

static void on_lost(void *arg, struct permit_grant *grant,
                    enum permit_loss loss)
{
    struct teller *teller = arg;

    teller->calls++;
    teller->grant = grant;
    teller->loss = loss;
    teller->thread = pthread_self();
    if (teller->asks) {
        ask_all(teller);
    }
    if (teller->destroys) {
        permit_grant_destroy(grant);
    }
    (void)sem_post(&teller->told);
    if (teller->lingers) {
        (void)sem_wait(&teller->may_return);
    }
    teller->has_returned = true;
}

static struct permit_grant *acquire_told(struct teller *teller, int64_t hold_ms)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = NULL;

    (void)sem_init(&teller->told, 0, 0);
    (void)sem_init(&teller->may_return, 0, 0);
    request.semaphore = "jobs";
    request.hold_ms = hold_ms;
    request.on_lost = on_lost;
    request.on_lost_arg = teller;
    ck_assert_int_eq(permit_acquire(client, &request, &grant), PERMIT_OK);
    return grant;
}

static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0) {
    }
}

START_TEST(a_loss_is_told_once_by_another_thread)
{
    struct teller teller = {.calls = 0};
    struct permit_grant *grant = acquire_told(&teller, 20);

    await(&teller.told);
    ck_assert(pthread_equal(teller.thread, pthread_self()) == 0);
    ck_assert_ptr_eq(teller.grant, grant);
    ck_assert_int_eq(teller.loss, PERMIT_LOSS_HOLD);
    ck_assert(!permit_grant_is_valid(grant));
    daemon_kill(&server); /* What is lost is not lost again. */
    while (permit_client_session_id(client) != 0) {
        (void)permit_ping(client);
    }
    permit_grant_destroy(grant);
    ck_assert_int_eq(teller.calls, 1);
    daemon_restart(&server);
}
END_TEST

START_TEST(a_loss_is_told_of_each_grant_of_a_session)
{
    struct teller tellers[2] = {{.calls = 0}};
    struct permit_grant *grants[2] = {acquire_told(&tellers[0], 0),
                                      acquire_told(&tellers[1], 0)};

    daemon_kill(&server);
    for (int i = 0; i < 2; i++) {
        await(&tellers[i].told);
        ck_assert_ptr_eq(tellers[i].grant, grants[i]);
        ck_assert_int_eq(tellers[i].loss, PERMIT_LOSS_SESSION);
        permit_grant_destroy(grants[i]);
    }
    daemon_restart(&server);
}
END_TEST

START_TEST(what_was_released_is_told_nothing)
{
    struct teller teller = {.calls = 0};
    struct teller after = {.calls = 0};
    struct permit_grant *grant = acquire_told(&teller, 0);
    struct permit_grant *other = acquire_told(&after, 0);

    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_OK);
    daemon_kill(&server);
    await(&after.told); /* The losses come in order. */
    ck_assert_int_eq(teller.calls, 0);
    permit_grant_destroy(grant);
    permit_grant_destroy(other);
    daemon_restart(&server);
}
END_TEST

START_TEST(on_lost_may_look_and_destroy_but_not_ask)
{
    struct teller teller = {.asks = true, .destroys = true};

    (void)acquire_told(&teller, 20);
    await(&teller.told);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(teller.asked[i], PERMIT_E_INVALID);
    }
    ck_assert_int_eq(permit_ping(client), PERMIT_OK);
}
END_TEST

static void *destroy(void *arg)
{
    permit_grant_destroy(arg);
    return NULL;
}

START_TEST(destroying_waits_for_an_on_lost_that_has_begun)
{
    struct teller teller = {.lingers = true};
    struct permit_grant *grant = acquire_told(&teller, 20);
    struct timespec now;
    pthread_t thread;

    await(&teller.told);
    ck_assert_int_eq(pthread_create(&thread, NULL, destroy, grant), 0);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    now.tv_nsec += 100000000;
    now.tv_sec += now.tv_nsec / 1000000000;
    now.tv_nsec %= 1000000000;
    ck_assert_int_ne(pthread_timedjoin_np(thread, NULL, &now), 0);
    (void)sem_post(&teller.may_return);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(teller.has_returned);
    ck_assert_int_eq(permit_ping(client), PERMIT_OK);
}
END_TEST

START_TEST(what_is_released_or_destroyed_before_its_turn_is_told_nothing)
{
    struct teller tellers[3] = {{.lingers = true}};
    struct permit_grant *first = acquire_told(&tellers[0], 0);
    struct permit_grant *destroyed = acquire_told(&tellers[1], 0);
    struct permit_grant *released = acquire_told(&tellers[2], 0);

    daemon_kill(&server);
    await(&tellers[0].told); /* The others are to be told next. */
    permit_grant_destroy(destroyed);
    ck_assert_int_eq(permit_grant_release(released, 0), PERMIT_E_EXPIRED);
    (void)sem_post(&tellers[0].may_return);
    permit_grant_destroy(first);
    daemon_restart(&server);
    ck_assert_int_eq(permit_ping(client), PERMIT_OK);
    ck_assert_int_eq(tellers[1].calls, 0);
    ck_assert_int_eq(tellers[2].calls, 0);
    permit_grant_destroy(released);
}
END_TEST

START_TEST(a_child_renews_and_verifies_nothing)
{
    struct teller teller = {.calls = 0};
    struct permit_grant *grant = acquire_told(&teller, 0);
    int status;
    pid_t child = fork();

    if (child == 0) {
        int wrong = permit_grant_renew(grant, 0) != PERMIT_E_FORKED ||
                    permit_verify(client, 1, 1) != PERMIT_E_FORKED;

        permit_grant_destroy(grant);
        permit_client_destroy(client);
        _exit(wrong);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(permit_grant_renew(grant, 0), PERMIT_OK);
    permit_grant_destroy(grant);
    ck_assert_int_eq(teller.calls, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_renew");
    TCase *holds = tcase_create("holds");
    TCase *losses = tcase_create("losses");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(holds, start, stop);
    tcase_add_loop_test(holds, a_renewed_hold_counts_anew, 0,
                        (int)(sizeof(renewals) / sizeof(*renewals)));
    tcase_add_test(holds, a_renewed_hold_outlives_the_first);
    tcase_add_test(holds, what_is_not_held_is_not_renewed);
    tcase_add_test(holds,
                   without_an_answer_the_old_hold_is_in_force_or_a_shorter_one);
    tcase_add_test(holds, a_resource_can_ask_whether_a_grant_is_alive);
    tcase_set_timeout(holds, 30);
    suite_add_tcase(suite, holds);
    tcase_add_checked_fixture(losses, start, stop);
    tcase_add_test(losses, a_loss_is_told_once_by_another_thread);
    tcase_add_test(losses, a_loss_is_told_of_each_grant_of_a_session);
    tcase_add_test(losses, what_was_released_is_told_nothing);
    tcase_add_test(losses, on_lost_may_look_and_destroy_but_not_ask);
    tcase_add_test(losses, destroying_waits_for_an_on_lost_that_has_begun);
    tcase_add_test(
        losses, what_is_released_or_destroyed_before_its_turn_is_told_nothing);
    tcase_add_test(losses, a_child_renews_and_verifies_nothing);
    tcase_set_timeout(losses, 30);
    suite_add_tcase(suite, losses);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
