/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_open(&script, 1, 5, 1000000);
}

static void teardown(void)
{
    script_finish(&script);
}

START_TEST(a_definition_without_fields_makes_a_bounded_one_of_one)
{
    struct engine_semaphore_view view;

    script_define(&script, "jobs", &(struct engine_definition){0});
    view = script_view(&script, "jobs");
    ck_assert_int_eq(view.definition.kind, ENGINE_BOUNDED);
    ck_assert_uint_eq(view.definition.permits, 1);
    ck_assert_uint_eq(view.definition.max_queue, DEFAULT_MAX_QUEUE);
    ck_assert_int_eq(view.definition.max_wait_ms, -1);
    ck_assert_int_eq(view.definition.hold_ms, 0);
    ck_assert_uint_eq(view.oldest_wait_ns, TIME_NEVER);
    ck_assert_uint_eq(view.oldest_hold_ns, TIME_NEVER);
}
END_TEST

#define ALL_FIELDS 63

/* `first` makes it, `second` changes it: is that allowed? */
static const struct {
    struct engine_definition first;
    struct engine_definition second;
    const char *expected;
} definition_cases[] = {
    {{ALL_FIELDS, ENGINE_BOUNDED, 0, 1, -1, 0, false}, {0}, "INVALID"},
    {{ALL_FIELDS, ENGINE_BOUNDED, LIMIT_PERMITS_MAX, 0, -1, 0, false},
     {0},
     "OK"},
    {{ALL_FIELDS, ENGINE_BOUNDED, LIMIT_PERMITS_MAX + 1, 0, -1, 0, false},
     {0},
     "INVALID"},
    {{ALL_FIELDS, ENGINE_COUNTING, 0, 1, -1, 0, false}, {0}, "OK"},
    {{ALL_FIELDS, ENGINE_COUNTING, LIMIT_PERMITS_MAX + 1, 1, -1, 0, false},
     {0},
     "INVALID"},
    {{ALL_FIELDS, (enum engine_kind)3, 1, 1, -1, 0, false}, {0}, "INVALID"},
    {{ALL_FIELDS, ENGINE_BOUNDED, 1, 1, -2, 0, false}, {0}, "INVALID"},
    {{ALL_FIELDS, ENGINE_BOUNDED, 1, 1, 0, -1, false}, {0}, "INVALID"},
    {{ALL_FIELDS, ENGINE_BOUNDED, 1, 1, 0, INT64_MAX, false}, {0}, "OK"},
    {{ALL_FIELDS, ENGINE_COUNTING, 5, 1, -1, 0, false},
     {ENGINE_FIELD_PERMITS, 0, 6, 0, 0, 0, false},
     "OK INVALID"},
    {{ALL_FIELDS, ENGINE_COUNTING, 5, 1, -1, 0, false},
     {ENGINE_FIELD_PERMITS, 0, 5, 0, 0, 0, false},
     "OK OK"},
    {{ALL_FIELDS, ENGINE_COUNTING, 5, 1, -1, 0, false},
     {ENGINE_FIELD_KIND, ENGINE_BOUNDED, 0, 0, 0, 0, false},
     "OK INVALID"},
    {{ALL_FIELDS, ENGINE_BOUNDED, 5, 1, -1, 0, false},
     {ENGINE_FIELD_KIND, ENGINE_COUNTING, 0, 0, 0, 0, false},
     "OK INVALID"},
    {{ALL_FIELDS, ENGINE_BOUNDED, 5, 1, -1, 0, false},
     {ENGINE_FIELD_PERMITS, 0, 0, 0, 0, 0, false},
     "OK INVALID"},
    {{ALL_FIELDS, ENGINE_BOUNDED, 5, 1, -1, 0, false},
     {ENGINE_FIELD_PERMITS, 0, 6, 0, 0, 0, false},
     "OK OK"},
    {{ALL_FIELDS, ENGINE_BOUNDED, LIMIT_SLOTS_MAX, 1, -1, 0, true}, {0}, "OK"},
    {{ALL_FIELDS, ENGINE_BOUNDED, LIMIT_SLOTS_MAX + 1, 1, -1, 0, true},
     {0},
     "INVALID"},
    {{ALL_FIELDS, ENGINE_COUNTING, 5, 1, -1, 0, true}, {0}, "INVALID"},
    {{ALL_FIELDS, ENGINE_COUNTING, 5, 1, -1, 0, false},
     {ENGINE_FIELD_SLOTS, 0, 0, 0, 0, 0, true},
     "OK INVALID"},
    {{ALL_FIELDS, ENGINE_BOUNDED, 5, 1, -1, 0, true},
     {ENGINE_FIELD_PERMITS, 0, LIMIT_SLOTS_MAX + 1, 0, 0, 0, false},
     "OK INVALID"},
};

START_TEST(a_definition_that_makes_no_sense_changes_nothing)
{
    const struct engine_definition *second = &definition_cases[_i].second;
    char expected[100] = "";
    char status[16] = "";
    char other[16] = "";
    int words =
        sscanf(definition_cases[_i].expected, "%15s %15s", status, other);
    struct engine_semaphore_view view;

    script_define(&script, "jobs", &definition_cases[_i].first);
    (void)snprintf(expected, sizeof(expected), "[   0] s0 r1 %s\n", status);
    script_expect(&script, expected);
    if (words == 2) {
        script_define(&script, "jobs", second);
        (void)snprintf(expected, sizeof(expected), "[   0] s0 r1 %s\n", other);
        script_expect(&script, expected);
        ck_assert_uint_eq(script_view(&script, "jobs").definition.permits,
                          strcmp(other, "OK") == 0 ? second->permits : 5);
    } else {
        ck_assert(engine_view_semaphore(script.engine, "jobs", &view) ==
                  (strcmp(status, "OK") == 0));
    }
}
END_TEST

START_TEST(growing_serves_those_who_now_fit)
{
    script_bounded(&script, "jobs", 1);
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 2, 21, -1);
    script_acquire(&script, 3, 31, -1);
    script_acquire(&script, 4, 41, -1);
    script_forget(&script);
    script_bounded(&script, "jobs", 3);
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s3 r31 GRANTED\n");
}
END_TEST

START_TEST(c22_shrinking_revokes_nobody_and_refuses_the_impossible)
{
    script_bounded(&script, "jobs", 4);
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire_some(&script, 2, 21, 0, 2);
    script_acquire_some(&script, 3, 31, -1, 3);
    script_acquire_some(&script, 4, 41, -1, 1);
    script_acquire_some(&script, 5, 51, -1, 4);
    script_forget(&script);
    script_bounded(&script, "jobs", 2);
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s3 r31 IMPOSSIBLE\n"
                           "[   0] s5 r51 IMPOSSIBLE\n");
    ck_assert_uint_eq(script_view(&script, "jobs").held, 4);
    ck_assert_uint_eq(script_view(&script, "jobs").available, 0);
    script_acquire(&script, 3, 32, 0);
    script_release(&script, 1, 12, 11); /* 2 of 2 are still out. */
    script_release(&script, 2, 22, 21);
    script_expect(&script, "[   0] s3 r32 WOULD_BLOCK position 2 lacks 4\n"
                           "[   0] s1 r12 OK\n"
                           "[   0] s2 r22 OK\n"
                           "[   0] s4 r41 GRANTED\n");
}
END_TEST

START_TEST(c22_a_shrink_may_unblock_those_behind_the_impossible)
{
    script_bounded(&script, "jobs", 4);
    script_acquire_some(&script, 1, 11, 0, 1);
    script_acquire_some(&script, 2, 21, -1, 4);
    script_acquire_some(&script, 3, 31, -1, 1);
    script_forget(&script);
    script_bounded(&script, "jobs", 2);
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s2 r21 IMPOSSIBLE\n"
                           "[   0] s3 r31 GRANTED\n");
}
END_TEST

START_TEST(a_deleted_semaphore_refuses_its_waiters)
{
    script_bounded(&script, "jobs", 1);
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 2, 21, -1);
    script_forget(&script);
    script_delete(&script, "jobs", false, 0); /* A grant is out. */
    script_delete(&script, "none", true, 0);
    script_expect(&script, "[   0] s0 r2 CONFLICT\n"
                           "[   0] s0 r2 NOT_FOUND\n");
    script_release(&script, 1, 12, 11);
    script_disconnect(&script, 2);
    script_release(&script, 2, 22, 21); /* Dropped: s2 is disconnected. */
    script_end(&script, 2);
    script_forget(&script);
    script_delete(&script, "jobs", false, 0);
    script_acquire(&script, 1, 13, 0);
    script_expect(&script, "[   0] s0 r2 OK\n"
                           "[   0] s1 r13 NOT_FOUND\n");
}
END_TEST

START_TEST(a_forced_delete_gives_its_holders_a_grace)
{
    script_bounded(&script, "jobs", 3);
    script_acquire_hold(&script, 1, 11, 0, 100);
    script_acquire(&script, 2, 21, 0);
    script_acquire(&script, 3, 31, 0);
    script_acquire(&script, 4, 41, -1);
    script_acquire(&script, 5, 51, -1);
    script_forget(&script);
    script_delete(&script, "jobs", true, 5000);
    script_expect(&script, "[   0] s0 r2 OK\n"
                           "[   0] s4 r41 NOT_FOUND\n"
                           "[   0] s5 r51 NOT_FOUND\n"
                           "[   0] s1 r11 LOST deleted grace 5000\n"
                           "[   0] s2 r21 LOST deleted grace 5000\n"
                           "[   0] s3 r31 LOST deleted grace 5000\n");
    script_bounded(&script, "jobs", 1); /* The name is free at once. */
    script_acquire(&script, 4, 42, 0);
    script_release(&script, 3, 32, 31);
    script.now_ns = 4999 * NS_PER_MS;
    script_release(&script, 1, 12, 11); /* Its own hold was over before. */
    script_expect(&script, "[   0] s0 r1 OK\n"
                           "[   0] s4 r42 GRANTED\n"
                           "[   0] s3 r32 OK\n"
                           "[4999] s1 r12 EXPIRED\n");
    script.now_ns = 5000 * NS_PER_MS;
    script_release(&script, 2, 22, 21);
    script_expect(&script, "[5000] s2 r22 EXPIRED\n");
    ck_assert_uint_eq(script_view(&script, "jobs").held, 1);
}
END_TEST

START_TEST(a_forced_delete_without_grace_is_over_at_once)
{
    script_bounded(&script, "jobs", 1);
    script_acquire(&script, 1, 11, 0);
    script_forget(&script);
    script.shows_records = true;
    script_delete(&script, "jobs", true, 0);
    script_release(&script, 1, 12, 11);
    script_expect(&script, "[   0] s0 r2 record DELETED jobs\n"
                           "[   0] s0 r2 OK\n"
                           "[   0] s1 r0 record REVOKED of r11 loss 5\n"
                           "[   0] s1 r11 LOST deleted\n"
                           "[   0] s1 r0 record EXPIRED of r11 loss 5\n"
                           "[   0] s1 r12 EXPIRED\n");
}
END_TEST

START_TEST(a_post_is_answered_with_what_is_left_after_serving)
{
    script_counting(&script, "jobs", 0);
    script_acquire_some(&script, 1, 11, -1, 2);
    script_acquire_some(&script, 2, 21, -1, 2);
    script_forget(&script);
    script_post(&script, "jobs", 3);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s0 r3 OK available 1\n");
}
END_TEST

/* A COUNTING semaphore of `start`, 10 of them held if there are so many. */
static const struct {
    const char *semaphore;
    uint32_t start;
    uint32_t permits;
    const char *expected;
} post_cases[] = {
    {"jobs", 0, 0, "[   0] s0 r3 INVALID\n"},
    {"jobs", 0, LIMIT_PERMITS_MAX, "[   0] s0 r3 OK available 2147483647\n"},
    {"jobs", 0, LIMIT_PERMITS_MAX + 1, "[   0] s0 r3 INVALID\n"},
    {"jobs", 1, LIMIT_PERMITS_MAX, "[   0] s0 r3 OVERFLOW\n"},
    {"jobs", 10, LIMIT_PERMITS_MAX - 10,
     "[   0] s0 r3 OK available 2147483637\n"},
    {"jobs", 10, LIMIT_PERMITS_MAX - 9, "[   0] s0 r3 OVERFLOW\n"},
    {"jobs", LIMIT_PERMITS_MAX, 1, "[   0] s0 r3 OVERFLOW\n"},
    {"none", 0, 1, "[   0] s0 r3 NOT_FOUND\n"},
    {"bounded", 0, 1, "[   0] s0 r3 INVALID\n"},
};

START_TEST(a_post_past_the_greatest_value_adds_nothing)
{
    script_counting(&script, "jobs", post_cases[_i].start);
    script_bounded(&script, "bounded", 1);
    if (post_cases[_i].start >= 10) {
        script_acquire_some(&script, 1, 11, 0, 10);
    }
    script_forget(&script);
    script_post(&script, post_cases[_i].semaphore, post_cases[_i].permits);
    script_expect(&script, post_cases[_i].expected);
}
END_TEST

START_TEST(a_drain_refuses_all_who_wait_and_all_who_come)
{
    script_bounded(&script, "b", 1);
    script_bounded(&script, "a", 1);
    script_acquire_of(&script, 1, 11, 0, "a");
    script_acquire_of(&script, 1, 12, 0, "b");
    script_acquire_of(&script, 2, 21, -1, "b");
    script_acquire_of(&script, 3, 31, -1, "a");
    script_acquire_of(&script, 4, 41, -1, "a");
    script_forget(&script);
    script_drain(&script);
    script_drain(&script);
    script_release(&script, 1, 13, 11); /* Holders keep what they have. */
    script_acquire_of(&script, 5, 51, 0, "a");
    script_expect(&script, "[   0] s3 r31 DRAINING\n"
                           "[   0] s4 r41 DRAINING\n"
                           "[   0] s2 r21 DRAINING\n"
                           "[   0] s1 r13 OK\n"
                           "[   0] s5 r51 DRAINING\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_define");
    TCase *tcase = tcase_create("define");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase,
                   a_definition_without_fields_makes_a_bounded_one_of_one);
    tcase_add_loop_test(tcase, a_definition_that_makes_no_sense_changes_nothing,
                        0,
                        sizeof(definition_cases) / sizeof(definition_cases[0]));
    tcase_add_test(tcase, growing_serves_those_who_now_fit);
    tcase_add_test(tcase,
                   c22_shrinking_revokes_nobody_and_refuses_the_impossible);
    tcase_add_test(tcase, c22_a_shrink_may_unblock_those_behind_the_impossible);
    tcase_add_test(tcase, a_deleted_semaphore_refuses_its_waiters);
    tcase_add_test(tcase, a_forced_delete_gives_its_holders_a_grace);
    tcase_add_test(tcase, a_forced_delete_without_grace_is_over_at_once);
    tcase_add_test(tcase, a_post_is_answered_with_what_is_left_after_serving);
    tcase_add_loop_test(tcase, a_post_past_the_greatest_value_adds_nothing, 0,
                        sizeof(post_cases) / sizeof(post_cases[0]));
    tcase_add_test(tcase, a_drain_refuses_all_who_wait_and_all_who_come);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
