/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_open(&script, 1, 6, 1000000);
}

static void teardown(void)
{
    script_finish(&script);
}

/* A RATE "jobs" that is empty. */
static void define_empty(const char *definition)
{
    uint32_t burst;

    script_define_as(&script, "jobs", definition);
    burst = script_view(&script, "jobs").definition.burst;
    script_acquire_some(&script, 6, 1, 0, burst);
    ck_assert_int_eq(script.answer.status, PERMIT_OK);
    script_forget(&script);
}

static void tick_ns(uint64_t now_ns)
{
    script.now_ns = now_ns;
    script_apply(&script, &(struct engine_event){.type = ENGINE_TICK});
}

START_TEST(a_rate_has_a_period_of_a_second_and_the_burst_of_its_rate)
{
    struct engine_semaphore_view view;

    script_define_as(&script, "jobs", "kind=3 rate=7");
    view = script_view(&script, "jobs");
    ck_assert_uint_eq(view.definition.per_ms, 1000);
    ck_assert_uint_eq(view.definition.burst, 7);
    ck_assert_uint_eq(view.definition.permits, 0);
    ck_assert_uint_eq(view.available, 7);
}
END_TEST

/* A third of a second has no whole number of nanoseconds. */
START_TEST(a_waiter_is_granted_at_the_first_nanosecond_of_its_token)
{
    static const uint64_t when_ns[] = {UINT64_C(333333334), UINT64_C(666666667),
                                       UINT64_C(1000000000)};

    define_empty("kind=3 rate=3 burst=2");
    for (uint64_t id = 11; id <= 13; id++) {
        script_acquire(&script, 1, id, -1);
    }
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(engine_next_deadline(script.engine), when_ns[i]);
        tick_ns(when_ns[i] - 1);
        script_expect(&script, "");
        tick_ns(when_ns[i]);
        ck_assert_int_eq(script.answer.status, PERMIT_OK);
        ck_assert_int_eq(script.answer.waited_ms,
                         (int64_t)(when_ns[i] / NS_PER_MS));
        script_forget(&script);
    }
    ck_assert_uint_eq(script_view(&script, "jobs").waiters, 0);
}
END_TEST

START_TEST(a_late_timer_grants_each_at_its_own_time)
{
    define_empty("kind=3 rate=10 burst=10");
    script_acquire_some(&script, 1, 11, -1, 7);
    script_acquire(&script, 2, 21, -1); /* Not before the wide one. */
    script_acquire_some(&script, 3, 31, -1, 2);
    script_tick(&script, 950);
    script_expect(&script, "[ 950] s1 r11 GRANTED waited 700\n"
                           "[ 950] s2 r21 GRANTED waited 800\n");
    script_tick(&script, 1000);
    script_expect(&script, "[1000] s3 r31 GRANTED waited 1000\n");
}
END_TEST

/* At one instant: what gives back, tokens, what ends waits. */
START_TEST(tokens_come_after_holds_end_and_before_waits_do)
{
    struct engine_event event;

    define_empty("kind=3 rate=1 burst=5");
    script_bounded(&script, "tool", 1);
    script_acquire_of(&script, 4, 40, 0, "tool"); /* Has no hold. */
    script_bounded(&script, "seat", 1);
    event = script_acquire_event(&script, 5, 50, 0, "seat");
    event.acquire.hold_ms = 1000;
    script_apply(&script, &event);
    script_forget(&script);
    script_acquire_of(&script, 2, 21, 1000, "tool");
    script_acquire_of(&script, 1, 11, 1000, "jobs");
    script_acquire_of(&script, 3, 31, 1000, "seat");
    script_tick(&script, 1000);
    script_expect(&script, "[1000] s5 r50 LOST hold\n"
                           "[1000] s3 r31 GRANTED waited 1000\n"
                           "[1000] s1 r11 GRANTED waited 1000\n"
                           "[1000] s2 r21 TIMEOUT\n");
}
END_TEST

START_TEST(tokens_of_one_instant_come_in_the_order_of_making)
{
    define_empty("kind=3 rate=1 burst=1");
    script_define_as(&script, "a", "kind=3 rate=2 burst=2");
    script_acquire_of(&script, 6, 2, 0, "a 2");
    script_acquire_of(&script, 2, 21, -1, "a 2");
    script_acquire_of(&script, 1, 11, -1, "jobs");
    script_forget(&script);
    script_tick(&script, 1000);
    script_expect(&script, "[1000] s1 r11 GRANTED waited 1000\n"
                           "[1000] s2 r21 GRANTED waited 1000\n");
}
END_TEST

START_TEST(a_try_is_told_when_to_come_again)
{
    define_empty("kind=3 rate=10 burst=10");
    script_acquire(&script, 1, 11, 0);
    script_acquire_some(&script, 1, 12, 0, 10);
    script_acquire_some(&script, 2, 21, -1, 4);
    script.now_ns = 50 * NS_PER_MS; /* Half a token. */
    script_acquire_some(&script, 1, 13, 0, 10);
    script_acquire_some(&script, 1, 14, 0, 11);
    script_expect(&script,
                  "[   0] s1 r11 RATE_LIMITED position 1 lacks 1 retry 100\n"
                  "[   0] s1 r12 RATE_LIMITED position 1 lacks 10 retry 1000\n"
                  "[  50] s1 r13 RATE_LIMITED position 2 lacks 14 retry 1350\n"
                  "[  50] s1 r14 IMPOSSIBLE\n");
}
END_TEST

/* Numbers that look random, and are the same in each run. */
static uint64_t random_below(uint64_t bound)
{
    static uint64_t state = 0x9e3779b97f4a7c15;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

static enum permit_status try_some(uint64_t now_ns, uint64_t id,
                                   uint32_t permits)
{
    script.now_ns = now_ns;
    script.answer.status = PERMIT_E_PROTOCOL; /* Until it is answered. */
    script_acquire_some(&script, 1, id, 0, permits);
    return script.answer.status;
}

/* Asks for some, behind some who wait, at any nanosecond. Returns whether it
 * had to come again. */
static bool ask_at_random(uint64_t id, uint32_t permits)
{
    uint64_t asked_ns = script.now_ns;
    uint64_t retry_ms;

    if (try_some(asked_ns, id, permits) == PERMIT_OK) {
        return false;
    }
    retry_ms = script.answer.obstacle.retry_after_ms;
    ck_assert_uint_ge(retry_ms, 1);
    ck_assert_int_eq(
        try_some(asked_ns + (retry_ms - 1) * NS_PER_MS, id, permits),
        PERMIT_E_RATE_LIMITED);
    ck_assert_uint_eq(script.answer.obstacle.retry_after_ms, 1);
    ck_assert_int_eq(try_some(asked_ns + retry_ms * NS_PER_MS, id, permits),
                     PERMIT_OK);
    return true;
}

START_TEST(a_retry_is_exact_to_the_millisecond)
{
    struct engine_definition definition = {
        .fields = ENGINE_FIELD_KIND | ENGINE_FIELD_RATE | ENGINE_FIELD_PER_MS |
                  ENGINE_FIELD_BURST,
        .kind = ENGINE_RATE};
    uint64_t id = 10;
    int retries = 0;

    script_open(&script, 1, 2, INT64_MAX);
    script.is_quiet = true;
    while (retries < 2000) {
        definition.rate = 1 + (uint32_t)random_below(1 + random_below(100000));
        definition.per_ms = 1 + random_below(1 + random_below(3600000));
        definition.burst = 1 + (uint32_t)random_below(1 + random_below(1000));
        script_define(&script, "jobs", &definition);
        for (int i = 0; i < 20; i++) {
            script.now_ns +=
                random_below(1 + random_below(definition.per_ms) * NS_PER_MS);
            if (random_below(4) == 0) { /* It has come before the next. */
                script_acquire_some(&script, 2, id++, -1, definition.burst);
            }
            retries += ask_at_random(
                id++, 1 + (uint32_t)random_below(definition.burst));
        }
        script_delete(&script, "jobs", false, 0);
    }
}
END_TEST

START_TEST(all_rates_of_an_acquire_give_at_once_or_none)
{
    define_empty("kind=3 rate=1 burst=4");
    script_define_as(&script, "b", "kind=3 rate=1 burst=4");
    script_bounded(&script, "tool", 1);
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, "b 4 jobs 2");
    script_acquire_of(&script, 1, 12, -1, "b 3 jobs 2");
    script_acquire_of(&script, 2, 21, 0, "b"); /* It is behind. */
    script_acquire_of(&script, 2, 22, 0, "tool jobs");
    script_tick(&script, 2000);
    script_acquire_of(&script, 2, 23, 0, "tool jobs b");
    script_acquire_of(&script, 3, 31, 0, "tool jobs");
    script_expect(&script,
                  "[   0] s1 r11 RATE_LIMITED position 1 lacks 2 retry 2000\n"
                  "[   0] s2 r21 RATE_LIMITED at b position 2 lacks 0\n"
                  "[   0] s2 r22 RATE_LIMITED position 2 lacks 3 retry 3000\n"
                  "[2000] s1 r12 GRANTED waited 2000\n"
                  "[2000] s2 r23 RATE_LIMITED position 1 lacks 1 retry 1000\n"
                  "[2000] s3 r31 RATE_LIMITED position 1 lacks 1 retry 1000\n");
    ck_assert_uint_eq(script_view(&script, "b").available, 1);
    script_acquire_of(&script, 3, 32, 0, "tool");
    script_acquire_of(&script, 2, 24, 0, "jobs tool");
    script_expect(&script, "[2000] s3 r32 GRANTED\n"
                           "[2000] s2 r24 WOULD_BLOCK position 1 lacks 1\n");
}
END_TEST

START_TEST(a_rate_is_empty_after_a_restart)
{
    struct engine *restored;

    script_define_as(&script, "jobs", "kind=3 rate=1 burst=10");
    script_tick(&script, 100000);
    restored = script_restore(&script);
    engine_destroy(script.engine);
    script.engine = restored;
    script_tick(&script, 200000);
    ck_assert_uint_eq(script_view(&script, "jobs").available, 0);
    script_tick(&script, 202999);
    ck_assert_uint_eq(script_view(&script, "jobs").available, 2);
    script_tick(&script, 203000);
    ck_assert_uint_eq(script_view(&script, "jobs").available, 3);
}
END_TEST

/* The fraction of a token that has come stays, as a fraction of a token. */
START_TEST(a_new_rate_goes_on_with_what_has_come)
{
    define_empty("kind=3 rate=1 burst=10");
    script_acquire(&script, 1, 11, -1);
    script.now_ns = 600 * NS_PER_MS;
    script_define_as(&script, "jobs", "rate=2");
    script_forget(&script);
    ck_assert_uint_eq(engine_next_deadline(script.engine), 800 * NS_PER_MS);
    script_tick(&script, 800);
    script_expect(&script, "[ 800] s1 r11 GRANTED waited 800\n");
    script_acquire_some(&script, 2, 21, -1, 2);
    script.now_ns = 1400 * NS_PER_MS; /* 1 and a fifth. */
    script_define_as(&script, "jobs", "per=10000");
    ck_assert_uint_eq(engine_next_deadline(script.engine), 5400 * NS_PER_MS);
    script_define_as(&script, "jobs", "rate=1000000 per=1");
    script_forget(&script);
    script_tick(&script, 1401);
    script_expect(&script, "[1401] s2 r21 GRANTED waited 600\n");
}
END_TEST

START_TEST(a_smaller_burst_spills_and_refuses_the_impossible)
{
    script_define_as(&script, "jobs", "kind=3 rate=1 burst=10");
    script_tick(&script, 500);
    script_define_as(&script, "jobs", "burst=3");
    ck_assert_uint_eq(script_view(&script, "jobs").available, 3);
    script_define_as(&script, "jobs", "burst=20"); /* It has no more yet. */
    ck_assert_uint_eq(script_view(&script, "jobs").available, 3);
    script_tick(&script, 1500);
    ck_assert_uint_eq(script_view(&script, "jobs").available, 4);
    script_acquire_some(&script, 1, 11, -1, 20);
    script_acquire_some(&script, 2, 21, -1, 5);
    script_acquire_some(&script, 3, 31, -1, 6);
    script_acquire_some(&script, 4, 41, -1, 4);
    script_forget(&script);
    script_define_as(&script, "jobs", "burst=4");
    script_tick(&script, 6000);
    script_expect(&script, "[1500] s0 r1 OK\n"
                           "[1500] s1 r11 IMPOSSIBLE\n"
                           "[1500] s2 r21 IMPOSSIBLE\n"
                           "[1500] s3 r31 IMPOSSIBLE\n"
                           "[1500] s4 r41 GRANTED\n");
}
END_TEST

/* Tokens are waited for only while they could let something happen. */
START_TEST(who_waits_for_another_semaphore_is_not_woken_for_each_token)
{
    define_empty("kind=3 rate=1 burst=10 bypass=1");
    script_bounded(&script, "tool", 1);
    script_acquire_of(&script, 4, 41, 0, "tool");
    script_forget(&script);
    script_acquire_of(&script, 1, 11, -1, "jobs tool");
    script_acquire_some(&script, 2, 21, -1, 5);
    script_tick(&script, 1000);
    ck_assert_uint_eq(engine_next_deadline(script.engine), 5000 * NS_PER_MS);
    script_tick(&script, 5000); /* It passes the first. */
    script_tick(&script, 6000);
    ck_assert_uint_eq(engine_next_deadline(script.engine),
                      1000000 * NS_PER_MS); /* Only sessions'. */
    script_tick(&script, 7000);
    script_release(&script, 4, 42, 41);
    script_expect(&script, "[5000] s2 r21 GRANTED waited 5000\n"
                           "[7000] s4 r42 OK\n"
                           "[7000] s1 r11 GRANTED waited 7000\n");
    ck_assert_uint_eq(script_view(&script, "jobs").available, 1);
}
END_TEST

START_TEST(what_the_clock_cannot_count_to_has_no_retry)
{
    define_empty("kind=3 rate=1 per=31622400000 burst=2147483647");
    script_acquire_some(&script, 1, 11, 0, LIMIT_PERMITS_MAX);
    ck_assert_int_eq(script.answer.status, PERMIT_E_RATE_LIMITED);
    ck_assert_uint_eq(script.answer.obstacle.retry_after_ms, 0);
    script_acquire_some(&script, 1, 12, 0, 1);
    ck_assert_uint_eq(script.answer.obstacle.retry_after_ms,
                      UINT64_C(31622400000));
}
END_TEST

START_TEST(who_leaves_lets_those_behind_have_their_tokens)
{
    define_empty("kind=3 rate=1 burst=10");
    script_acquire_some(&script, 1, 11, 2500, 8);
    script_acquire_some(&script, 2, 21, -1, 2);
    script_acquire_some(&script, 3, 31, -1, 1);
    script_tick(&script, 2500);
    script_cancel(&script, 3, 32, 31);
    script_tick(&script, 9000);
    script_expect(&script, "[2500] s1 r11 TIMEOUT\n"
                           "[2500] s2 r21 GRANTED waited 2500\n"
                           "[2500] s3 r31 CANCELLED\n"
                           "[2500] s3 r32 OK CANCELLED\n");
    ck_assert_uint_eq(script_view(&script, "jobs").available, 7);
    ck_assert_uint_eq(engine_next_deadline(script.engine),
                      1000000 * NS_PER_MS); /* Only sessions'. */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_rates");
    TCase *tcase = tcase_create("rates");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase,
                   a_rate_has_a_period_of_a_second_and_the_burst_of_its_rate);
    tcase_add_test(tcase,
                   a_waiter_is_granted_at_the_first_nanosecond_of_its_token);
    tcase_add_test(tcase, a_late_timer_grants_each_at_its_own_time);
    tcase_add_test(tcase, tokens_come_after_holds_end_and_before_waits_do);
    tcase_add_test(tcase, tokens_of_one_instant_come_in_the_order_of_making);
    tcase_add_test(tcase, a_try_is_told_when_to_come_again);
    tcase_add_test(tcase, a_retry_is_exact_to_the_millisecond);
    tcase_add_test(tcase, all_rates_of_an_acquire_give_at_once_or_none);
    tcase_add_test(tcase, a_rate_is_empty_after_a_restart);
    tcase_add_test(tcase, a_new_rate_goes_on_with_what_has_come);
    tcase_add_test(tcase, a_smaller_burst_spills_and_refuses_the_impossible);
    tcase_add_test(tcase,
                   who_waits_for_another_semaphore_is_not_woken_for_each_token);
    tcase_add_test(tcase, what_the_clock_cannot_count_to_has_no_retry);
    tcase_add_test(tcase, who_leaves_lets_those_behind_have_their_tokens);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
