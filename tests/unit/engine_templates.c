/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_define_as(&script, "t/*", "permits=2");
    script_open(&script, 1, 6, 1000000);
    script.shows_records = true;
}

static void teardown(void)
{
    script_finish(&script);
}

static bool exists(const char *name)
{
    struct engine_semaphore_view view;

    return engine_view_semaphore(script.engine, name, &view);
}

static uint32_t semaphores(void)
{
    struct engine_totals totals;

    engine_get_totals(script.engine, &totals);
    return totals.semaphores;
}

START_TEST(what_a_template_makes_lives_while_it_is_held_or_waited_for)
{
    script_acquire_of(&script, 1, 11, 0, "t/a 2");
    script_acquire_of(&script, 2, 21, -1, "t/a");
    script_release(&script, 1, 12, 11);
    script_release(&script, 2, 22, 21);
    script_expect(&script,
                  "[   0] s1 r0 record DEFINED t/a by template\n"
                  "[   0] s1 r11 record GRANTED t/a permits 2\n"
                  "[   0] s1 r11 GRANTED\n"
                  "[   0] s1 r12 record RELEASED t/a of r11 permits 2\n"
                  "[   0] s1 r12 OK\n"
                  "[   0] s2 r21 record GRANTED t/a permits 1\n"
                  "[   0] s2 r21 GRANTED\n"
                  "[   0] s2 r22 record RELEASED t/a of r21 permits 1\n"
                  "[   0] s2 r22 OK\n"
                  "[   0] s0 r0 record DELETED t/a\n");
    ck_assert_uint_eq(semaphores(), 1);
}
END_TEST

START_TEST(what_only_a_waiter_kept_is_forgotten_with_it)
{
    script_bounded(&script, "jobs", 1);
    script_acquire(&script, 1, 11, 0);
    script_acquire_of(&script, 2, 21, 100, "t/a jobs t/b");
    ck_assert(exists("t/a") && exists("t/b"));
    script_forget(&script);
    script_tick(&script, 100);
    script_expect(&script, "[ 100] s2 r21 TIMEOUT\n"
                           "[ 100] s0 r0 record DELETED t/a\n"
                           "[ 100] s0 r0 record DELETED t/b\n");
}
END_TEST

START_TEST(all_that_is_made_is_made_before_the_grant)
{
    script_acquire_of(&script, 1, 11, 0, "t/b t/a 2");
    script_end(&script, 1);
    script_expect(&script, "[   0] s1 r0 record DEFINED t/b by template\n"
                           "[   0] s1 r0 record DEFINED t/a by template\n"
                           "[   0] s1 r11 record GRANTED t/b permits 1 more\n"
                           "[   0] s1 r11 record GRANTED t/a permits 2\n"
                           "[   0] s1 r11 GRANTED\n"
                           "[   0] s1 r0 record SESSION_ENDED\n"
                           "[   0] s0 r0 record DELETED t/b\n"
                           "[   0] s0 r0 record DELETED t/a\n"
                           "[   0] s1 ENDED by client\n");
}
END_TEST

/* None of these makes anything. */
static const struct {
    const char *parts;
    const char *expected;
} refused_cases[] = {
    {"t/a 3", "[   0] s1 r11 IMPOSSIBLE\n"},
    {"t/a 1=3", "[   0] s1 r11 LIMIT_MISMATCH\n"},
    {"t/a 1!", "[   0] s1 r11 INVALID\n"},
    {"t/*", "[   0] s1 r11 INVALID\n"},
    {"t/a*", "[   0] s1 r11 INVALID\n"},
    {"t", "[   0] s1 r11 NOT_FOUND\n"},
    {"u/*", "[   0] s1 r11 NOT_FOUND\n"},
    {"t/a none", "[   0] s1 r11 NOT_FOUND\n"},
    {"t/a jobs", "[   0] s1 r11 WOULD_BLOCK position 1 lacks 1\n"},
};

START_TEST(who_is_refused_makes_nothing)
{
    script_bounded(&script, "jobs", 1);
    script_acquire(&script, 2, 21, 0);
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, refused_cases[_i].parts);
    script_expect(&script, refused_cases[_i].expected);
    ck_assert_uint_eq(semaphores(), 2);
}
END_TEST

START_TEST(the_longest_prefix_makes_it)
{
    script_define_as(&script, "t/ab*", "permits=5 hold=50 max_queue=3");
    script_define_as(&script, "t/a*", "permits=4");
    script_acquire_of(&script, 1, 11, 0, "t/abc");
    script_acquire_of(&script, 1, 12, 0, "t/ab");
    script_acquire_of(&script, 1, 13, 0, "t/");
    script_define_as(&script, "t/ab*", "permits=6"); /* Not what it made. */
    ck_assert_uint_eq(script_view(&script, "t/abc").definition.permits, 5);
    ck_assert_uint_eq(script_view(&script, "t/abc").definition.max_queue, 3);
    ck_assert_uint_eq(script_view(&script, "t/abc").template_bytes, 4);
    ck_assert_uint_eq(script_view(&script, "t/ab").template_bytes, 4);
    ck_assert_uint_eq(script_view(&script, "t/").template_bytes, 2);
    ck_assert_uint_eq(script_view(&script, "t/*").template_bytes, 0);
    ck_assert_uint_eq(script_view(&script, "t/*").held, 0);
    script_delete(&script, "t/ab*", false, 0);
    script_acquire_of(&script, 2, 21, 0, "t/abd");
    ck_assert_uint_eq(script_view(&script, "t/abd").definition.permits, 4);
}
END_TEST

START_TEST(without_its_template_it_lives_until_it_is_idle)
{
    script_acquire_of(&script, 1, 11, 0, "t/a");
    script_delete(&script, "t/*", false, 0);
    script_forget(&script);
    script_acquire_of(&script, 2, 21, 0, "t/a");
    script_acquire_of(&script, 2, 22, 0, "t/b");
    script_release(&script, 2, 23, 21);
    script_release(&script, 1, 12, 11);
    script_expect(&script,
                  "[   0] s2 r21 record GRANTED t/a permits 1\n"
                  "[   0] s2 r21 GRANTED\n"
                  "[   0] s2 r22 NOT_FOUND\n"
                  "[   0] s2 r23 record RELEASED t/a of r21 permits 1\n"
                  "[   0] s2 r23 OK\n"
                  "[   0] s1 r12 record RELEASED t/a of r11 permits 1\n"
                  "[   0] s1 r12 OK\n"
                  "[   0] s0 r0 record DELETED t/a\n");
    ck_assert_uint_eq(semaphores(), 0);
}
END_TEST

START_TEST(its_own_definition_detaches_it_from_the_template)
{
    script_define_as(&script, "t/*", "hold=500");
    script_acquire_of(&script, 1, 11, 0, "t/a");
    script_forget(&script);
    script_define_as(&script, "t/a", "max_queue=7");
    script_release(&script, 1, 12, 11);
    script_expect(&script,
                  "[   0] s0 r1 record DEFINED t/a\n"
                  "[   0] s0 r1 OK\n"
                  "[   0] s1 r12 record RELEASED t/a of r11 permits 1\n"
                  "[   0] s1 r12 OK\n");
    ck_assert_uint_eq(script_view(&script, "t/a").definition.permits, 2);
    ck_assert_int_eq(script_view(&script, "t/a").definition.hold_ms, 500);
    ck_assert_uint_eq(script_view(&script, "t/a").template_bytes, 0);
}
END_TEST

/* Of 4 in all, 3 for a session, and 16 semaphores. */
START_TEST(templates_make_so_many_and_no_more)
{
    script.shows_records = false;
    script_acquire_of(&script, 1, 11, 0, "t/a t/b");
    script_acquire_of(&script, 1, 12, 0, "t/c t/d");
    script_acquire_of(&script, 1, 13, 0, "t/c t/b"); /* One is there. */
    script_acquire_of(&script, 1, 14, -1, "t/d");
    script_acquire_of(&script, 2, 21, 0, "t/d t/e");
    script_acquire_of(&script, 2, 22, 0, "t/d");
    script_acquire_of(&script, 3, 31, 0, "t/e");
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s1 r12 TOO_MANY\n"
                           "[   0] s1 r13 GRANTED\n"
                           "[   0] s1 r14 TOO_MANY\n"
                           "[   0] s2 r21 TOO_MANY\n"
                           "[   0] s2 r22 GRANTED\n"
                           "[   0] s3 r31 TOO_MANY\n");
    script_release(&script, 1, 15, 11); /* t/a is forgotten. */
    script_acquire_of(&script, 1, 16, 0, "t/e");
    script_define_as(&script, "t/c", ""); /* It is an own one now. */
    script_acquire_of(&script, 1, 17, 0, "t/f");
    script_acquire_of(&script, 1, 18, 0, "t/g");
    script_delete(&script, "t/b", true, 1000);
    script_acquire_of(&script, 1, 19, 0, "t/g"); /* t/b counts no more. */
    script_expect(&script, "[   0] s1 r15 OK\n"
                           "[   0] s1 r16 GRANTED\n"
                           "[   0] s0 r1 OK\n"
                           "[   0] s1 r17 GRANTED\n"
                           "[   0] s1 r18 TOO_MANY\n"
                           "[   0] s0 r2 OK\n"
                           "[   0] s1 r13 LOST deleted grace 1000\n"
                           "[   0] s1 r19 GRANTED\n");
}
END_TEST

START_TEST(what_was_made_for_a_session_that_ended_counts_in_all)
{
    script.shows_records = false;
    script_acquire_of(&script, 1, 11, 0, "t/a t/b t/c");
    script_acquire_of(&script, 2, 21, 0, "t/a");
    script_forget(&script);
    script_end(&script, 1);
    script_acquire_of(&script, 2, 22, 0, "t/d t/e t/f");
    script_acquire_of(&script, 3, 31, 0, "t/g");
    script_release(&script, 2, 23, 21);
    script_acquire_of(&script, 3, 32, 0, "t/g");
    script_expect(&script, "[   0] s1 ENDED by client\n"
                           "[   0] s2 r22 GRANTED\n"
                           "[   0] s3 r31 TOO_MANY\n"
                           "[   0] s2 r23 OK\n"
                           "[   0] s3 r32 GRANTED\n");
}
END_TEST

START_TEST(what_is_made_counts_among_all_semaphores)
{
    char name[] = "a";

    script.shows_records = false;
    script_define_as(&script, "s/*", "slots=1");
    script_slots(&script, "x", 1, true);
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, "s/a"); /* 2 may have slots. */
    script_expect(&script, "[   0] s1 r11 TOO_MANY\n");
    for (; semaphores() < 15; name[0]++) {
        script_bounded(&script, name, 1);
    }
    script_forget(&script);
    script_acquire_of(&script, 1, 12, 0, "t/a t/b");
    script_acquire_of(&script, 1, 13, 0, "t/a");
    script_acquire_of(&script, 1, 14, 0, "t/b");
    script_expect(&script, "[   0] s1 r12 TOO_MANY\n"
                           "[   0] s1 r13 GRANTED\n"
                           "[   0] s1 r14 TOO_MANY\n");
}
END_TEST

START_TEST(a_rate_is_forgotten_when_it_is_full)
{
    struct engine_event event;

    script_define_as(&script, "r/*", "kind=3 rate=1 burst=2");
    script_acquire_of(&script, 1, 11, 0, "r/a");
    script_acquire_of(&script, 1, 12, -1, "r/a 2");
    event = script_acquire_event(&script, 2, 21, 0, "r/b");
    event.acquire.settle = true;
    script_apply(&script, &event);
    script_forget(&script);
    ck_assert_uint_eq(engine_next_deadline(script.engine), 1000 * NS_PER_MS);
    script_tick(&script, 1000);
    ck_assert_uint_eq(engine_next_deadline(script.engine), 3000 * NS_PER_MS);
    script.now_ns = 3000 * NS_PER_MS - 1;
    script_apply(&script, &(struct engine_event){.type = ENGINE_TICK});
    script_expect(&script,
                  "[1000] s1 r12 record GRANTED r/a permits 2 consume\n"
                  "[1000] s1 r12 GRANTED waited 1000\n");
    script_tick(&script, 5000);
    script_expect(&script, "[5000] s0 r0 record DELETED r/a\n");
    script_settle(&script, 2, 22, 21, ""); /* It had been full for long. */
    script_expect(&script, "[5000] s2 r22 record SETTLED of r21\n"
                           "[5000] s2 r22 OK\n"
                           "[5000] s0 r0 record DELETED r/b\n");
}
END_TEST

START_TEST(a_counting_one_is_forgotten_when_it_is_as_at_first)
{
    script_define_as(&script, "c/*", "kind=2 permits=2");
    script_forget(&script);
    script_acquire_of(&script, 1, 11, 0, "c/a 1!");
    script_post(&script, "c/a", 2);
    script_acquire_of(&script, 1, 12, 0, "c/a 2!");
    script_expect(&script,
                  "[   0] s1 r0 record DEFINED c/a by template\n"
                  "[   0] s1 r11 record GRANTED c/a permits 1 consume\n"
                  "[   0] s1 r11 GRANTED\n"
                  "[   0] s0 r3 record POSTED c/a permits 2\n"
                  "[   0] s0 r3 OK available 3\n"
                  "[   0] s1 r12 record GRANTED c/a permits 2 consume\n"
                  "[   0] s1 r12 GRANTED\n");
    script_post(&script, "c/a", 1);
    script_expect(&script, "[   0] s0 r3 record POSTED c/a permits 1\n"
                           "[   0] s0 r0 record DELETED c/a\n"
                           "[   0] s0 r3 OK available 2\n");
    script_acquire_of(&script, 1, 13, 0, "c/b 1!");
    script_post(&script, "c/b", 2);
    script_forget(&script);
    script_acquire_of(&script, 1, 14, 0, "c/b 1!"); /* Of 3. */
    script_expect(&script,
                  "[   0] s1 r14 record GRANTED c/b permits 1 consume\n"
                  "[   0] s1 r14 GRANTED\n"
                  "[   0] s0 r0 record DELETED c/b\n");
    script_define_as(&script, "r/*", "kind=3 rate=1");
    script_forget(&script);
    script_post(&script, "c/*", 1);
    script_post(&script, "r/*", 1);
    script_post(&script, "c/a", 1);
    script_expect(&script, "[   0] s0 r3 INVALID\n"
                           "[   0] s0 r3 INVALID\n"
                           "[   0] s0 r3 NOT_FOUND\n");
}
END_TEST

START_TEST(a_template_may_take_nobody_into_its_queues)
{
    script_define_as(&script, "q/*", "max_queue=0");
    script_bounded(&script, "jobs", 1);
    script_acquire(&script, 1, 11, 0);
    script_forget(&script);
    script_acquire_of(&script, 2, 21, -1, "jobs q/a");
    script_expect(&script,
                  "[   0] s2 r21 QUEUE_FULL at q/a position 1 lacks 0\n");
    ck_assert(!exists("q/a"));
}
END_TEST

/* What was held is kept, and still made by the template; what only waiters
 * kept, or tokens, goes. */
START_TEST(after_a_restart_only_what_is_held_is_there)
{
    struct engine *restored;

    script_bounded(&script, "jobs", 1);
    script_define_as(&script, "r/*", "kind=3 rate=1 burst=2");
    script_acquire(&script, 1, 10, 0);
    script_acquire_of(&script, 1, 11, 0, "t/a");
    script_acquire_of(&script, 2, 21, -1, "t/b jobs");
    script_acquire_of(&script, 1, 12, 0, "r/a");
    restored = script_restore(&script);
    engine_destroy(script.engine);
    script.engine = restored;
    ck_assert_uint_eq(script_view(&script, "t/a").template_bytes, 2);
    script_forget(&script);
    script_tick(&script, 5000); /* The clock starts: r/a is empty. */
    script_expect(&script, "[5000] s0 r0 record DELETED t/b\n");
    script_tick(&script, 7000);
    script_expect(&script, "[7000] s0 r0 record DELETED r/a\n");
    script_end(&script, 1);
    script_expect(&script, "[7000] s1 r0 record SESSION_ENDED\n"
                           "[7000] s0 r0 record DELETED t/a\n"
                           "[7000] s1 ENDED by client\n");
}
END_TEST

START_TEST(no_record_is_of_a_template_that_is_not_there)
{
    struct engine *engine = engine_create(&script.limits, 0, script_secret);
    struct engine_record record;

    script_acquire_of(&script, 1, 11, 0, "t/a");
    record = script.records[script.records_count - 2];
    ck_assert(record.by_template);
    ck_assert_int_eq(engine_restore(engine, &record), PERMIT_E_INVALID);
    ck_assert_int_eq(engine_restore(engine, &script.records[0]), PERMIT_OK);
    ck_assert_int_eq(engine_restore(engine, &record), PERMIT_OK);
    record.seq++; /* It is there. */
    ck_assert_int_eq(engine_restore(engine, &record), PERMIT_E_INVALID);
    engine_destroy(engine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_templates");
    TCase *tcase = tcase_create("templates");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase,
                   what_a_template_makes_lives_while_it_is_held_or_waited_for);
    tcase_add_test(tcase, what_only_a_waiter_kept_is_forgotten_with_it);
    tcase_add_test(tcase, all_that_is_made_is_made_before_the_grant);
    tcase_add_loop_test(tcase, who_is_refused_makes_nothing, 0,
                        sizeof(refused_cases) / sizeof(refused_cases[0]));
    tcase_add_test(tcase, the_longest_prefix_makes_it);
    tcase_add_test(tcase, without_its_template_it_lives_until_it_is_idle);
    tcase_add_test(tcase, its_own_definition_detaches_it_from_the_template);
    tcase_add_test(tcase, templates_make_so_many_and_no_more);
    tcase_add_test(tcase, what_was_made_for_a_session_that_ended_counts_in_all);
    tcase_add_test(tcase, what_is_made_counts_among_all_semaphores);
    tcase_add_test(tcase, a_rate_is_forgotten_when_it_is_full);
    tcase_add_test(tcase, a_counting_one_is_forgotten_when_it_is_as_at_first);
    tcase_add_test(tcase, a_template_may_take_nobody_into_its_queues);
    tcase_add_test(tcase, after_a_restart_only_what_is_held_is_there);
    tcase_add_test(tcase, no_record_is_of_a_template_that_is_not_there);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
