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

/* `first` makes it, `second` changes it: is that allowed? */
static const struct {
    const char *first;
    const char *second;
    const char *expected;
} definition_cases[] = {
    {"permits=0", NULL, "INVALID"},
    {"permits=2147483647 max_queue=0", NULL, "OK"},
    {"permits=2147483648", NULL, "INVALID"},
    {"kind=2 permits=0", NULL, "OK"},
    {"kind=2 permits=2147483648", NULL, "INVALID"},
    {"kind=4", NULL, "INVALID"},
    {"max_wait=-2", NULL, "INVALID"},
    {"max_wait=0 hold=-1", NULL, "INVALID"},
    {"max_wait=0 hold=9223372036854775807", NULL, "OK"},
    {"kind=2 permits=5", "permits=6", "OK INVALID"},
    {"kind=2 permits=5", "permits=5", "OK OK"},
    {"kind=2 permits=5", "kind=1", "OK INVALID"},
    {"permits=5", "kind=2", "OK INVALID"},
    {"permits=5", "permits=0", "OK INVALID"},
    {"permits=5", "permits=6", "OK OK"},
    {"permits=1024 slots=1", NULL, "OK"},
    {"permits=1025 slots=1", NULL, "INVALID"},
    {"kind=2 permits=5 slots=1", NULL, "INVALID"},
    {"kind=2 permits=5", "slots=1", "OK INVALID"},
    {"permits=5 slots=1", "permits=1025", "OK INVALID"},
};

START_TEST(a_definition_that_makes_no_sense_changes_nothing)
{
    const char *second = definition_cases[_i].second;
    char expected[100] = "";
    char status[16] = "";
    char other[16] = "";
    int words =
        sscanf(definition_cases[_i].expected, "%15s %15s", status, other);
    struct engine_semaphore_view view;

    script_define_as(&script, "jobs", definition_cases[_i].first);
    (void)snprintf(expected, sizeof(expected), "[   0] s0 r1 %s\n", status);
    script_expect(&script, expected);
    if (words == 2) {
        script_define_as(&script, "jobs", second);
        (void)snprintf(expected, sizeof(expected), "[   0] s0 r1 %s\n", other);
        script_expect(&script, expected);
        ck_assert_uint_eq(
            script_view(&script, "jobs").definition.permits,
            strcmp(second, "permits=6") == 0 && strcmp(other, "OK") == 0 ? 6
                                                                         : 5);
    } else {
        ck_assert(engine_view_semaphore(script.engine, "jobs", &view) ==
                  (strcmp(status, "OK") == 0));
    }
}
END_TEST

/* What is said of each definition that makes no sense: `first` alone, or
 * `second` once first is there, with a grant out of it. */
static const struct {
    const char *first;
    const char *second;
    enum permit_status status;
    const char *detail;
} message_cases[] = {
    {"kind=0", NULL, PERMIT_E_INVALID, "no such kind of semaphore"},
    {"permits=5", "kind=3", PERMIT_E_INVALID,
     "the kind cannot change: delete the semaphore first"},
    {"permits=2147483648", NULL, PERMIT_E_INVALID,
     "permits are at most 2147483647"},
    {"permits=0", NULL, PERMIT_E_INVALID,
     "a bounded semaphore has at least 1 permit"},
    {"hold=-1", NULL, PERMIT_E_INVALID, "a duration is negative"},
    {"kind=2 permits=5", "permits=4", PERMIT_E_INVALID,
     "a counting semaphore is not resized: post or consume"},
    {"kind=3 rate=1 slots=1", NULL, PERMIT_E_INVALID,
     "only a bounded semaphore has slots"},
    {"permits=1025 slots=1", NULL, PERMIT_E_INVALID,
     "a semaphore with slots has at most 1024 permits"},
    {"permits=5", "rate=1", PERMIT_E_INVALID,
     "only a semaphore of kind rate has rate, per and burst"},
    {"kind=2 per=1000", NULL, PERMIT_E_INVALID,
     "only a semaphore of kind rate has rate, per and burst"},
    {"burst=1", NULL, PERMIT_E_INVALID,
     "only a semaphore of kind rate has rate, per and burst"},
    {"kind=3 rate=1 permits=1", NULL, PERMIT_E_INVALID,
     "a rate has no permits: set its burst"},
    {"kind=3", NULL, PERMIT_E_INVALID,
     "a rate is 1 to 2147483647 tokens per period"},
    {"kind=3 rate=2147483648 burst=1", NULL, PERMIT_E_INVALID,
     "a rate is 1 to 2147483647 tokens per period"},
    {"kind=3 rate=2147483647 per=31622400000 burst=1", NULL, PERMIT_OK, NULL},
    {"kind=3 rate=1 per=31622400001", NULL, PERMIT_E_INVALID,
     "the period of a rate is 1 ms to 366 days"},
    {"kind=3 rate=1 per=0", NULL, PERMIT_E_INVALID,
     "the period of a rate is 1 ms to 366 days"},
    {"kind=3 rate=1 burst=2147483648", NULL, PERMIT_E_INVALID,
     "the burst of a rate is 1 to 2147483647 tokens"},
    {"kind=3 rate=1", "burst=0", PERMIT_E_INVALID,
     "the burst of a rate is 1 to 2147483647 tokens"},
    {"kind=3 rate=1 per_session=1", NULL, PERMIT_E_INVALID,
     "a rate has no shares of sessions"},
    {"bypass=65535", NULL, PERMIT_OK, NULL},
    {"bypass=65536", NULL, PERMIT_E_INVALID, "bypass is at most 65535"},
    {"per_session=2147483647", NULL, PERMIT_OK, NULL},
    {"per_session=2147483648", NULL, PERMIT_E_INVALID,
     "per_session is at most 2147483647"},
    {"kind=2 shadow=1", NULL, PERMIT_E_INVALID,
     "shadow is for bounded semaphores without slots, and rates"},
    {"slots=1", "shadow=1", PERMIT_E_INVALID,
     "shadow is for bounded semaphores without slots, and rates"},
    {"permits=5", "slots=1", PERMIT_E_CONFLICT,
     "grants are out: slots change only when none is"},
};

START_TEST(a_bad_definition_is_told_what_is_wrong)
{
    const char *second = message_cases[_i].second;
    struct engine_semaphore_view before;
    struct engine_semaphore_view after;

    script_define_as(&script, "jobs", message_cases[_i].first);
    if (second != NULL) {
        ck_assert_int_eq(script.answer.status, PERMIT_OK);
        script_acquire(&script, 1, 11, 0);
        before = script_view(&script, "jobs");
        script_define_as(&script, "jobs", second);
        after = script_view(&script, "jobs");
        ck_assert_int_eq(after.definition.kind, before.definition.kind);
        ck_assert_uint_eq(after.definition.permits, before.definition.permits);
        ck_assert_uint_eq(after.definition.rate, before.definition.rate);
        ck_assert_uint_eq(after.definition.burst, before.definition.burst);
        ck_assert_int_eq(after.definition.slots, before.definition.slots);
        ck_assert_int_eq(after.definition.shadow, before.definition.shadow);
    }
    ck_assert_int_eq(script.answer.status, message_cases[_i].status);
    ck_assert_pstr_eq(script.answer.detail, message_cases[_i].detail);
}
END_TEST

/* 16 semaphores, 2 of them with slots, 2 with estimates. */
START_TEST(too_many_semaphores_are_told_which_limit_to_raise)
{
    script_define_as(&script, "a", "slots=1 refuse_hopeless=1");
    script_define_as(&script, "b*", "slots=1 refuse_hopeless=1");
    script_define_as(&script, "c", "");
    script_define_as(&script, "c", "slots=1");
    ck_assert_int_eq(script.answer.status, PERMIT_E_TOO_MANY);
    ck_assert_str_eq(script.answer.detail,
                     "the daemon has too many semaphores with slots: delete "
                     "some, or raise max_semaphores_with_slots");
    script_define_as(&script, "c", "refuse_hopeless=1");
    ck_assert_int_eq(script.answer.status, PERMIT_E_TOO_MANY);
    ck_assert_str_eq(script.answer.detail,
                     "the daemon has too many semaphores that refuse the "
                     "hopeless: raise max_semaphores_with_estimates");
    script_define_as(&script, "r", "kind=3 rate=1 refuse_hopeless=1");
    ck_assert_int_eq(script.answer.status, PERMIT_OK); /* Needs no holds. */
    script_define_as(&script, "b*", "refuse_hopeless=0");
    script_define_as(&script, "c", "refuse_hopeless=1");
    ck_assert_int_eq(script.answer.status, PERMIT_OK);
    script_delete(&script, "c", false, 0);
    script_define_as(&script, "c", "refuse_hopeless=1");
    ck_assert_int_eq(script.answer.status, PERMIT_OK);
    for (char name[] = "d"; name[0] <= 'o'; name[0]++) {
        script_define_as(&script, name, "");
        ck_assert_int_eq(script.answer.status, PERMIT_OK);
    }
    script_define_as(&script, "p", "");
    ck_assert_int_eq(script.answer.status, PERMIT_E_TOO_MANY);
    ck_assert_str_eq(script.answer.detail,
                     "the daemon has too many semaphores: delete some, or "
                     "raise max_semaphores");
}
END_TEST

/* Where a new one names nothing it gets these, but a RATE no permits. */
START_TEST(defaults_are_of_new_semaphores)
{
    const struct engine_definition defaults = {.kind = ENGINE_BOUNDED,
                                               .permits = 3,
                                               .max_queue = 5,
                                               .max_wait_ms = 70,
                                               .hold_ms = 80,
                                               .bypass = 9};
    struct engine_definition definition;

    script_define_as(&script, "old", "");
    engine_set_defaults(script.engine, &defaults);
    script_define_as(&script, "old", "hold=1");
    script_define_as(&script, "new", "max_queue=6");
    script_define_as(&script, "rate", "kind=3 rate=4");
    definition = script_view(&script, "old").definition;
    ck_assert_uint_eq(definition.permits, 1);
    ck_assert_uint_eq(definition.bypass, 0);
    definition = script_view(&script, "new").definition;
    ck_assert_uint_eq(definition.permits, 3);
    ck_assert_uint_eq(definition.max_queue, 6);
    ck_assert_int_eq(definition.max_wait_ms, 70);
    ck_assert_uint_eq(definition.bypass, 9);
    definition = script_view(&script, "rate").definition;
    ck_assert_uint_eq(definition.permits, 0);
    ck_assert_uint_eq(definition.per_ms, 1000);
    ck_assert_uint_eq(definition.burst, 4);
    ck_assert_int_eq(definition.hold_ms, 80);
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
    tcase_add_loop_test(tcase, a_bad_definition_is_told_what_is_wrong, 0,
                        sizeof(message_cases) / sizeof(message_cases[0]));
    tcase_add_test(tcase, too_many_semaphores_are_told_which_limit_to_raise);
    tcase_add_test(tcase, defaults_are_of_new_semaphores);
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
