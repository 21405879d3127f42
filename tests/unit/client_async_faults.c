/* SPDX-License-Identifier: MIT */

/* The non-blocking face with a loop and a memory that fail. */

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "async_script.h"
#include "daemon.h"

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

/* Where a line that opens calls a hook, and where one that is asked does. */
START_TEST(a_hook_that_fails_breaks_the_line)
{
    async_script_fail_hook((size_t)_i, false);
    async_script_start(&script);
    (void)async_script_ping(&script, "a");
    ck_assert_uint_eq(script.length, 0);
    async_script_run(&script);
    async_script_expect(&script, "a nomem\n");
    ck_assert_int_eq(script.read_fd, -1);
    ck_assert_int_eq(script.write_fd, -1);
    (void)async_script_ping(&script, "b");
    async_script_run(&script);
    async_script_stop(&script);
}
END_TEST

/* Counts the ends of requests, in `ends`, and not what was refused. */
static unsigned taken;
static unsigned ends;

static void count_end(void *arg, const struct permit_answer *answer)
{
    (void)arg;
    ends++;
    permit_grant_destroy(answer->grant);
    permit_list_destroy(answer->list);
}

static void note_taken(enum permit_status status)
{
    ck_assert_msg(status == PERMIT_OK || status == PERMIT_E_NOMEM, "%s",
                  permit_status_name(status));
    taken += status == PERMIT_OK;
}

static void ask_some(void)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    request.semaphore = "jobs";
    note_taken(
        permit_async_acquire(script.client, &request, count_end, NULL, NULL));
    note_taken(
        permit_async_list_semaphores(script.client, "", count_end, NULL));
    note_taken(permit_async_ping(script.client, count_end, NULL));
}

static void run_and_accept(void)
{
    struct pollfd fd = {.fd = script.listener, .events = POLLIN};

    async_script_run(&script);
    if (script.line == -1 && poll(&fd, 1, 0) == 1) {
        async_script_accept(&script);
    }
}

/* A story in which something fails: each request that was taken ends once. */
static void run_story(const struct permit_options *options)
{
    taken = 0;
    ends = 0;
    async_script_start_with(&script, options);
    script.is_quiet = true;
    ask_some();
    run_and_accept();
    if (script.line != -1) {
        async_script_welcome(&script, 1);
        async_script_granted(&script, 2);
        async_script_say_type(&script, 3, WIRE_PAGE);
        ask_some();
        async_script_run(&script);
        async_script_hang_up(&script);
    }
    async_script_run(&script);
    ask_some();
    run_and_accept();
    async_script_stop(&script);
    ck_assert_uint_eq(ends, taken);
    ck_assert_uint_eq(open_fds(), fds_before);
}

START_TEST(every_hook_may_fail)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    size_t hooks_total = 1;

    for (size_t n = 1; n <= hooks_total; n++) {
        async_script_fail_hook(n, _i == 1);
        run_story(&options);
        hooks_total =
            script.hooks_total > hooks_total ? script.hooks_total : hooks_total;
        ck_assert_uint_ge(taken, 1);
    }
    ck_assert_uint_gt(hooks_total, 5);
}
END_TEST

static size_t allocations_left;
static size_t allocations_total;
static long blocks;

static void *take_memory(void *arg, size_t bytes)
{
    (void)arg;
    allocations_total++;
    if (allocations_left > 0 && --allocations_left == 0) {
        return NULL;
    }
    blocks++;
    return malloc(bytes);
}

static void give_memory(void *arg, void *memory)
{
    (void)arg;
    blocks--;
    free(memory);
}

START_TEST(every_allocation_may_fail)
{
    static const struct permit_allocator allocator = {take_memory, give_memory,
                                                      NULL};
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_async *client;

    options.allocator = &allocator;
    run_story(&options);
    ck_assert_uint_eq(taken, 9);
    for (size_t n = allocations_total; n > 0; n--) {
        allocations_left = n;
        if (permit_async_create(&options, &client, NULL, 0) != PERMIT_OK) {
            ck_assert_int_eq(blocks, 0);
            continue; /* What makes a client fails as a whole. */
        }
        permit_async_destroy(client);
        allocations_left = n;
        run_story(&options);
        ck_assert_int_eq(blocks, 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async_faults");
    TCase *faults_case = tcase_create("faults");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(faults_case, start, stop);
    tcase_set_timeout(faults_case, 30);
    tcase_add_loop_test(faults_case, a_hook_that_fails_breaks_the_line, 1, 4);
    tcase_add_loop_test(faults_case, every_hook_may_fail, 0, 2);
    tcase_add_test(faults_case, every_allocation_may_fail);
    suite_add_tcase(suite, faults_case);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
