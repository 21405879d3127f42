/* SPDX-License-Identifier: MIT */

/* The non-blocking face in a loop that is turned by hand, with a server that
 * says what the test says: who is told what, and in which order. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <check.h>

#include "async_script.h"
#include "daemon.h"

static struct async_script script;
static size_t sends_total;

/* NOLINTBEGIN(bugprone-reserved-identifier) The linker's names. */
ssize_t __real_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags);

ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags)
{
    sends_total++;
    return __real_send(fd, bytes, length, flags);
}
/* NOLINTEND(bugprone-reserved-identifier) */

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

/* ------------------------------------------------------------------ opening
 */

START_TEST(the_first_request_opens_a_line_and_waits_for_it)
{
    (void)async_script_acquire(&script, "a");
    (void)async_script_ping(&script, "b");
    async_script_run(&script);
    async_script_accept(&script);
    async_script_hear(&script);
    async_script_expect(&script, "> 1 HELLO 0\n");
    async_script_welcome(&script, 1);
    async_script_hear(&script);
    async_script_granted(&script, 2);
    async_script_say_type(&script, 3, WIRE_PONG);
    async_script_expect(&script, "> 2 ACQUIRE 0\n"
                                 "> 3 PING 0\n"
                                 "a ok\n"
                                 "b ok\n");
    ck_assert(permit_grant_is_valid(script.asked[0].grant));
    ck_assert_uint_eq(permit_grant_id(script.asked[0].grant), 102);
}
END_TEST

START_TEST(a_thousand_requests_in_a_row_are_one_write)
{
    async_script_connect(&script);
    script.is_quiet = true;
    sends_total = 0;
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(permit_async_ping(script.client, NULL, NULL),
                         PERMIT_OK);
    }
    ck_assert_uint_eq(sends_total, 0);
    async_script_run(&script);
    ck_assert_uint_eq(sends_total, 1);
    ck_assert_int_eq(script.write_fd, -1);
}
END_TEST

static int add_hook(void *arg, int fd)
{
    (void)arg;
    return fd;
}

static void del_hook(void *arg, int fd)
{
    (void)arg;
    (void)fd;
}

static int timer_hook(void *arg, int64_t in_ms)
{
    (void)arg;
    (void)in_ms;
    return 0;
}

static void detach_hook(void *arg)
{
    (void)arg;
}

START_TEST(a_loop_has_all_its_hooks)
{
    struct permit_async *client;
    struct permit_loop loop = PERMIT_LOOP_INIT;

    loop.add_read = _i == 0 ? NULL : add_hook;
    loop.del_read = _i == 1 ? NULL : del_hook;
    loop.add_write = _i == 2 ? NULL : add_hook;
    loop.del_write = _i == 3 ? NULL : del_hook;
    loop.set_timer = _i == 4 ? NULL : timer_hook;
    loop.detach = _i == 5 ? NULL : detach_hook;
    ck_assert_int_eq(permit_async_create(NULL, &client, NULL, 0), PERMIT_OK);
    ck_assert_int_eq(permit_async_attach(client, &loop),
                     _i < 6 ? PERMIT_E_INVALID : PERMIT_OK);
    if (_i == 6) { /* And it has one loop. */
        ck_assert_int_eq(permit_async_attach(client, &loop), PERMIT_E_INVALID);
    }
    permit_async_destroy(client);
}
END_TEST

START_TEST(nothing_is_asked_before_it_is_attached)
{
    struct permit_async *client;
    struct permit_loop loop = PERMIT_LOOP_INIT;
    char text[128];

    ck_assert_int_eq(permit_async_create(NULL, &client, NULL, 0), PERMIT_OK);
    ck_assert_int_eq(permit_async_ping(client, NULL, NULL), PERMIT_E_INVALID);
    permit_async_last_error(client, text, sizeof(text));
    ck_assert_str_eq(text, "attach the client to a loop first");
    ck_assert_int_eq(permit_async_attach(client, &loop), PERMIT_E_INVALID);
    loop.struct_size = 1;
    ck_assert_int_eq(permit_async_attach(client, &loop), PERMIT_E_INVALID);
    permit_async_readable(client);
    permit_async_writable(client);
    permit_async_timer(client);
    permit_async_destroy(client);
    permit_async_destroy(NULL);
}
END_TEST

START_TEST(requests_that_make_no_sense_are_not_taken)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_refusal refusal;
    struct permit_async *client = script.client;
    uint64_t id = 0;

    ck_assert_int_eq(permit_async_acquire(client, &request,
                                          async_script_answered, NULL, &id),
                     PERMIT_E_INVALID);
    request.semaphore = "jobs";
    ck_assert_int_eq(permit_async_acquire(client, &request, NULL, NULL, &id),
                     PERMIT_E_INVALID);
    request.cancel_fd = 0;
    ck_assert_int_eq(permit_async_acquire(client, &request,
                                          async_script_answered, NULL, &id),
                     PERMIT_E_INVALID);
    request.cancel_fd = -1;
    request.ret_refusal = &refusal;
    ck_assert_int_eq(permit_async_acquire(client, &request,
                                          async_script_answered, NULL, &id),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(permit_async_query(client, "jobs", NULL, NULL),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(permit_async_list_holders(client, "jobs", NULL, NULL),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(permit_async_post(client, "jobs", 0, NULL, NULL),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(permit_async_cancel(client, 5), PERMIT_E_NOT_FOUND);
    ck_assert_uint_eq(id, 0);
    ck_assert_int_eq(script.write_fd, -1);
}
END_TEST

/* ------------------------------------------------------------------ answers
 */

START_TEST(each_request_gets_its_answer)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct permit_async *client = script.client;
    const struct wire_server_message posted = {
        .id = 3, .type = WIRE_POSTED, .posted = {5}};

    async_script_connect(&script);
    ck_assert_int_eq(permit_async_post(client, "jobs", 2, async_script_answered,
                                       async_script_name(&script, "post")),
                     PERMIT_OK);
    ck_assert_int_eq(permit_async_define(client, "jobs", &definition,
                                         async_script_answered,
                                         async_script_name(&script, "define")),
                     PERMIT_OK);
    ck_assert_int_eq(permit_async_delete(client, "jobs", true,
                                         async_script_answered,
                                         async_script_name(&script, "delete")),
                     PERMIT_OK);
    ck_assert_int_eq(permit_async_query(client, "jobs", async_script_answered,
                                        async_script_name(&script, "query")),
                     PERMIT_OK);
    (void)async_script_list(&script, "list");
    async_script_say(&script, &posted);
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_refused(&script, 5, PERMIT_E_CONFLICT);
    async_script_say_type(&script, 6, WIRE_SEMAPHORE);
    async_script_say_type(&script, 7, WIRE_PAGE);
    async_script_expect(&script, "post ok\n"
                                 "define ok\n"
                                 "delete conflict\n"
                                 "query ok\n"
                                 "list ok\n");
}
END_TEST

static struct permit_answer kept;
static char kept_name[16];

static void keep_answer(void *arg, const struct permit_answer *answer)
{
    (void)arg;
    kept = *answer;
    if (answer->list != NULL) {
        (void)snprintf(kept_name, sizeof(kept_name), "%s",
                       permit_list_semaphore(
                           answer->list, permit_list_count(answer->list) - 1)
                           ->name);
        permit_list_destroy(answer->list);
    }
}

START_TEST(a_list_is_walked_to_its_end)
{
    static const struct permit_semaphore_info rows[] = {
        {.name = "jobs1", .kind = PERMIT_BOUNDED},
        {.name = "jobs2", .kind = PERMIT_BOUNDED}};
    struct wire_server_message page = {
        .type = WIRE_PAGE,
        .page = {.kind = WIRE_LIST_SEMAPHORES, .total = 2, .count = 1}};

    async_script_connect(&script);
    ck_assert_int_eq(
        permit_async_list_semaphores(script.client, "j", keep_answer, NULL),
        PERMIT_OK);
    async_script_run(&script);
    async_script_hear(&script);
    page.id = 3;
    page.page.semaphores = &rows[0];
    async_script_say(&script, &page);
    async_script_hear(&script);
    async_script_expect(&script, "> 3 LIST 0\n"
                                 "> 4 LIST 1\n");
    page.id = 4;
    page.page.offset = 1;
    page.page.semaphores = &rows[1];
    async_script_say(&script, &page);
    ck_assert_int_eq(kept.status, PERMIT_OK);
    ck_assert_str_eq(kept_name, "jobs2");
}
END_TEST

START_TEST(a_page_that_was_not_asked_for_ends_the_list)
{
    static const struct permit_semaphore_info row = {.name = "jobs",
                                                     .kind = PERMIT_BOUNDED};
    const struct wire_server_message page = {
        .id = 3,
        .type = WIRE_PAGE,
        .page = {.kind = WIRE_LIST_SEMAPHORES,
                 .offset = 9,
                 .total = 99,
                 .count = 1,
                 .semaphores = &row}};

    async_script_connect(&script);
    (void)async_script_list(&script, "list");
    async_script_say(&script, &page);
    async_script_expect(&script, "list protocol\n");
}
END_TEST

START_TEST(a_refusal_says_what_the_server_said)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    async_script_connect(&script);
    request.semaphore = "jobs";
    ck_assert_int_eq(
        permit_async_acquire(script.client, &request, keep_answer, NULL, NULL),
        PERMIT_OK);
    async_script_say_type(&script, 3, WIRE_WAITING); /* Unasked. */
    async_script_refused(&script, 3, PERMIT_E_QUEUE_FULL);
    ck_assert_int_eq(kept.status, PERMIT_E_QUEUE_FULL);
    ck_assert_uint_eq(kept.refusal.position, 3);
    ck_assert_ptr_null(kept.grant);
}
END_TEST

START_TEST(a_waiter_is_told_and_cancels)
{
    async_script_connect(&script);
    (void)async_script_acquire(&script, "a");
    async_script_say_type(&script, 3, WIRE_WAITING);
    ck_assert_int_eq(permit_async_cancel(script.client, 3), PERMIT_OK);
    ck_assert_int_eq(permit_async_cancel(script.client, 3), PERMIT_OK);
    async_script_run(&script);
    async_script_hear(&script);
    async_script_refused(&script, 3, PERMIT_E_CANCELLED);
    async_script_say_type(&script, 4, WIRE_CANCELLED);
    async_script_expect(&script, "a waits\n"
                                 "> 3 ACQUIRE 0\n"
                                 "> 4 CANCEL 3\n"
                                 "a cancelled\n");
    ck_assert_int_eq(permit_async_cancel(script.client, 3), PERMIT_E_NOT_FOUND);
}
END_TEST

START_TEST(only_an_acquire_can_be_cancelled)
{
    async_script_connect(&script);
    (void)async_script_ping(&script, "a");
    ck_assert_int_eq(permit_async_cancel(script.client, 3), PERMIT_E_NOT_FOUND);
    async_script_say_type(&script, 3, WIRE_PONG);
    async_script_expect(&script, "a ok\n");
}
END_TEST

START_TEST(a_grant_that_crosses_the_cancel_is_given_back)
{
    async_script_connect(&script);
    (void)async_script_acquire(&script, "a");
    ck_assert_int_eq(permit_async_cancel(script.client, 3), PERMIT_OK);
    async_script_granted(&script, 3);
    async_script_hear(&script);
    async_script_expect(&script, "a cancelled\n"
                                 "> 3 ACQUIRE 0\n"
                                 "> 4 CANCEL 3\n"
                                 "> 5 RELEASE 3\n");
}
END_TEST

START_TEST(an_answer_that_does_not_come_is_not_waited_for)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct async_script slow;

    options.answer_timeout_ms = 400;
    async_script_start_with(&slow, &options);
    async_script_connect(&slow);
    request.semaphore = "jobs";
    request.wait_ms = 0;
    ck_assert_int_eq(permit_async_acquire(slow.client, &request,
                                          async_script_answered,
                                          async_script_name(&slow, "a"), NULL),
                     PERMIT_OK);
    async_script_run(&slow);
    async_script_hear(&slow);
    while (slow.length == strlen("> 3 ACQUIRE 0\n")) {
        async_script_turn(&slow);
    }
    async_script_hear(&slow);
    async_script_granted(&slow, 3);
    async_script_hear(&slow);
    async_script_expect(&slow, "> 3 ACQUIRE 0\n"
                               "a no_answer\n"
                               "> 4 CANCEL 3\n"
                               "> 5 RELEASE 3\n");
    async_script_stop(&slow);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async");
    TCase *asking = tcase_create("asking");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(asking, start, stop);
    tcase_add_test(asking, the_first_request_opens_a_line_and_waits_for_it);
    tcase_add_test(asking, a_thousand_requests_in_a_row_are_one_write);
    tcase_add_loop_test(asking, a_loop_has_all_its_hooks, 0, 7);
    tcase_add_test(asking, nothing_is_asked_before_it_is_attached);
    tcase_add_test(asking, requests_that_make_no_sense_are_not_taken);
    tcase_add_test(asking, each_request_gets_its_answer);
    tcase_add_test(asking, a_list_is_walked_to_its_end);
    tcase_add_test(asking, a_page_that_was_not_asked_for_ends_the_list);
    tcase_add_test(asking, a_refusal_says_what_the_server_said);
    tcase_add_test(asking, a_waiter_is_told_and_cancels);
    tcase_add_test(asking, only_an_acquire_can_be_cancelled);
    tcase_add_test(asking, a_grant_that_crosses_the_cancel_is_given_back);
    tcase_add_test(asking, an_answer_that_does_not_come_is_not_waited_for);
    suite_add_tcase(suite, asking);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
