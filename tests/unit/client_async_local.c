/* SPDX-License-Identifier: MIT */

/* What the non-blocking face grants, and refuses, by itself. Its server is
 * never there. */

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "async_script.h"

static struct async_script script;

static void start(void)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;

    options.server = "unix:/nowhere";
    options.local_permits = 4;
    async_script_start_with(&script, &options);
}

static void stop(void)
{
    if (script.client != NULL) {
        async_script_stop(&script);
    }
}

static void expect(const char *transcript)
{
    async_script_run(&script);
    async_script_expect(&script, transcript);
}

static void acquire(const char *name, uint32_t permits, int64_t wait_ms)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct asked *asked = async_script_name(&script, name);

    request.semaphore = "jobs";
    request.permits = permits;
    request.wait_ms = wait_ms;
    ck_assert_int_eq(permit_async_acquire(script.client, &request,
                                          async_script_answered, asked,
                                          &asked->id),
                     PERMIT_OK);
}

static void expect_error(const char *expected)
{
    char text[512];

    permit_async_last_error(script.client, text, sizeof(text));
    ck_assert_str_eq(text, expected);
}

START_TEST(a_local_grant_is_told_by_the_loop)
{
    struct asked *a = async_script_acquire(&script, "a");
    uint64_t id = a->id;

    ck_assert_uint_eq(script.length, 0);
    expect("a ok\n");
    ck_assert_uint_eq(a->id, id);
    ck_assert(permit_grant_is_local(a->grant));
    ck_assert(permit_grant_is_valid(a->grant));
    ck_assert_uint_eq(permit_grant_fence(a->grant), 0);
    ck_assert_int_eq(permit_async_renew(a->grant, 1, async_script_answered,
                                        async_script_name(&script, "renew")),
                     PERMIT_OK);
    async_script_release(&script, "over", "a", 4);
    async_script_release(&script, "part", "a", 1);
    async_script_release(&script, "rest", "a", 0);
    ck_assert_uint_eq(script.length, 0);
    ck_assert(!permit_grant_is_valid(a->grant));
    expect("renew ok\nover over_release\npart ok\nrest ok\n");
    async_script_release(&script, "again", "a", 0);
    expect("again not asked: not_held\n");
}
END_TEST

START_TEST(local_waits_are_served_in_order)
{
    (void)async_script_acquire(&script, "a");
    expect("a ok\n");
    acquire("b", 4, -1);
    acquire("c", 1, -1);
    acquire("d", 1, 0);
    expect("d would_block\n");
    expect_error("the daemon is away, and the client's own permits are taken");
    async_script_release(&script, "r", "a", 0);
    expect("r ok\nb ok\n");
    permit_grant_destroy(async_script_find(&script, "b")->grant);
    async_script_find(&script, "b")->grant = NULL;
    expect("c ok\n");
}
END_TEST

START_TEST(a_local_wait_ends_at_its_time)
{
    (void)async_script_acquire(&script, "a");
    expect("a ok\n");
    acquire("b", 2, 30);
    while (script.length == 0) {
        async_script_turn(&script);
    }
    expect("b timeout\n");
    acquire("c", 1, 0); /* Nobody stands before it any more. */
    expect("c ok\n");
}
END_TEST

/* By the ids of a request that the core had, and of one that it had not. */
START_TEST(a_local_wait_is_cancelled)
{
    struct asked *asked;

    (void)async_script_acquire(&script, "a");
    (void)async_script_acquire(&script, "b");
    (void)async_script_acquire(&script, "c");
    expect("a ok\n");
    acquire("d", 3, -1);
    acquire("e", 1, -1);
    expect("");
    asked = async_script_find(&script, "c");
    ck_assert_int_eq(permit_async_cancel(script.client, asked->id), PERMIT_OK);
    asked = async_script_find(&script, "d");
    ck_assert_int_eq(permit_async_cancel(script.client, asked->id), PERMIT_OK);
    ck_assert_int_eq(permit_async_cancel(script.client, asked->id),
                     PERMIT_E_NOT_FOUND);
    expect("c cancelled\nd cancelled\n");
    asked = async_script_find(&script, "b");
    ck_assert_int_eq(permit_async_cancel(script.client, asked->id), PERMIT_OK);
    expect("b cancelled\ne ok\n");
}
END_TEST

START_TEST(what_can_never_be_local_fails)
{
    static const struct permit_acquire_part also = {.semaphore = "jobs",
                                                    .permits = 1};
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct asked *asked = async_script_name(&script, "consume");

    request.semaphore = "orders";
    request.consume = true;
    ck_assert_int_eq(permit_async_acquire(script.client, &request,
                                          async_script_answered, asked, NULL),
                     PERMIT_OK);
    acquire("five", 5, -1);
    request.consume = false;
    request.settle = true;
    asked = async_script_name(&script, "settle");
    ck_assert_int_eq(permit_async_acquire(script.client, &request,
                                          async_script_answered, asked, NULL),
                     PERMIT_OK);
    request.settle = false;
    request.also = &also;
    request.also_count = 1;
    asked = async_script_name(&script, "two");
    ck_assert_int_eq(permit_async_acquire(script.client, &request,
                                          async_script_answered, asked, NULL),
                     PERMIT_OK);
    (void)async_script_ping(&script, "ping");
    expect("consume disconnected\nfive disconnected\nsettle disconnected\n"
           "two disconnected\nping disconnected\n");
}
END_TEST

START_TEST(a_client_that_is_destroyed_ends_what_is_local)
{
    struct permit_grant *grant;

    (void)async_script_acquire(&script, "a");
    expect("a ok\n");
    grant = async_script_find(&script, "a")->grant;
    (void)async_script_acquire(&script, "b");
    (void)async_script_acquire(&script, "c");
    expect("");
    async_script_release(&script, "r", "a", 3);
    async_script_find(&script, "a")->grant = NULL;
    async_script_stop(&script);
    script.client = NULL;
    ck_assert(!permit_grant_is_valid(grant));
    permit_grant_destroy(grant);
    async_script_expect(&script, "r ok\nb closed\nc closed\n");
}
END_TEST

/* The server may come back to life, so what it still grants is given back. */
START_TEST(a_server_that_does_not_answer_is_away)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;

    stop();
    options.local_permits = 4;
    options.answer_timeout_ms = 300;
    async_script_start_with(&script, &options);
    async_script_connect(&script);
    acquire("try", 3, 0);
    acquire("wait", 3, 1);
    expect("");
    while (strstr(script.transcript, "wait") == NULL) {
        async_script_turn(&script);
    }
    expect("try ok\nwait timeout\n");
    ck_assert(permit_grant_is_local(async_script_find(&script, "try")->grant));
    async_script_hear(&script);
    async_script_expect(&script, "> 3 ACQUIRE 0\n> 4 ACQUIRE 0\n"
                                 "> 5 CANCEL 3\n> 6 CANCEL 4\n");
    async_script_granted(&script, 3);
    async_script_hear(&script);
    async_script_expect(&script, "> 7 RELEASE 3\n");
}
END_TEST

/* The first interval may be next to nothing. */
START_TEST(while_the_server_is_away_requests_are_refused_at_once)
{
    enum permit_status status = PERMIT_OK;
    char text[512];

    for (int i = 0; i < 20 && status == PERMIT_OK; i++) {
        async_script_run(&script);
        status = permit_async_ping(script.client, NULL, NULL);
    }
    ck_assert_int_eq(status, PERMIT_E_DISCONNECTED);
    permit_async_last_error(script.client, text, sizeof(text));
    ck_assert_str_eq(text, "unix:/nowhere: No such file or directory");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async_local");
    TCase *tcase = tcase_create("local");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, a_local_grant_is_told_by_the_loop);
    tcase_add_test(tcase, local_waits_are_served_in_order);
    tcase_add_test(tcase, a_local_wait_ends_at_its_time);
    tcase_add_test(tcase, a_local_wait_is_cancelled);
    tcase_add_test(tcase, what_can_never_be_local_fails);
    tcase_add_test(tcase, a_client_that_is_destroyed_ends_what_is_local);
    tcase_add_test(tcase, a_server_that_does_not_answer_is_away);
    tcase_add_test(tcase,
                   while_the_server_is_away_requests_are_refused_at_once);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
