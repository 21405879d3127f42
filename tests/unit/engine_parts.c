/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_bounded(&script, "a", 2);
    script_bounded(&script, "b", 2);
    script_bounded(&script, "c", 2);
    script_open(&script, 1, 6, 1000000);
}

static void teardown(void)
{
    script_finish(&script);
}

static void assert_held(uint64_t a, uint64_t b, uint64_t c)
{
    ck_assert_uint_eq(script_view(&script, "a").held, a);
    ck_assert_uint_eq(script_view(&script, "b").held, b);
    ck_assert_uint_eq(script_view(&script, "c").held, c);
}

START_TEST(an_acquire_gets_all_its_parts_or_nothing)
{
    script_acquire_of(&script, 1, 11, 0, "b 2");
    script_acquire_of(&script, 2, 21, 0, "a c b");
    assert_held(0, 2, 0);
    script_acquire_of(&script, 2, 22, -1, "a c b");
    script_acquire_of(&script, 2, 23, 0, "c a");
    assert_held(0, 2, 0); /* Who waits holds nothing. */
    script_release(&script, 1, 12, 11);
    assert_held(1, 1, 1);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s2 r21 WOULD_BLOCK at b position 1 lacks 1\n"
                           "[   0] s2 r23 WOULD_BLOCK at c position 2 lacks 0\n"
                           "[   0] s1 r12 OK\n"
                           "[   0] s2 r22 GRANTED\n");
}
END_TEST

/* The first part that fails a check answers, in the order of the request. */
static const struct {
    const char *parts;
    const char *expected;
} check_cases[] = {
    {"a 3 none", "[   0] s1 r11 IMPOSSIBLE\n"},
    {"none a 3", "[   0] s1 r11 NOT_FOUND\n"},
    {"a b 1! c 3", "[   0] s1 r11 INVALID\n"},
    {"a b 1=5 c 1!", "[   0] s1 r11 LIMIT_MISMATCH\n"},
    {"a=2 b=2 c=2", "[   0] s1 r11 GRANTED\n"},
};

START_TEST(the_first_part_that_cannot_be_is_the_answer)
{
    script_acquire_of(&script, 1, 11, 0, check_cases[_i].parts);
    script_expect(&script, check_cases[_i].expected);
    if (script.answer.status != PERMIT_OK) {
        assert_held(0, 0, 0);
    }
}
END_TEST

START_TEST(one_record_a_part_in_the_order_of_the_request)
{
    script.shows_records = true;
    script_acquire_of(&script, 1, 11, 0, "c 2 a b 2");
    script_release(&script, 1, 12, 11);
    script_expect(&script,
                  "[   0] s1 r11 record GRANTED c permits 2 more\n"
                  "[   0] s1 r11 record GRANTED a permits 1 more\n"
                  "[   0] s1 r11 record GRANTED b permits 2\n"
                  "[   0] s1 r11 GRANTED\n"
                  "[   0] s1 r12 record RELEASED c of r11 permits 2 more\n"
                  "[   0] s1 r12 record RELEASED a of r11 permits 1 more\n"
                  "[   0] s1 r12 record RELEASED b of r11 permits 2\n"
                  "[   0] s1 r12 OK\n");
}
END_TEST

START_TEST(opposite_orders_of_names_never_deadlock)
{
    static const char *const orders[] = {"a 2 b 2 c 2", "c 2 b 2 a 2",
                                         "b 2 c 2 a 2", "c 2 a 2 b 2"};
    struct engine_totals totals;

    script.is_quiet = true;
    for (uint64_t id = 10; id < 30; id++) {
        script_acquire_of(&script, 1 + (int)(id % 5), id, -1, orders[id % 4]);
    }
    for (uint64_t id = 10; id < 30; id++) { /* In the order of arrival. */
        struct engine_grant_view view;
        engine_get_totals(script.engine, &totals);
        ck_assert_uint_eq(totals.grants, 1);
        ck_assert(engine_view_grant(
            script.engine, script.session_ids[1 + (int)(id % 5)], id, &view));
        script_release(&script, 1 + (int)(id % 5), 100 + id, id);
    }
    engine_get_totals(script.engine, &totals);
    ck_assert_uint_eq(totals.grants_total, 20);
}
END_TEST

/* One waits for a, which is free, and b, which is not: others of a do not pass
 * it, but those that want neither do. */
START_TEST(who_waits_for_several_is_in_the_queue_of_each)
{
    struct engine_waiter_view waiter;
    struct engine_obstacle obstacle;

    script_acquire_of(&script, 1, 11, 0, "b 2");
    script_acquire_of(&script, 2, 21, -1, "a b");
    script_acquire_of(&script, 3, 31, -1, "a");
    script_acquire_of(&script, 4, 41, -1, "c");
    ck_assert_uint_eq(script_view(&script, "a").waiters, 2);
    ck_assert_uint_eq(script_view(&script, "b").waiters, 1);
    ck_assert(engine_view_waiter(script.engine, script.session_ids[2], 21,
                                 &waiter, &obstacle));
    ck_assert_uint_eq(waiter.parts_count, 2);
    ck_assert_str_eq(waiter.parts[1].semaphore, "b");
    ck_assert_str_eq(obstacle.semaphore, "b");
    ck_assert_uint_eq(obstacle.oldest_session_id, script.session_ids[1]);
    script_forget(&script);
    script_cancel(&script, 2, 22, 21);
    script_expect(&script, "[   0] s2 r21 CANCELLED\n"
                           "[   0] s2 r22 OK CANCELLED\n"
                           "[   0] s3 r31 GRANTED\n");
}
END_TEST

START_TEST(a_release_of_several_serves_in_their_order)
{
    script_acquire_of(&script, 1, 11, 0, "a 2 b 2 c 2");
    script_acquire_of(&script, 2, 21, -1, "c 2");
    script_acquire_of(&script, 3, 31, -1, "b 2 a 2");
    script_acquire_of(&script, 4, 41, -1, "a 2");
    script_forget(&script);
    script_release(&script, 1, 12, 11);
    script_expect(&script, "[   0] s1 r12 OK\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s2 r21 GRANTED\n");
    script_release(&script, 3, 32, 31);
    script_expect(&script, "[   0] s3 r32 OK\n"
                           "[   0] s4 r41 GRANTED\n");
}
END_TEST

START_TEST(a_grant_is_given_back_in_parts)
{
    struct engine_grant_view view;

    script_acquire_of(&script, 1, 11, 0, "a 2 b 2 c");
    script_acquire_of(&script, 2, 21, -1, "b 2");
    script.shows_records = true;
    script_forget(&script);
    script_release_some(&script, 1, 12, 11, "c 1 b 1");
    ck_assert(
        engine_view_grant(script.engine, script.session_ids[1], 11, &view));
    ck_assert_uint_eq(view.parts_count, 2);
    ck_assert_str_eq(view.parts[1].semaphore, "b");
    ck_assert_uint_eq(view.parts[1].permits, 1);
    script_release_some(&script, 1, 13, 11, "a 1 c 1"); /* It gave c back. */
    script_release_some(&script, 1, 14, 11, "b 1 a 3");
    assert_held(2, 1, 0);
    script_release_some(&script, 1, 15, 11, "b 1");
    script_release_some(&script, 1, 16, 11, "a 2");
    script_release(&script, 1, 17, 11);
    script_expect(&script,
                  "[   0] s1 r12 record RELEASED c of r11 permits 1 more\n"
                  "[   0] s1 r12 record RELEASED b of r11 permits 1\n"
                  "[   0] s1 r12 OK\n"
                  "[   0] s1 r13 OVER_RELEASE\n"
                  "[   0] s1 r14 OVER_RELEASE\n"
                  "[   0] s1 r15 record RELEASED b of r11 permits 1\n"
                  "[   0] s1 r15 OK\n"
                  "[   0] s2 r21 record GRANTED b permits 2\n"
                  "[   0] s2 r21 GRANTED\n"
                  "[   0] s1 r16 record RELEASED a of r11 permits 2\n"
                  "[   0] s1 r16 OK\n"
                  "[   0] s1 r17 NOT_HELD\n");
}
END_TEST

START_TEST(a_grant_is_lost_as_a_whole)
{
    struct engine_event event =
        script_acquire_event(&script, 1, 11, 0, "a 2 c");

    event.acquire.hold_ms = 100;
    script_apply(&script, &event);
    script_acquire_of(&script, 2, 21, -1, "a");
    script.shows_records = true;
    script_forget(&script);
    script_tick(&script, 100);
    script_expect(&script, "[ 100] s1 r0 record EXPIRED of r11 loss 1\n"
                           "[ 100] s1 r11 LOST hold\n"
                           "[ 100] s2 r21 record GRANTED a permits 1\n"
                           "[ 100] s2 r21 GRANTED waited 100\n");
    ck_assert_uint_eq(script_view(&script, "a").lost_total[0], 1);
    ck_assert_uint_eq(script_view(&script, "b").lost_total[0], 0);
    ck_assert_uint_eq(script_view(&script, "c").lost_total[0], 1);
    assert_held(1, 0, 0);
}
END_TEST

START_TEST(deleting_one_semaphore_by_force_takes_the_whole_grant)
{
    script_acquire_of(&script, 1, 11, 0, "a b");
    script_acquire_of(&script, 2, 21, -1, "c a 2");
    script_acquire_of(&script, 3, 31, -1, "b 2 c 2");
    script.shows_records = true;
    script_forget(&script);
    script_delete(&script, "a", true, 50);
    script_delete(&script, "b", true, 20); /* It is lost already. */
    script_bounded(&script, "b", 1);
    script_tick(&script, 50);
    script_expect(&script, "[   0] s0 r2 record DELETED a\n"
                           "[   0] s0 r2 OK\n"
                           "[   0] s2 r21 NOT_FOUND\n"
                           "[   0] s1 r0 record REVOKED of r11 loss 5\n"
                           "[   0] s1 r11 LOST deleted grace 50\n"
                           "[   0] s0 r2 record DELETED b\n"
                           "[   0] s0 r2 OK\n"
                           "[   0] s3 r31 NOT_FOUND\n"
                           "[   0] s0 r1 record DEFINED b\n"
                           "[   0] s0 r1 OK\n"
                           "[  50] s1 r0 record EXPIRED of r11 loss 5\n");
    script_bounded(&script, "a", 1);
    assert_held(0, 0, 0);
}
END_TEST

START_TEST(eight_parts_are_the_most)
{
    static const char all[] = "a 2 b 2 c 2 d 2 e 2 f 2 g 2 h 2";

    for (char name[] = "d"; name[0] <= 'h'; name[0]++) {
        script_bounded(&script, name, 2);
    }
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, all);
    script_acquire_of(&script, 2, 21, -1, all);
    script_acquire_of(&script, 3, 31, 0, "h");
    script_release(&script, 1, 12, 11);
    script_end(&script, 2);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s3 r31 WOULD_BLOCK at h position 2 lacks 3\n"
                           "[   0] s1 r12 OK\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s2 ENDED by client\n");
    assert_held(0, 0, 0);
}
END_TEST

START_TEST(what_is_consumed_is_no_part_of_the_grant)
{
    struct engine_grant_view view;
    struct engine_totals totals;

    script_counting(&script, "pool", 5);
    script.shows_records = true;
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, "a pool 2! b");
    script_acquire_of(&script, 2, 21, 0, "pool 3!");
    script_release_some(&script, 1, 12, 11, "pool 1");
    ck_assert(
        engine_view_grant(script.engine, script.session_ids[1], 11, &view));
    ck_assert_uint_eq(view.parts_count, 2);
    script_release(&script, 1, 13, 11);
    script_release(&script, 2, 22, 21);
    script_expect(&script,
                  "[   0] s1 r11 record GRANTED a permits 1 more\n"
                  "[   0] s1 r11 record GRANTED pool permits 2 consume more\n"
                  "[   0] s1 r11 record GRANTED b permits 1\n"
                  "[   0] s1 r11 GRANTED\n"
                  "[   0] s2 r21 record GRANTED pool permits 3 consume\n"
                  "[   0] s2 r21 GRANTED\n"
                  "[   0] s1 r12 OVER_RELEASE\n"
                  "[   0] s1 r13 record RELEASED a of r11 permits 1 more\n"
                  "[   0] s1 r13 record RELEASED b of r11 permits 1\n"
                  "[   0] s1 r13 OK\n"
                  "[   0] s2 r22 NOT_HELD\n");
    ck_assert_uint_eq(script_view(&script, "pool").available, 0);
    engine_get_totals(script.engine, &totals);
    ck_assert_uint_eq(totals.grants_total, 2);
    ck_assert_uint_eq(totals.releases_total, 1);
}
END_TEST

/* Asserts which slots of a semaphore a grant has; -1 ends the list. */
static void assert_slots(int session, uint64_t acquire_id,
                         const char *semaphore, const int *expected)
{
    uint32_t list[LIMIT_SLOTS_MAX];
    struct engine_grant_view view;
    size_t count;

    ck_assert(engine_view_grant(script.engine, script.session_ids[session],
                                acquire_id, &view));
    count = engine_view_slots(script.engine, view.grant_id, semaphore, list);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq((int)list[i], expected[i]);
    }
    ck_assert_int_eq(expected[count], -1);
}
#define SLOTS(...) ((const int[]){__VA_ARGS__, -1})

START_TEST(each_part_has_slots_of_its_own_semaphore)
{
    script_slots(&script, "ports", 4, true);
    script_slots(&script, "gpus", 4, true);
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, "gpus");
    script_acquire_of(&script, 2, 21, 0, "ports 2 a gpus 2");
    script_expect(&script, "[   0] s1 r11 GRANTED slots 0\n"
                           "[   0] s2 r21 GRANTED slots 0-1 slots 1-2\n");
    assert_slots(2, 21, "ports", SLOTS(0, 1));
    assert_slots(2, 21, "gpus", SLOTS(1, 2));
    assert_slots(2, 21, "a", SLOTS(-1));
    assert_slots(2, 21, "none", SLOTS(-1));
    script_release_some(&script, 2, 22, 21, "gpus 1");
    assert_slots(2, 21, "ports", SLOTS(0, 1));
    assert_slots(2, 21, "gpus", SLOTS(1));
}
END_TEST

/* The least of what was asked for and what the parts that are held say. */
START_TEST(the_hold_is_capped_by_all_parts_that_are_held)
{
    struct engine_event event;

    script_define_as(&script, "a", "hold=500");
    script_define_as(&script, "b", "hold=300");
    script_define_as(&script, "pool", "kind=2 permits=9 hold=100");
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, "a b pool 1!");
    script_renew(&script, 1, 12, 11, 1000);
    script_release_some(&script, 1, 13, 11, "b 1");
    script_renew(&script, 1, 14, 11, 1000);
    event = script_acquire_event(&script, 2, 21, 0, "a b");
    event.acquire.hold_ms = 200;
    script_apply(&script, &event);
    script_acquire_of(&script, 3, 31, 0, "pool 1!");
    script_acquire_of(&script, 3, 32, 0, "c pool");
    script_expect(&script, "[   0] s1 r11 GRANTED hold 300\n"
                           "[   0] s1 r12 OK hold 300\n"
                           "[   0] s1 r13 OK\n"
                           "[   0] s1 r14 OK hold 500\n"
                           "[   0] s2 r21 GRANTED hold 200\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s3 r32 GRANTED hold 100\n");
}
END_TEST

/* Places and held parts are counted, not acquires. */
START_TEST(each_part_counts_in_the_quotas_of_the_daemon)
{
    const struct engine_limits limits = {
        .max_sessions = 4,
        .max_semaphores = 3,
        .max_waiters = 4,
        .max_grants = 4,
        .max_waiters_per_session = 2,
        .max_grants_per_session = 2,
    };

    script_finish(&script);
    script_init_with(&script, &limits);
    script_open(&script, 1, 4, 1000000);
    script_bounded(&script, "a", 3);
    script_bounded(&script, "b", 3);
    script_counting(&script, "pool", 9);
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, "a b pool");
    script_acquire_of(&script, 2, 21, 0, "a b");
    script_acquire_of(&script, 2, 22, 0, "a pool!");
    script_acquire_of(&script, 2, 23, 0, "a");
    script_acquire_of(&script, 2, 24, 0, "pool!"); /* Holds nothing. */
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s2 r21 TOO_MANY\n"
                           "[   0] s2 r22 GRANTED\n"
                           "[   0] s2 r23 TOO_MANY\n"
                           "[   0] s2 r24 GRANTED\n");
    script_acquire_of(&script, 1, 12, -1, "a 3 b 3 pool");
    script_acquire_of(&script, 2, 25, -1, "a 2 b");
    script_acquire_of(&script, 3, 31, -1, "b");
    script_acquire_of(&script, 3, 32, -1, "b");
    script_expect(&script, "[   0] s2 r25 TOO_MANY\n"
                           "[   0] s3 r32 TOO_MANY\n");
}
END_TEST

START_TEST(records_of_parts_that_do_not_fit_are_refused)
{
    struct engine *restored;
    struct engine_record wrong;
    size_t granted = 0;

    script_acquire_of(&script, 1, 11, 0, "a b");
    script_acquire_of(&script, 1, 12, 0, "c");
    restored = engine_create(&script.limits, 0, script_secret);
    while (script.records[granted].type != ENGINE_RECORD_GRANTED) {
        ck_assert_int_eq(engine_restore(restored, &script.records[granted++]),
                         PERMIT_OK);
    }
    ck_assert_int_eq(engine_restore(restored, &script.records[granted]),
                     PERMIT_OK);
    wrong = script.records[granted]; /* The same part once more. */
    wrong.seq++;
    ck_assert_int_eq(engine_restore(restored, &wrong), PERMIT_E_INVALID);
    wrong = script.records[granted + 1]; /* Of another grant. */
    wrong.grant_id++;
    ck_assert_int_eq(engine_restore(restored, &wrong), PERMIT_E_INVALID);
    ck_assert_int_eq(engine_restore(restored, &script.records[granted + 1]),
                     PERMIT_OK);
    wrong = script.records[granted + 2];
    wrong.type = ENGINE_RECORD_RELEASED; /* Of a part that it has not. */
    wrong.acquire_id = 11;
    wrong.grant_id = script.records[granted].grant_id;
    ck_assert_int_eq(engine_restore(restored, &wrong), PERMIT_E_INVALID);
    ck_assert_int_eq(engine_restore(restored, &script.records[granted + 2]),
                     PERMIT_OK);
    script_assert_same(script.engine, restored);
    engine_destroy(restored);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_parts");
    TCase *tcase = tcase_create("parts");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_acquire_gets_all_its_parts_or_nothing);
    tcase_add_loop_test(tcase, the_first_part_that_cannot_be_is_the_answer, 0,
                        sizeof(check_cases) / sizeof(check_cases[0]));
    tcase_add_test(tcase, one_record_a_part_in_the_order_of_the_request);
    tcase_add_test(tcase, opposite_orders_of_names_never_deadlock);
    tcase_add_test(tcase, who_waits_for_several_is_in_the_queue_of_each);
    tcase_add_test(tcase, a_release_of_several_serves_in_their_order);
    tcase_add_test(tcase, a_grant_is_given_back_in_parts);
    tcase_add_test(tcase, a_grant_is_lost_as_a_whole);
    tcase_add_test(tcase,
                   deleting_one_semaphore_by_force_takes_the_whole_grant);
    tcase_add_test(tcase, eight_parts_are_the_most);
    tcase_add_test(tcase, what_is_consumed_is_no_part_of_the_grant);
    tcase_add_test(tcase, each_part_has_slots_of_its_own_semaphore);
    tcase_add_test(tcase, the_hold_is_capped_by_all_parts_that_are_held);
    tcase_add_test(tcase, each_part_counts_in_the_quotas_of_the_daemon);
    tcase_add_test(tcase, records_of_parts_that_do_not_fit_are_refused);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
