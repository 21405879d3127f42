/* SPDX-License-Identifier: MIT */

/* Several semaphores, rates, why and join: the blocking face with a real
 * daemon. */

#include "permit/permit.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "daemon.h"

#define DAY_MS 86400000

static struct daemon server;
static struct permit_client *client;
static struct permit_client *other;

static struct permit_client *connect_as(const char *name)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_client *connected = NULL;

    options.server = server.server;
    options.name = name;
    options.purpose = "test";
    ck_assert_int_eq(permit_client_create(&options, &connected, NULL, 0),
                     PERMIT_OK);
    return connected;
}

/* jobs has 2 permits and slots; api 10 tokens, and hardly any more. */
static void start(void)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;

    daemon_start(&server);
    client = connect_as("alice");
    other = connect_as("bob");
    definition.fields = PERMIT_DEFINE_PERMITS | PERMIT_DEFINE_SLOTS;
    definition.permits = 2;
    definition.slots = true;
    ck_assert_int_eq(permit_define(client, "jobs", &definition), PERMIT_OK);
    definition.fields = PERMIT_DEFINE_KIND | PERMIT_DEFINE_RATE |
                        PERMIT_DEFINE_PER | PERMIT_DEFINE_BURST;
    definition.kind = PERMIT_RATE;
    definition.rate = 1;
    definition.per_ms = DAY_MS;
    definition.burst = 10;
    ck_assert_int_eq(permit_define(client, "api", &definition), PERMIT_OK);
}

static void stop(void)
{
    permit_client_destroy(other);
    permit_client_destroy(client);
    daemon_stop(&server);
}

static uint64_t available(const char *name)
{
    struct permit_list *list;
    uint64_t count;

    ck_assert_int_eq(permit_query(client, name, &list), PERMIT_OK);
    count = permit_list_semaphore(list, 0)->available;
    permit_list_destroy(list);
    return count;
}

/* One of jobs and three of api, without waiting. */
static const struct permit_acquire_part three = {.semaphore = "api",
                                                 .permits = 3};

static struct permit_acquire_request both(void)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    request.semaphore = "jobs";
    request.also = &three;
    request.also_count = 1;
    request.wait_ms = 0;
    return request;
}

static struct permit_grant *
acquire(const struct permit_acquire_request *request)
{
    struct permit_grant *grant = NULL;

    ck_assert_int_eq(permit_acquire(client, request, &grant), PERMIT_OK);
    ck_assert_ptr_nonnull(grant);
    return grant;
}

START_TEST(tokens_are_taken_without_a_grant)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = (struct permit_grant *)&request;
    struct permit_refusal refusal;

    ck_assert_int_eq(permit_try(client, "api", 4, &grant), PERMIT_OK);
    ck_assert_ptr_null(grant);
    ck_assert_uint_eq(available("api"), 6);
    ck_assert_int_eq(permit_try(client, "api", 11, &grant),
                     PERMIT_E_IMPOSSIBLE);
    request.semaphore = "api";
    request.permits = 8;
    request.wait_ms = 0;
    request.ret_refusal = &refusal;
    ck_assert_int_eq(permit_acquire(client, &request, &grant),
                     PERMIT_E_RATE_LIMITED);
    ck_assert_str_eq(refusal.semaphore, "api");
    ck_assert_uint_eq(refusal.position, 1);
    ck_assert_uint_eq(refusal.permits_in_the_way, 2);
    ck_assert_int_gt(refusal.retry_after_ms, DAY_MS);
    ck_assert_int_le(refusal.retry_after_ms, 2 * DAY_MS);
    ck_assert(!refusal.has_oldest);
}
END_TEST

START_TEST(several_semaphores_are_one_grant)
{
    struct permit_acquire_request request = both();
    struct permit_grant *grant = acquire(&request);
    struct permit_part_info part;

    ck_assert_uint_eq(permit_grant_part(grant, 0, &part), 2);
    ck_assert_str_eq(part.semaphore, "jobs");
    ck_assert_uint_eq(part.permits, 1);
    ck_assert_uint_eq(part.slots_count, 1);
    ck_assert_uint_eq(part.slots[0], 0);
    ck_assert_uint_eq(permit_grant_part(grant, 1, &part), 2);
    ck_assert_str_eq(part.semaphore, "api");
    ck_assert_uint_eq(part.permits, 0); /* Taken for good. */
    ck_assert_uint_eq(available("jobs"), 1);
    ck_assert_uint_eq(available("api"), 7);
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_OK);
    ck_assert_uint_eq(available("jobs"), 2);
    ck_assert_uint_eq(available("api"), 7);
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(all_are_got_or_none)
{
    struct permit_acquire_request request = both();
    struct permit_refusal refusal;
    struct permit_grant *held;
    struct permit_grant *grant = NULL;

    ck_assert_int_eq(permit_try(other, "jobs", 2, &held), PERMIT_OK);
    request.ret_refusal = &refusal;
    ck_assert_int_eq(permit_acquire(client, &request, &grant),
                     PERMIT_E_WOULD_BLOCK);
    ck_assert_ptr_null(grant);
    ck_assert_uint_eq(available("api"), 10);
    ck_assert_str_eq(refusal.semaphore, "jobs");
    ck_assert(refusal.has_oldest);
    ck_assert_str_eq(refusal.oldest_name, "bob");
    ck_assert_str_eq(refusal.oldest_purpose, "test");
    ck_assert_int_ge(refusal.oldest_held_ms, 0);
    permit_grant_destroy(held);
}
END_TEST

START_TEST(a_part_is_given_back_by_name)
{
    static const struct permit_acquire_part counted = {.semaphore = "counted",
                                                       .permits = 3};
    static const struct permit_part parts[] = {
        {"counted", 2}, {"jobs", 1}, {"elsewhere", 1}};
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct permit_acquire_request request = both();
    struct permit_grant *grant;

    definition.fields = PERMIT_DEFINE_KIND | PERMIT_DEFINE_PERMITS;
    definition.kind = PERMIT_COUNTING;
    definition.permits = 5;
    ck_assert_int_eq(permit_define(client, "counted", &definition), PERMIT_OK);
    request.also = &counted;
    grant = acquire(&request);
    ck_assert_int_eq(permit_grant_release_parts(grant, &parts[2], 1),
                     PERMIT_E_OVER_RELEASE);
    ck_assert_int_eq(permit_grant_release_parts(grant, parts, 0),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(permit_grant_release_parts(grant, parts, 1), PERMIT_OK);
    ck_assert_uint_eq(available("counted"), 4);
    ck_assert_int_eq(permit_grant_release_parts(grant, parts, 1),
                     PERMIT_E_OVER_RELEASE);
    ck_assert_int_eq(permit_grant_release_parts(grant, &parts[1], 1),
                     PERMIT_OK);
    ck_assert_uint_eq(available("jobs"), 2);
    ck_assert(permit_grant_is_valid(grant));
    permit_grant_destroy(grant); /* The one that is left. */
    while (available("counted") != 5) {
        ck_assert_int_eq(permit_ping(client), PERMIT_OK);
    }
}
END_TEST

START_TEST(what_was_not_used_is_refunded_once)
{
    static const struct permit_part too_much = {"api", 4};
    static const struct permit_part one = {"api", 1};
    struct permit_acquire_request request = both();
    struct permit_grant *grant;

    request.settle = true;
    grant = acquire(&request);
    ck_assert_uint_eq(available("api"), 7);
    ck_assert_int_eq(permit_grant_settle(grant, &too_much, 1),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(permit_grant_settle(grant, &one, 1), PERMIT_OK);
    ck_assert_uint_eq(available("api"), 9);
    ck_assert_int_eq(permit_grant_settle(grant, &one, 1), PERMIT_E_INVALID);
    ck_assert(permit_grant_is_valid(grant)); /* Jobs is held. */
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_OK);
    ck_assert_int_eq(permit_grant_settle(grant, &one, 1), PERMIT_E_NOT_HELD);
    permit_grant_destroy(grant);
    ck_assert_uint_eq(available("jobs"), 2);
}
END_TEST

START_TEST(why_takes_nothing)
{
    struct permit_acquire_request request = both();
    struct permit_refusal refusal;
    struct permit_grant *held;

    request.ret_refusal = &refusal;
    ck_assert_int_eq(permit_why(client, &request), PERMIT_OK);
    ck_assert_uint_eq(available("api"), 10);
    ck_assert_int_eq(permit_try(other, "jobs", 2, &held), PERMIT_OK);
    ck_assert_int_eq(permit_why(client, &request), PERMIT_E_WOULD_BLOCK);
    ck_assert_str_eq(refusal.semaphore, "jobs");
    ck_assert_uint_eq(refusal.permits_in_the_way, 1);
    request.priority = 8;
    ck_assert_int_eq(permit_why(client, &request), PERMIT_E_INVALID);
    permit_grant_destroy(held);
}
END_TEST

static struct permit_outcome outcome;

static void *join(void *arg)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = NULL;

    (void)arg;
    request.semaphore = "jobs";
    request.permits = 2;
    request.join = true;
    request.ret_outcome = &outcome;
    ck_assert_int_eq(permit_acquire(other, &request, &grant), PERMIT_JOINED);
    ck_assert_ptr_null(grant);
    return NULL;
}

static void await_waiter(const char *semaphore)
{
    struct permit_list *list = NULL;
    size_t count = 0;

    while (count == 0) {
        ck_assert_int_eq(permit_list_waiters(client, semaphore, &list),
                         PERMIT_OK);
        count = permit_list_count(list);
        permit_list_destroy(list);
    }
}

START_TEST(who_joins_gets_the_outcome_of_the_work)
{
    struct permit_grant *grant;
    pthread_t thread;

    outcome.bytes = 7;
    ck_assert_int_eq(permit_try(client, "jobs", 2, &grant), PERMIT_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, join, NULL), 0);
    await_waiter("jobs");
    ck_assert_int_eq(
        permit_grant_release_outcome(grant, _i == 0 ? NULL : "ab", (size_t)_i),
        PERMIT_OK);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(outcome.bytes, (size_t)_i);
    ck_assert_mem_eq(outcome.data, "ab", (size_t)_i);
    permit_grant_destroy(grant);
    ck_assert_uint_eq(available("jobs"), 2);
}
END_TEST

START_TEST(a_template_makes_what_is_asked_for)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    const struct permit_semaphore_info *row;
    struct permit_grant *grant;
    struct permit_list *list;

    definition.fields = PERMIT_DEFINE_PERMITS | PERMIT_DEFINE_BYPASS |
                        PERMIT_DEFINE_PER_SESSION | PERMIT_DEFINE_SHADOW |
                        PERMIT_DEFINE_REFUSE_HOPELESS;
    definition.permits = 3;
    definition.bypass = 4;
    definition.per_session = 2;
    definition.refuse_hopeless = true;
    definition.shadow = true;
    ck_assert_int_eq(permit_define(client, "team/*", &definition), PERMIT_OK);
    ck_assert_int_eq(permit_try(client, "team/a", 4, &grant), PERMIT_OK);
    ck_assert_int_eq(permit_query(client, "team/a", &list), PERMIT_OK);
    row = permit_list_semaphore(list, 0);
    ck_assert_str_eq(row->template_name, "team/*");
    ck_assert(row->shadow && row->refuse_hopeless);
    ck_assert_uint_eq(row->bypass, 4);
    ck_assert_uint_eq(row->per_session, 2);
    ck_assert_uint_eq(row->would_refuse_total, 1);
    permit_list_destroy(list);
    ck_assert_int_eq(permit_grant_release(grant, 0), PERMIT_OK);
    ck_assert_int_eq(permit_query(client, "team/a", &list), PERMIT_E_NOT_FOUND);
    permit_grant_destroy(grant);
}
END_TEST

/* Whatever part of them they are of. */
START_TEST(rows_are_of_the_semaphore_that_is_listed)
{
    static const struct permit_acquire_part slots = {.semaphore = "jobs",
                                                     .permits = 2};
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    const struct permit_holder_info *row;
    struct permit_grant *grant;
    struct permit_list *list;

    request.semaphore = "plain";
    request.also = &slots;
    request.also_count = 1;
    ck_assert_int_eq(
        permit_define(client, "plain",
                      &(const struct permit_definition)PERMIT_DEFINITION_INIT),
        PERMIT_OK);
    grant = acquire(&request);
    ck_assert_int_eq(permit_list_holders(client, "jobs", &list), PERMIT_OK);
    row = permit_list_holder(list, 0);
    ck_assert_str_eq(row->semaphore, "jobs");
    ck_assert_uint_eq(row->permits, 2);
    ck_assert_uint_eq(row->slots_count, 2);
    ck_assert_uint_eq(row->slots[1], 1);
    ck_assert_uint_eq(row->parts_count, 2);
    ck_assert_str_eq(row->parts[0].semaphore, "plain");
    ck_assert_uint_eq(row->parts[0].slots_count, 0);
    permit_list_destroy(list);
    permit_grant_destroy(grant);
}
END_TEST

/* What a program of before knows of the struct. */
START_TEST(an_older_request_names_one_semaphore)
{
    struct permit_acquire_request request = both();
    struct permit_grant *grant;

    request.struct_size = offsetof(struct permit_acquire_request, also);
    grant = acquire(&request);
    ck_assert_uint_eq(
        permit_grant_part(grant, 1, &(struct permit_part_info){0}), 1);
    ck_assert_uint_eq(available("api"), 10);
    permit_grant_destroy(grant);
}
END_TEST

START_TEST(who_may_hold_something_takes_the_grant)
{
    struct permit_acquire_part part = three;
    struct permit_acquire_request request = both();

    part.consume = true;
    request.also = &part;
    ck_assert_int_eq(permit_acquire(client, &request, NULL), PERMIT_E_INVALID);
    request.semaphore = "api";
    request.consume = true;
    request.also_count = 0;
    ck_assert_int_eq(permit_acquire(client, &request, NULL), PERMIT_OK);
    ck_assert_uint_eq(available("api"), 9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_parts");
    TCase *tcase = tcase_create("parts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, tokens_are_taken_without_a_grant);
    tcase_add_test(tcase, several_semaphores_are_one_grant);
    tcase_add_test(tcase, all_are_got_or_none);
    tcase_add_test(tcase, a_part_is_given_back_by_name);
    tcase_add_test(tcase, what_was_not_used_is_refunded_once);
    tcase_add_test(tcase, why_takes_nothing);
    tcase_add_loop_test(tcase, who_joins_gets_the_outcome_of_the_work, 0, 3);
    tcase_add_test(tcase, a_template_makes_what_is_asked_for);
    tcase_add_test(tcase, rows_are_of_the_semaphore_that_is_listed);
    tcase_add_test(tcase, an_older_request_names_one_semaphore);
    tcase_add_test(tcase, who_may_hold_something_takes_the_grant);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
