/* SPDX-License-Identifier: MIT */

/* Grants of the non-blocking face: given back, lost, and left over. */

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "async_script.h"

static struct async_script script;

static void start(void)
{
    async_script_start(&script);
}

static void stop(void)
{
    async_script_stop(&script);
}

static struct permit_grant *granted(const char *name, uint64_t id)
{
    struct asked *asked = async_script_acquire(&script, name);

    async_script_granted(&script, id);
    ck_assert_ptr_nonnull(asked->grant);
    async_script_hear(&script);
    script.length = 0;
    return asked->grant;
}

START_TEST(a_grant_is_given_back_in_parts)
{
    struct permit_grant *grant;

    async_script_connect(&script);
    grant = granted("a", 3);
    async_script_release(&script, "r1", "a", 1);
    async_script_release(&script, "r2", "a", 7);
    ck_assert_uint_eq(permit_grant_permits(grant), 2);
    async_script_release(&script, "r3", "a", 2);
    ck_assert_uint_eq(permit_grant_permits(grant), 0);
    ck_assert(!permit_grant_is_valid(grant));
    async_script_release(&script, "r4", "a", 1);
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_refused(&script, 5, PERMIT_E_OVER_RELEASE);
    async_script_say_type(&script, 6, WIRE_DONE);
    async_script_hear(&script);
    async_script_expect(&script, "r4 not asked: not_held\n"
                                 "r1 ok\n"
                                 "r2 over_release\n"
                                 "r3 ok\n"
                                 "> 4 RELEASE 3\n"
                                 "> 5 RELEASE 3\n"
                                 "> 6 RELEASE 3\n");
}
END_TEST

static void assert_slots(const struct permit_grant *grant,
                         const uint32_t *expected, size_t expected_count)
{
    size_t count;
    const uint32_t *slots = permit_grant_slots(grant, &count);

    ck_assert_uint_eq(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(slots[i], expected[i]);
    }
}

/* Asks for three permits; the server names so many slots of them. */
static struct permit_grant *granted_with_slots(uint64_t id, uint32_t count)
{
    static const uint32_t slots[] = {0, 2, 1023, 4};
    const struct permit_part_info part = {.semaphore = "jobs",
                                          .permits = count,
                                          .slots = slots,
                                          .slots_count = count};
    const struct wire_server_message message = {
        .id = id,
        .type = WIRE_GRANTED,
        .granted = {.grant_id = 100 + id,
                    .fence = 1,
                    .parts = &part,
                    .parts_count = 1}};
    struct asked *asked = async_script_acquire(&script, "a");

    async_script_say(&script, &message);
    ck_assert_ptr_nonnull(asked->grant);
    async_script_hear(&script);
    return asked->grant;
}

START_TEST(a_grant_says_the_slots_of_what_was_not_given_back)
{
    static const uint32_t slots[] = {0, 2, 1023};
    struct permit_grant *grant;

    async_script_connect(&script);
    grant = granted_with_slots(3, 3);
    assert_slots(grant, slots, 3);
    async_script_release(&script, "r", "a", 1);
    assert_slots(grant, slots, 2);
    async_script_refused(&script, 4, PERMIT_E_UNAVAILABLE);
    assert_slots(grant, slots, 3);
    async_script_release(&script, "r2", "a", 0);
    assert_slots(grant, slots, 0);
}
END_TEST

START_TEST(a_server_that_says_more_slots_than_permits_says_none)
{
    async_script_connect(&script);
    assert_slots(granted_with_slots(3, 4), NULL, 0);
    assert_slots(granted_with_slots(4, 0), NULL, 0);
}
END_TEST

START_TEST(what_the_server_does_not_take_back_is_still_held)
{
    struct permit_grant *grant;

    async_script_connect(&script);
    grant = granted("a", 3);
    async_script_release(&script, "r", "a", 0);
    ck_assert(!permit_grant_is_valid(grant));
    async_script_refused(&script, 4, PERMIT_E_UNAVAILABLE);
    ck_assert(permit_grant_is_valid(grant));
    ck_assert_uint_eq(permit_grant_permits(grant), 3);
    async_script_release(&script, "r2", "a", 0);
    async_script_say_type(&script, 5, WIRE_DONE);
    async_script_expect(&script, "r unavailable\n"
                                 "r2 ok\n");
}
END_TEST

START_TEST(what_the_server_takes_for_all_is_held_no_more)
{
    async_script_connect(&script);
    (void)granted("a", 3);
    async_script_release(&script, "r1", "a", 2);
    async_script_release(&script, "r2", "a", 3);
    async_script_refused(&script, 4, PERMIT_E_UNAVAILABLE);
    ck_assert(permit_grant_is_valid(async_script_find(&script, "a")->grant));
    async_script_say_type(&script, 5, WIRE_DONE);
    ck_assert(!permit_grant_is_valid(async_script_find(&script, "a")->grant));
    (void)granted("b", 6);
    async_script_release(&script, "r3", "b", 1);
    async_script_refused(&script, 7, PERMIT_E_NOT_HELD);
    ck_assert(!permit_grant_is_valid(async_script_find(&script, "b")->grant));
    ck_assert_uint_eq(
        permit_grant_permits(async_script_find(&script, "b")->grant), 0);
    async_script_expect(&script, "r3 not_held\n");
}
END_TEST

START_TEST(a_released_grant_is_destroyed_before_the_answer)
{
    async_script_connect(&script);
    permit_grant_destroy(granted("a", 3));
    async_script_find(&script, "a")->grant = NULL;
    (void)granted("b", 5);
    async_script_release(&script, "r", "b", 0);
    permit_grant_destroy(async_script_find(&script, "b")->grant);
    async_script_find(&script, "b")->grant = NULL;
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_say_type(&script, 6, WIRE_DONE);
    async_script_hear(&script);
    async_script_expect(&script, "r ok\n"
                                 "> 6 RELEASE 5\n");
}
END_TEST

START_TEST(a_destroyed_grant_that_cannot_be_given_back_ends_the_session)
{
    async_script_connect(&script);
    (void)granted("a", 3);
    async_script_release(&script, "r", "a", 0);
    permit_grant_destroy(async_script_find(&script, "a")->grant);
    async_script_find(&script, "a")->grant = NULL;
    async_script_refused(&script, 4, PERMIT_E_UNAVAILABLE);
    async_script_hear(&script);
    async_script_hear(&script);
    async_script_expect(&script, "r unavailable\n"
                                 "> 4 RELEASE 3\n"
                                 "> end\n");
}
END_TEST

START_TEST(a_lost_grant_says_so_once)
{
    struct permit_grant *grant;

    async_script_connect(&script);
    grant = granted("a", 3);
    async_script_lost(&script, 3, PERMIT_LOSS_REVOKED);
    async_script_lost(&script, 3, PERMIT_LOSS_REVOKED);
    ck_assert_int_eq(permit_grant_get_loss(grant), PERMIT_LOSS_REVOKED);
    ck_assert(!permit_grant_is_valid(grant));
    async_script_release(&script, "r", "a", 0);
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_expect(&script, "a LOST revoked\n"
                                 "r ok\n");
}
END_TEST

START_TEST(a_grant_that_was_released_is_not_lost)
{
    async_script_connect(&script);
    (void)granted("a", 3);
    async_script_release(&script, "r", "a", 0);
    async_script_lost(&script, 3, PERMIT_LOSS_REVOKED);
    async_script_refused(&script, 4, PERMIT_E_EXPIRED);
    async_script_expect(&script, "r expired\n");
}
END_TEST

START_TEST(a_hold_ends_by_the_timer)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct asked *asked = async_script_name(&script, "a");
    int turns = 0;

    async_script_connect(&script);
    request.semaphore = "jobs";
    request.hold_ms = 30;
    ck_assert_int_eq(permit_async_acquire(script.client, &request,
                                          async_script_answered, asked, NULL),
                     PERMIT_OK);
    async_script_granted(&script, 3);
    while (permit_grant_get_loss(asked->grant) == 0) {
        async_script_turn(&script);
        turns++;
    }
    ck_assert_int_le(turns, 2); /* It is not waited for in a busy loop. */
    ck_assert_int_eq(permit_grant_get_loss(asked->grant), PERMIT_LOSS_HOLD);
    async_script_release(&script, "r", "a", 0);
    async_script_say_type(&script, 4, WIRE_DONE);
    async_script_expect(&script, "a ok\n"
                                 "r expired\n");
}
END_TEST

static void say_renewed(uint64_t id, int64_t hold_ms)
{
    async_script_say(
        &script,
        &(const struct wire_server_message){
            .id = id, .type = WIRE_RENEWED, .renewed = {.hold_ms = hold_ms}});
}

START_TEST(a_hold_is_counted_anew)
{
    struct permit_grant *grant;

    async_script_connect(&script);
    grant = granted("a", 3);
    async_script_renew(&script, "r1", "a", 5000);
    /* The server may know of the shorter hold already. */
    ck_assert_int_le(permit_grant_left_ms(grant), 4995);
    say_renewed(4, 2000);
    ck_assert_int_le(permit_grant_left_ms(grant), 1998);
    async_script_renew(&script, "r2", "a", 9000);
    ck_assert_int_le(permit_grant_left_ms(grant), 1998);
    say_renewed(5, 9000);
    ck_assert_int_gt(permit_grant_left_ms(grant), 8000);
    async_script_renew(&script, "r3", "a", 0);
    async_script_refused(&script, 6, PERMIT_E_UNAVAILABLE);
    ck_assert(permit_grant_is_valid(grant));
    async_script_hear(&script);
    async_script_expect(&script, "r1 ok\n"
                                 "r2 ok\n"
                                 "r3 unavailable\n"
                                 "> 4 RENEW 3\n"
                                 "> 5 RENEW 3\n"
                                 "> 6 RENEW 3\n");
}
END_TEST

START_TEST(a_renewal_may_outlive_its_handle)
{
    async_script_connect(&script);
    (void)granted("a", 3);
    async_script_renew(&script, "r1", "a", 5000);
    async_script_release(&script, "r2", "a", 0);
    async_script_renew(&script, "r3", "a", 5000);
    permit_grant_destroy(async_script_find(&script, "a")->grant);
    async_script_find(&script, "a")->grant = NULL;
    say_renewed(4, 5000);
    async_script_say_type(&script, 5, WIRE_DONE);
    async_script_expect(&script, "r3 not asked: not_held\n"
                                 "r1 ok\n"
                                 "r2 ok\n");
}
END_TEST

START_TEST(what_is_lost_is_not_renewed)
{
    async_script_connect(&script);
    (void)granted("a", 3);
    async_script_renew(&script, "r1", "a", -1);
    async_script_lost(&script, 3, PERMIT_LOSS_REVOKED);
    async_script_renew(&script, "r2", "a", 0);
    async_script_hang_up(&script);
    async_script_run(&script);
    async_script_renew(&script, "r3", "a", 0);
    async_script_expect(&script, "r1 not asked: invalid\n"
                                 "a LOST revoked\n"
                                 "r2 not asked: expired\n"
                                 "r3 not asked: expired\n");
}
END_TEST

START_TEST(a_grant_is_verified)
{
    struct asked *asked = async_script_name(&script, "v");

    async_script_connect(&script);
    ck_assert_int_eq(
        permit_async_verify(script.client, 7, 8, async_script_answered, asked),
        PERMIT_OK);
    async_script_run(&script);
    async_script_refused(&script, 3, PERMIT_E_EXPIRED);
    async_script_hear(&script);
    async_script_expect(&script, "v expired\n"
                                 "> 3 VERIFY 0\n");
}
END_TEST

START_TEST(what_is_released_after_its_time_is_lost)
{
    struct permit_grant *grant;
    struct pollfd lost = {.events = POLLIN};

    async_script_connect(&script);
    grant = granted("a", 3);
    lost.fd = permit_grant_event_fd(grant);
    async_script_renew(&script, "r", "a", 20);
    while (permit_grant_is_valid(grant)) { /* The loop does not turn. */
    }
    async_script_release(&script, "r2", "a", 0);
    ck_assert_int_eq(permit_grant_get_loss(grant), PERMIT_LOSS_HOLD);
    ck_assert_int_eq(poll(&lost, 1, 0), 1);
    say_renewed(4, 20);
    async_script_say_type(&script, 5, WIRE_DONE);
    async_script_expect(&script, "r expired\n"
                                 "r2 expired\n");
}
END_TEST

START_TEST(grants_outlive_their_client)
{
    struct permit_grant *grant;

    async_script_connect(&script);
    grant = granted("a", 3);
    (void)granted("b", 4);
    async_script_release(&script, "r", "b", 1);
    permit_async_destroy(script.client);
    async_script_hear(&script);
    async_script_expect(&script, "r closed\n"
                                 "> 5 RELEASE 4\n"
                                 "> 6 BYE 0\n");
    ck_assert(!permit_grant_is_valid(grant));
    ck_assert_int_eq(permit_grant_get_loss(grant), PERMIT_LOSS_SESSION);
    ck_assert_int_eq(permit_grant_left_ms(grant), 0);
    ck_assert_int_eq(permit_async_release(grant, 0, NULL, NULL),
                     PERMIT_E_EXPIRED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async_grants");
    TCase *grants = tcase_create("grants");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(grants, start, stop);
    tcase_add_test(grants, a_grant_is_given_back_in_parts);
    tcase_add_test(grants, a_grant_says_the_slots_of_what_was_not_given_back);
    tcase_add_test(grants,
                   a_server_that_says_more_slots_than_permits_says_none);
    tcase_add_test(grants, what_the_server_does_not_take_back_is_still_held);
    tcase_add_test(grants, what_the_server_takes_for_all_is_held_no_more);
    tcase_add_test(grants, a_released_grant_is_destroyed_before_the_answer);
    tcase_add_test(
        grants, a_destroyed_grant_that_cannot_be_given_back_ends_the_session);
    tcase_add_test(grants, a_lost_grant_says_so_once);
    tcase_add_test(grants, a_grant_that_was_released_is_not_lost);
    tcase_add_test(grants, a_hold_ends_by_the_timer);
    tcase_add_test(grants, a_hold_is_counted_anew);
    tcase_add_test(grants, a_renewal_may_outlive_its_handle);
    tcase_add_test(grants, what_is_lost_is_not_renewed);
    tcase_add_test(grants, a_grant_is_verified);
    tcase_add_test(grants, what_is_released_after_its_time_is_lost);
    tcase_add_test(grants, grants_outlive_their_client);
    suite_add_tcase(suite, grants);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
