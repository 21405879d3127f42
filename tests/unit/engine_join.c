/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_bounded(&script, "jobs", 1);
    script_open(&script, 1, 6, 1000000);
}

static void teardown(void)
{
    script_finish(&script);
}

static void join(int session, uint64_t id, int64_t wait_ms, const char *parts)
{
    struct engine_event event =
        script_acquire_event(&script, session, id, wait_ms, parts);

    event.acquire.join = true;
    script_apply(&script, &event);
}

START_TEST(who_joins_gets_the_outcome_and_others_get_the_permits)
{
    struct engine_totals totals;

    join(1, 11, -1, "jobs"); /* The first does the work. */
    join(2, 21, -1, "jobs");
    script_acquire(&script, 3, 31, -1);
    join(4, 41, -1, "jobs");
    script.shows_records = true;
    script_release_with(&script, 1, 12, 11, "done: 42");
    script_expect(&script,
                  "[   0] s1 r11 GRANTED\n"
                  "[   0] s1 r12 record RELEASED jobs of r11 permits 1\n"
                  "[   0] s1 r12 OK\n"
                  "[   0] s2 r21 OK outcome done: 42\n"
                  "[   0] s4 r41 OK outcome done: 42\n"
                  "[   0] s3 r31 record GRANTED jobs permits 1\n"
                  "[   0] s3 r31 GRANTED\n");
    ck_assert_uint_eq(script_view(&script, "jobs").joined_total, 2);
    engine_get_totals(script.engine, &totals);
    ck_assert_uint_eq(totals.waiters, 0);
    ck_assert_uint_eq(totals.grants_total, 2);
    ck_assert_uint_eq(totals.releases_total, 1);
}
END_TEST

START_TEST(without_an_outcome_the_next_who_joins_does_the_work)
{
    script_acquire(&script, 1, 11, 0);
    join(2, 21, -1, "jobs");
    join(3, 31, 50, "jobs");
    join(4, 41, 0, "jobs");
    script_forget(&script);
    script_release(&script, 1, 12, 11);
    script_tick(&script, 50);
    script_release_with(&script, 2, 22, 21, "");
    script_expect(&script, "[   0] s1 r12 OK\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[  50] s3 r31 TIMEOUT\n"
                           "[  50] s2 r22 OK\n");
    script_acquire(&script, 1, 13, 0);
    join(2, 23, -1, "jobs");
    script_release_with(&script, 1, 14, 13, ""); /* Is one all the same. */
    script_expect(&script, "[  50] s1 r13 GRANTED\n"
                           "[  50] s1 r14 OK\n"
                           "[  50] s2 r23 OK outcome \n");
}
END_TEST

START_TEST(who_is_set_aside_joins_too)
{
    script_define_as(&script, "jobs", "permits=2 per_session=1");
    script_acquire(&script, 1, 11, 0);
    join(1, 12, -1, "jobs");
    script_acquire(&script, 2, 21, 0);
    join(3, 31, -1, "jobs");
    script_disconnect(&script, 3);
    script_forget(&script);
    script_release_with(&script, 2, 22, 21, "it");
    script_expect(&script, "[   0] s2 r22 OK\n"
                           "[   0] s1 r12 OK outcome it\n"
                           "[   0] s3 r31 OK outcome it\n");
}
END_TEST

START_TEST(the_outcome_goes_to_the_queues_of_all_parts_in_their_order)
{
    struct engine_event event;

    script_bounded(&script, "tool", 2);
    script_bounded(&script, "other", 1);
    script_define_as(&script, "rate", "kind=3 rate=1 burst=2");
    event = script_acquire_event(&script, 1, 11, 0, "tool 2 jobs rate 2 other");
    event.acquire.settle = true;
    script_apply(&script, &event);
    join(2, 21, -1, "jobs");
    join(3, 31, -1, "tool");
    join(4, 41, -1, "rate");
    join(5, 51, -1, "other");
    script_release_some(&script, 1, 12, 11, "other 1"); /* No part of it. */
    join(6, 61, -1, "other");
    script_forget(&script);
    script_release_with(&script, 1, 13, 11, "it");
    script_release_with(&script, 1, 14, 11, "once more");
    script_expect(&script, "[   0] s1 r13 OK\n"
                           "[   0] s3 r31 OK outcome it\n"
                           "[   0] s2 r21 OK outcome it\n"
                           "[   0] s4 r41 OK outcome it\n"
                           "[   0] s1 r14 NOT_HELD\n");
    ck_assert_uint_eq(script_view(&script, "other").waiters, 1);
}
END_TEST

START_TEST(who_joins_names_one_semaphore)
{
    script_bounded(&script, "tool", 1);
    script_forget(&script);
    join(1, 11, -1, "jobs tool");
    script_expect(&script, "[   0] s1 r11 INVALID\n");
}
END_TEST

/* Also if there are so many that they are told in several slices, and the
 * caller's bytes are gone. */
START_TEST(all_of_many_get_the_longest_outcome)
{
    static const struct engine_limits limits = {.max_sessions = 4,
                                                .max_semaphores = 2,
                                                .max_waiters = 1000,
                                                .max_grants = 4,
                                                .max_waiters_per_session = 1000,
                                                .max_grants_per_session = 4};
    char outcome[LIMIT_OUTCOME_BYTES_MAX + 1];
    char kept[LIMIT_OUTCOME_BYTES_MAX + 1];
    struct engine_event event = {.type = ENGINE_RELEASE, .request_id = 2};
    struct engine_effect effect;
    int told = 0;

    script_finish(&script);
    script_init_with(&script, &limits);
    script_bounded(&script, "jobs", 1);
    script_open(&script, 1, 2, 1000000);
    script.is_quiet = true;
    script_acquire(&script, 1, 1, 0);
    for (uint64_t id = 1; id <= 1000; id++) {
        join(2, id, -1, "jobs");
    }
    for (int i = 0; i < LIMIT_OUTCOME_BYTES_MAX; i++) {
        outcome[i] = (char)(i * 7);
    }
    memcpy(kept, outcome, sizeof(kept));
    event.session_id = script.session_ids[1];
    event.release.acquire_id = 1;
    event.release.outcome = (const uint8_t *)outcome;
    event.release.outcome_bytes = LIMIT_OUTCOME_BYTES_MAX;
    engine_apply(script.engine, &event);
    ck_assert(engine_has_work(script.engine));
    memset(outcome, 0, sizeof(outcome));
    for (;;) {
        while (engine_next_effect(script.engine, &effect)) {
            if (effect.type == ENGINE_EFFECT_ANSWER &&
                effect.answer.to == ENGINE_ACQUIRE) {
                told++;
                ck_assert_uint_eq(effect.answer.outcome_bytes,
                                  LIMIT_OUTCOME_BYTES_MAX);
                ck_assert_mem_eq(effect.answer.outcome, kept,
                                 LIMIT_OUTCOME_BYTES_MAX);
            }
        }
        if (!engine_has_work(script.engine)) {
            break;
        }
        engine_continue(script.engine);
    }
    ck_assert_int_eq(told, 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_join");
    TCase *tcase = tcase_create("join");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase,
                   who_joins_gets_the_outcome_and_others_get_the_permits);
    tcase_add_test(tcase, without_an_outcome_the_next_who_joins_does_the_work);
    tcase_add_test(tcase, who_is_set_aside_joins_too);
    tcase_add_test(tcase,
                   the_outcome_goes_to_the_queues_of_all_parts_in_their_order);
    tcase_add_test(tcase, who_joins_names_one_semaphore);
    tcase_add_test(tcase, all_of_many_get_the_longest_outcome);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
