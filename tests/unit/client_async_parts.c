/* SPDX-License-Identifier: MIT */

/* Grants of several semaphores in the non-blocking face: what of them is held,
 * given back and settled, and what comes instead of one. */

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "async_script.h"

static struct async_script script;

static void start(void)
{
    async_script_start(&script);
    async_script_connect(&script);
}

static void stop(void)
{
    async_script_stop(&script);
}

static const struct permit_acquire_part api = {.semaphore = "api",
                                               .permits = 2};

/* Three of jobs and two of api. */
static struct permit_acquire_request two(bool settle)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    request.semaphore = "jobs";
    request.permits = 3;
    request.also = &api;
    request.also_count = 1;
    request.settle = settle;
    return request;
}

static struct asked *ask(const char *name,
                         const struct permit_acquire_request *request)
{
    struct asked *asked = async_script_name(&script, name);

    ck_assert_int_eq(permit_async_acquire(script.client, request,
                                          async_script_answered, asked,
                                          &asked->id),
                     PERMIT_OK);
    return asked;
}

/* Bit n of taken: part n was taken for good. */
static void say_granted(uint64_t id, uint32_t taken,
                        const struct permit_part_info *slots)
{
    async_script_say(&script, &(const struct wire_server_message){
                                  .id = id,
                                  .type = WIRE_GRANTED,
                                  .granted = {.grant_id = 100 + id,
                                              .fence = 1,
                                              .taken = taken,
                                              .parts = slots,
                                              .parts_count = slots != NULL}});
}

static struct permit_grant *granted(bool settle, uint32_t taken)
{
    const struct permit_acquire_request request = two(settle);
    struct asked *asked = ask("a", &request);

    say_granted(3, taken, NULL);
    async_script_expect(&script, "a ok\n");
    async_script_hear(&script);
    async_script_expect(&script, "> 3 ACQUIRE 0\n");
    ck_assert_ptr_nonnull(asked->grant);
    return asked->grant;
}

static void assert_left(const struct permit_grant *grant, uint32_t jobs,
                        uint32_t tokens)
{
    struct permit_part_info part;

    ck_assert_uint_eq(permit_grant_part(grant, 0, &part), 2);
    ck_assert_str_eq(part.semaphore, "jobs");
    ck_assert_uint_eq(part.permits, jobs);
    ck_assert_uint_eq(permit_grant_permits(grant), jobs);
    ck_assert_uint_eq(permit_grant_part(grant, 1, &part), 2);
    ck_assert_str_eq(part.semaphore, "api");
    ck_assert_uint_eq(part.permits, tokens);
    part.semaphore = "untouched";
    ck_assert_uint_eq(permit_grant_part(grant, 2, &part), 2);
    ck_assert_str_eq(part.semaphore, "untouched");
}

static enum permit_status release(struct permit_grant *grant, const char *name,
                                  const struct permit_part *parts, size_t count)
{
    return permit_async_release_parts(grant, parts, count,
                                      async_script_answered,
                                      async_script_name(&script, name));
}

static enum permit_status settle(struct permit_grant *grant, const char *name,
                                 uint32_t used)
{
    return permit_async_settle(grant, &(const struct permit_part){"api", used},
                               1, async_script_answered,
                               async_script_name(&script, name));
}

START_TEST(a_grant_is_given_back_part_by_part)
{
    static const struct permit_part one = {"api", 1};
    static const struct permit_part rest[] = {{"api", 1}, {"jobs", 3}};
    struct permit_grant *grant = granted(false, 0);

    assert_left(grant, 3, 2);
    ck_assert_int_eq(release(grant, "r1", &one, 1), PERMIT_OK);
    assert_left(grant, 3, 1);
    async_script_refused(&script, 4, PERMIT_E_UNAVAILABLE);
    assert_left(grant, 3, 2);
    ck_assert_int_eq(release(grant, "r2", &one, 1), PERMIT_OK);
    async_script_say_type(&script, 5, WIRE_DONE);
    ck_assert(permit_grant_is_valid(grant));
    /* All that is left is all, by whatever name. */
    ck_assert_int_eq(release(grant, "r3", rest, 2), PERMIT_OK);
    ck_assert(!permit_grant_is_valid(grant));
    assert_left(grant, 0, 0);
    async_script_say_type(&script, 6, WIRE_DONE);
    async_script_expect(&script, "r1 unavailable\n"
                                 "r2 ok\n"
                                 "r3 ok\n");
}
END_TEST

/* Refused as a whole by the server; the handle keeps what it has. */
static const struct permit_part too_much[][2] = {
    {{"api", 3}, {"jobs", 1}},
    {{"jobs", 1}, {"other", 1}},
    {{"jobs", 1}, {"jobs", 1}},
};

START_TEST(more_than_there_is_takes_nothing_from_the_handle)
{
    struct permit_grant *grant = granted(false, 0);

    ck_assert_int_eq(release(grant, "r", too_much[_i], 2), PERMIT_OK);
    assert_left(grant, 3, 2);
    async_script_refused(&script, 4, PERMIT_E_OVER_RELEASE);
    assert_left(grant, 3, 2);
    ck_assert(permit_grant_is_valid(grant));
    async_script_expect(&script, "r over_release\n");
}
END_TEST

START_TEST(parts_that_make_no_sense_are_not_asked)
{
    static const struct permit_part many[9] = {{"a", 1}};
    static const struct permit_part unnamed = {NULL, 1};
    static const struct permit_part wrong = {"a b", 1};
    struct permit_grant *grant = granted(false, 0);

    ck_assert_int_eq(release(grant, "r", many, 0), PERMIT_E_INVALID);
    ck_assert_int_eq(release(grant, "r", many, 9), PERMIT_E_INVALID);
    ck_assert_int_eq(release(grant, "r", NULL, 1), PERMIT_E_INVALID);
    ck_assert_int_eq(release(grant, "r", &unnamed, 1), PERMIT_E_INVALID);
    ck_assert_int_eq(release(grant, "r", &wrong, 1), PERMIT_E_INVALID);
    ck_assert_int_eq(permit_async_release_outcome(grant, "", 4097, NULL, NULL),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(permit_async_release_outcome(grant, NULL, 1, NULL, NULL),
                     PERMIT_E_INVALID);
    assert_left(grant, 3, 2);
    async_script_expect(&script, "");
}
END_TEST

START_TEST(what_is_all_taken_for_good_gives_no_grant)
{
    const struct permit_acquire_request request = two(false);
    struct asked *asked = ask("a", &request);

    say_granted(3, 3, NULL);
    ck_assert_ptr_null(asked->grant);
    async_script_expect(&script, "a ok\n");
}
END_TEST

START_TEST(what_is_taken_for_good_is_no_part_that_is_left)
{
    struct permit_grant *grant = granted(false, 2);

    assert_left(grant, 3, 0);
    async_script_release(&script, "r", "a", 3); /* All. */
    ck_assert(!permit_grant_is_valid(grant));
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_expect(&script, "r ok\n");
}
END_TEST

/* The server's, and of what this grant has. */
START_TEST(slots_are_of_their_semaphore)
{
    static const uint32_t numbers[] = {5, 7, 9};
    static const struct permit_part_info slots[] = {
        {"api", 2, 2, numbers},
        {"other", 2, 2, numbers}, /* Of an unknown part, */
        {"api", 3, 3, numbers},   /* and more than there are. */
    };
    const struct permit_acquire_request request = two(false);
    struct asked *asked = ask("a", &request);
    struct permit_part_info part;
    size_t count;

    say_granted(3, 0, &slots[_i]);
    (void)permit_grant_part(asked->grant, 1, &part);
    ck_assert_uint_eq(part.slots_count, _i == 0 ? 2 : 0);
    ck_assert(_i > 0 || part.slots[1] == 7);
    (void)permit_grant_slots(asked->grant, &count);
    ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(settling_ends_what_was_taken)
{
    struct permit_grant *grant = granted(true, 2);

    assert_left(grant, 3, 2);
    ck_assert_int_eq(settle(grant, "s1", 3), PERMIT_OK);
    async_script_refused(&script, 4, PERMIT_E_INVALID);
    assert_left(grant, 3, 2);
    ck_assert_int_eq(settle(grant, "s2", 0), PERMIT_OK);
    async_script_say_type(&script, 5, WIRE_DONE);
    assert_left(grant, 3, 0);
    ck_assert(permit_grant_is_valid(grant));
    async_script_release(&script, "r", "a", 3);
    ck_assert(!permit_grant_is_valid(grant));
    async_script_say_type(&script, 6, WIRE_DONE);
    ck_assert_int_eq(settle(grant, "s3", 0), PERMIT_E_NOT_HELD);
    async_script_expect(&script, "s1 invalid\n"
                                 "s2 ok\n"
                                 "r ok\n");
}
END_TEST

START_TEST(a_settled_grant_that_holds_nothing_has_ended)
{
    struct permit_grant *grant = granted(true, 3);

    ck_assert_int_eq(settle(grant, "s", 1), PERMIT_OK);
    ck_assert(permit_grant_is_valid(grant));
    async_script_say_type(&script, 4, WIRE_DONE);
    ck_assert(!permit_grant_is_valid(grant));
    assert_left(grant, 0, 0);
    async_script_expect(&script, "s ok\n");
}
END_TEST

/* Before the settlement all that is held is not all. */
START_TEST(what_is_held_is_given_back_before_it_is_settled)
{
    struct permit_grant *grant = granted(true, 2);

    async_script_release(&script, "r", "a", 3);
    ck_assert(permit_grant_is_valid(grant));
    async_script_say_type(&script, 4, WIRE_DONE);
    assert_left(grant, 0, 2);
    ck_assert_int_eq(settle(grant, "s", 1), PERMIT_OK);
    async_script_refused(&script, 5, PERMIT_E_EXPIRED);
    ck_assert(!permit_grant_is_valid(grant));
    assert_left(grant, 0, 0);
    async_script_expect(&script, "r ok\n"
                                 "s expired\n");
}
END_TEST

/* It would lose the refund: the server refuses it. */
START_TEST(what_is_to_be_settled_is_not_given_back_by_name)
{
    static const struct permit_part all[] = {{"api", 2}, {"jobs", 3}};
    struct permit_grant *grant = granted(true, 2);

    ck_assert_int_eq(release(grant, "r", all, 2), PERMIT_OK);
    ck_assert(permit_grant_is_valid(grant));
    async_script_refused(&script, 4, PERMIT_E_OVER_RELEASE);
    assert_left(grant, 3, 2);
    async_script_expect(&script, "r over_release\n");
}
END_TEST

START_TEST(a_settlement_may_outlive_its_handle)
{
    struct permit_grant *grant = granted(true, 3);

    ck_assert_int_eq(settle(grant, "s", 1), PERMIT_OK);
    permit_grant_destroy(grant);
    async_script_find(&script, "a")->grant = NULL;
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_expect(&script, "s ok\n");
}
END_TEST

static char outcome[8];

static void answered_with_outcome(void *arg, const struct permit_answer *answer)
{
    ck_assert_int_eq(answer->status, PERMIT_JOINED);
    ck_assert_ptr_null(answer->grant);
    ck_assert_str_eq(answer->text, "");
    ck_assert_uint_lt(answer->outcome_bytes, sizeof(outcome));
    if (answer->outcome_bytes > 0) {
        memcpy(outcome, answer->outcome, answer->outcome_bytes);
    }
    async_script_answered(arg, answer);
}

START_TEST(an_outcome_comes_instead_of_a_grant)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    const struct wire_bytes sent = {(const uint8_t *)"built", _i == 0 ? 5 : 0};

    request.semaphore = "jobs";
    request.join = true;
    memset(outcome, 0, sizeof(outcome));
    ck_assert_int_eq(
        permit_async_acquire(script.client, &request, answered_with_outcome,
                             async_script_name(&script, "a"), NULL),
        PERMIT_OK);
    async_script_say(&script,
                     &(const struct wire_server_message){
                         .id = 3, .type = WIRE_JOINED, .joined = {sent}});
    ck_assert_str_eq(outcome, _i == 0 ? "built" : "");
    async_script_expect(&script, "a joined\n");
}
END_TEST

START_TEST(a_release_says_its_outcome)
{
    struct permit_grant *grant = granted(false, 0);

    ck_assert_int_eq(
        permit_async_release_outcome(grant, _i == 0 ? "built" : NULL,
                                     _i == 0 ? 5 : 0, async_script_answered,
                                     async_script_name(&script, "r")),
        PERMIT_OK);
    ck_assert(!permit_grant_is_valid(grant));
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_hear(&script);
    async_script_expect(&script, _i == 0 ? "r ok\n> 4 RELEASE 3 built\n"
                                         : "r ok\n> 4 RELEASE 3 \n");
}
END_TEST

static struct permit_refusal refusal;

static void answered_with_refusal(void *arg, const struct permit_answer *answer)
{
    refusal = answer->refusal;
    async_script_answered(arg, answer);
}

START_TEST(why_says_what_is_in_the_way)
{
    static const struct wire_server_message refused = {
        .id = 3,
        .type = WIRE_REFUSED,
        .refused = {.reason = PERMIT_E_RATE_LIMITED,
                    .detail = "wait",
                    .semaphore = "api",
                    .position = 4,
                    .permits_in_the_way = 5,
                    .retry_after_ms = 6,
                    .has_oldest = true,
                    .oldest = {.name = "bob",
                               .host = "ci-5",
                               .pid = 9,
                               .purpose = "test"},
                    .oldest_held_ms = 7}};
    const struct permit_acquire_request request = two(false);

    ck_assert_int_eq(permit_async_why(script.client, &request, NULL, NULL),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(permit_async_why(script.client, &request,
                                      answered_with_refusal,
                                      async_script_name(&script, "w")),
                     PERMIT_OK);
    async_script_say(&script, &refused);
    ck_assert_str_eq(refusal.semaphore, "api");
    ck_assert_uint_eq(refusal.position, 4);
    ck_assert_uint_eq(refusal.permits_in_the_way, 5);
    ck_assert_int_eq(refusal.retry_after_ms, 6);
    ck_assert(refusal.has_oldest);
    ck_assert_str_eq(refusal.oldest_name, "bob");
    ck_assert_str_eq(refusal.oldest_host, "ci-5");
    ck_assert_str_eq(refusal.oldest_purpose, "test");
    ck_assert_uint_eq(refusal.oldest_pid, 9);
    ck_assert_int_eq(refusal.oldest_held_ms, 7);
    ck_assert_int_eq(permit_async_why(script.client, &request,
                                      answered_with_refusal,
                                      async_script_name(&script, "x")),
                     PERMIT_OK);
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_expect(&script, "w rate_limited\n"
                                 "x ok\n");
}
END_TEST

static const struct permit_acquire_part nine[8] = {
    {"b", 1, 0, false}, {"c", 1, 0, false}, {"d", 1, 0, false},
    {"e", 1, 0, false}, {"f", 1, 0, false}, {"g", 1, 0, false},
    {"h", 1, 0, false}, {"i", 1, 0, false}};

START_TEST(a_request_that_makes_no_sense_is_not_asked)
{
    struct permit_acquire_request request = two(false);
    struct permit_outcome mine;
    struct permit_acquire_part part = api;

    switch (_i) {
    case 0:
        request.also = nine;
        request.also_count = 8;
        break;
    case 1:
        request.also = NULL;
        break;
    case 2:
        request.priority = 8;
        break;
    case 3:
        request.ret_outcome = &mine;
        break;
    case 4:
        part.permits = 0;
        request.also = &part;
        break;
    case 5:
        part.semaphore = NULL;
        request.also = &part;
        break;
    default:
        part.expect_permits = 2147483648;
        request.also = &part;
        break;
    }
    ck_assert_int_eq(permit_async_acquire(script.client, &request,
                                          async_script_answered, NULL, NULL),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(
        permit_async_why(script.client, &request, async_script_answered, NULL),
        PERMIT_E_INVALID);
}
END_TEST

START_TEST(eight_semaphores_are_asked_for)
{
    struct permit_acquire_request request = two(false);
    struct asked *asked;

    request.also = nine;
    request.also_count = 7;
    request.priority = 7;
    asked = ask("a", &request);
    say_granted(3, 0, NULL);
    ck_assert_uint_eq(
        permit_grant_part(asked->grant, 7, &(struct permit_part_info){0}), 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async_parts");
    TCase *tcase = tcase_create("parts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, a_grant_is_given_back_part_by_part);
    tcase_add_loop_test(tcase, more_than_there_is_takes_nothing_from_the_handle,
                        0, 3);
    tcase_add_test(tcase, parts_that_make_no_sense_are_not_asked);
    tcase_add_test(tcase, what_is_all_taken_for_good_gives_no_grant);
    tcase_add_test(tcase, what_is_taken_for_good_is_no_part_that_is_left);
    tcase_add_loop_test(tcase, slots_are_of_their_semaphore, 0, 3);
    tcase_add_test(tcase, settling_ends_what_was_taken);
    tcase_add_test(tcase, a_settled_grant_that_holds_nothing_has_ended);
    tcase_add_test(tcase, what_is_held_is_given_back_before_it_is_settled);
    tcase_add_test(tcase, what_is_to_be_settled_is_not_given_back_by_name);
    tcase_add_test(tcase, a_settlement_may_outlive_its_handle);
    tcase_add_loop_test(tcase, an_outcome_comes_instead_of_a_grant, 0, 2);
    tcase_add_loop_test(tcase, a_release_says_its_outcome, 0, 2);
    tcase_add_test(tcase, why_says_what_is_in_the_way);
    tcase_add_loop_test(tcase, a_request_that_makes_no_sense_is_not_asked, 0,
                        7);
    tcase_add_test(tcase, eight_semaphores_are_asked_for);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
