/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "script.h"

static struct script script;

static void setup(void)
{
    script_init(&script);
    script_bounded(&script, "jobs", 3);
    script_open(&script, 1, 4, 1000000);
}

static void teardown(void)
{
    script_finish(&script);
}

START_TEST(a_grant_can_be_given_back_in_parts)
{
    script_acquire_some(&script, 1, 11, 0, 3);
    script_acquire(&script, 2, 21, -1);
    script_acquire_some(&script, 3, 31, -1, 2);
    script_forget(&script);
    script_release_some(&script, 1, 12, 11, "jobs 1");
    script_release_some(&script, 1, 13, 11, "jobs 1");
    script_release_some(&script, 1, 14, 11, "jobs 1");
    script_release_some(&script, 1, 15, 11, "jobs 1");
    script_expect(&script, "[   0] s1 r12 OK\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s1 r13 OK\n"
                           "[   0] s1 r14 OK\n"
                           "[   0] s3 r31 GRANTED\n"
                           "[   0] s1 r15 NOT_HELD\n");
}
END_TEST

START_TEST(giving_back_more_than_the_grant_holds_changes_nothing)
{
    script_bounded(&script, "other", 3);
    script_acquire_some(&script, 1, 11, 0, 2);
    script_acquire_of(&script, 2, 21, 0, "other");
    script_forget(&script);
    script_release_some(&script, 1, 12, 11, "jobs 3");
    script_release_some(&script, 1, 13, 11, "other 1");
    script_release_some(&script, 1, 14, 11, "nowhere 1");
    script_release_some(&script, 1, 15, 11, "jobs 2147483647");
    script_expect(&script, "[   0] s1 r12 OVER_RELEASE\n"
                           "[   0] s1 r13 OVER_RELEASE\n"
                           "[   0] s1 r14 OVER_RELEASE\n"
                           "[   0] s1 r15 OVER_RELEASE\n");
    ck_assert_uint_eq(script_view(&script, "jobs").held, 2);
    ck_assert_uint_eq(script_view(&script, "other").held, 1);
}
END_TEST

START_TEST(nobody_can_give_back_what_is_not_his)
{
    script_acquire_some(&script, 1, 11, 0, 3);
    script_acquire(&script, 2, 21, -1);
    script_forget(&script);
    script_release(&script, 2, 22, 11); /* s1's. */
    script_release(&script, 2, 23, 21); /* It still waits. */
    script_release(&script, 2, 24, 99);
    script_release(&script, 1, 12, 11);
    script_release(&script, 1, 13, 11); /* Twice. */
    script_expect(&script, "[   0] s2 r22 NOT_HELD\n"
                           "[   0] s2 r23 NOT_HELD\n"
                           "[   0] s2 r24 NOT_HELD\n"
                           "[   0] s1 r12 OK\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s1 r13 NOT_HELD\n");
}
END_TEST

START_TEST(who_releases_a_lost_grant_learns_it)
{
    script_acquire_hold(&script, 1, 11, 0, 100);
    script_forget(&script);
    script_tick(&script, 100);
    script_release(&script, 1, 12, 11);
    script_release(&script, 1, 13, 11); /* As often as he asks. */
    script_cancel(&script, 1, 14, 11);
    script_expect(&script, "[ 100] s1 r11 LOST hold\n"
                           "[ 100] s1 r12 EXPIRED\n"
                           "[ 100] s1 r13 EXPIRED\n"
                           "[ 100] s1 r14 OK NOT_FOUND\n");
    ck_assert_uint_eq(script_view(&script, "jobs").lost_total[0], 1);
}
END_TEST

START_TEST(the_oldest_lost_grant_is_forgotten_first)
{
    for (uint64_t i = 0; i < 5; i++) { /* max_lost is 4. */
        script_acquire_hold(&script, 1, 11 + i, 0, 10);
        script_tick(&script, 10 * (i + 1));
    }
    script_forget(&script);
    script_release(&script, 1, 21, 11);
    script_release(&script, 1, 22, 12);
    script_release(&script, 1, 23, 15);
    script_expect(&script, "[  50] s1 r21 NOT_HELD\n"
                           "[  50] s1 r22 EXPIRED\n"
                           "[  50] s1 r23 EXPIRED\n");
}
END_TEST

START_TEST(fences_grow_with_every_grant_and_over_deletion)
{
    uint64_t fence = script.session_ids[4];

    for (uint64_t i = 0; i < 10; i++) {
        script_acquire(&script, 1, 11 + i, 0);
        ck_assert_uint_gt(script_view(&script, "jobs").fence, fence);
        fence = script_view(&script, "jobs").fence;
        script_release(&script, 1, 31 + i, 11 + i);
        script_delete(&script, "jobs", false, 0);
        script_bounded(&script, "jobs", 3);
    }
}
END_TEST

START_TEST(what_is_consumed_never_comes_back)
{
    script_delete(&script, "jobs", false, 0);
    script_counting(&script, "jobs", 2);
    script_forget(&script);
    script_consume(&script, 1, 11, 0, 2);
    script_consume(&script, 2, 21, -1, 1);
    script_release(&script, 1, 12, 11);
    script_post(&script, "jobs", 3);
    script_release(&script, 2, 22, 21);
    script_end(&script, 2);
    script_expect(&script, "[   0] s1 r11 GRANTED\n"
                           "[   0] s1 r12 NOT_HELD\n"
                           "[   0] s2 r21 GRANTED\n"
                           "[   0] s0 r3 OK available 2\n"
                           "[   0] s2 r22 NOT_HELD\n"
                           "[   0] s2 ENDED by client\n");
    ck_assert_uint_eq(script_view(&script, "jobs").held, 0);
    ck_assert_uint_eq(script_view(&script, "jobs").available, 2);
    ck_assert_uint_eq(script_view(&script, "jobs").grants_total, 2);
}
END_TEST

/* threading.Semaphore and BoundedSemaphore of Python, as DESIGN.md has them: a
 * script of letters, t: try, w: wait, c: cancel the wait, r: release the oldest
 * grant, p: post 1; what is left afterwards. */
static const struct {
    enum engine_kind kind;
    uint32_t fields;
    uint32_t permits;
    const char *steps;
    const char *expected;
    uint64_t available;
} python_cases[] = {
    /* The value starts at 1, and never goes below 0. */
    {ENGINE_BOUNDED, ENGINE_FIELD_KIND, 0, "tt",
     "[   0] s1 r1 GRANTED\n"
     "[   0] s1 r2 WOULD_BLOCK position 1 lacks 1\n",
     0},
    {ENGINE_COUNTING, ENGINE_FIELD_KIND, 0, "tt",
     "[   0] s1 r1 GRANTED\n"
     "[   0] s1 r2 WOULD_BLOCK position 1 lacks 1\n",
     0},
    {ENGINE_COUNTING, ENGINE_FIELD_KIND | ENGINE_FIELD_PERMITS, 0, "tpt",
     "[   0] s1 r1 WOULD_BLOCK position 1 lacks 1\n"
     "[   0] s0 r2 OK available 1\n"
     "[   0] s1 r3 GRANTED\n",
     0},
    /* A bounded over-release is an error; a counting one may rise. */
    {ENGINE_BOUNDED, ENGINE_FIELD_KIND, 0, "p", "[   0] s0 r1 INVALID\n", 1},
    {ENGINE_COUNTING, ENGINE_FIELD_KIND, 0, "p",
     "[   0] s0 r1 OK available 2\n", 2},
    {ENGINE_BOUNDED, ENGINE_FIELD_KIND, 0, "trr",
     "[   0] s1 r1 GRANTED\n"
     "[   0] s1 r2 OK\n"
     "[   0] s1 r3 NOT_HELD\n",
     1},
    /* A release wakes exactly one; a cancelled waiter takes no permit along
     * (the race of grant and cancel in asyncio). */
    {ENGINE_BOUNDED, ENGINE_FIELD_KIND, 0, "twwrc",
     "[   0] s1 r1 GRANTED\n"
     "[   0] s1 r4 OK\n"
     "[   0] s1 r2 GRANTED\n"
     "[   0] s1 r3 CANCELLED\n"
     "[   0] s1 r5 OK CANCELLED\n",
     0},
    {ENGINE_COUNTING, ENGINE_FIELD_KIND, 0, "twcp",
     "[   0] s1 r1 GRANTED\n"
     "[   0] s1 r2 CANCELLED\n"
     "[   0] s1 r3 OK CANCELLED\n"
     "[   0] s0 r4 OK available 1\n",
     1},
    /* locked() is true also because somebody waits, not only at 0. */
    {ENGINE_COUNTING, ENGINE_FIELD_KIND, 0, "twpt",
     "[   0] s1 r1 GRANTED\n"
     "[   0] s1 r2 GRANTED\n"
     "[   0] s0 r3 OK available 0\n"
     "[   0] s1 r4 WOULD_BLOCK position 1 lacks 1\n",
     0},
};

START_TEST(it_behaves_as_pythons_semaphores)
{
    struct engine_definition definition = {
        .fields = python_cases[_i].fields,
        .kind = python_cases[_i].kind,
        .permits = python_cases[_i].permits,
    };
    uint64_t oldest = 1;
    uint64_t latest = 0;
    uint64_t id = 0;

    script_delete(&script, "jobs", false, 0);
    script_define(&script, "jobs", &definition);
    script_forget(&script);
    for (const char *step = python_cases[_i].steps; *step != '\0'; step++) {
        id++;
        if (*step == 't' || *step == 'w') {
            script_acquire(&script, 1, id, *step == 't' ? 0 : -1);
            latest = id;
        } else if (*step == 'c') {
            script_cancel(&script, 1, id, latest);
        } else if (*step == 'r') {
            script_release(&script, 1, id, oldest);
        } else {
            struct engine_event event = {.type = ENGINE_POST, .request_id = id};
            event.post.semaphore = "jobs";
            event.post.permits = 1;
            script_apply(&script, &event);
        }
    }
    script_expect(&script, python_cases[_i].expected);
    ck_assert_uint_eq(script_view(&script, "jobs").available,
                      python_cases[_i].available);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_release");
    TCase *tcase = tcase_create("release");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_grant_can_be_given_back_in_parts);
    tcase_add_test(tcase,
                   giving_back_more_than_the_grant_holds_changes_nothing);
    tcase_add_test(tcase, nobody_can_give_back_what_is_not_his);
    tcase_add_test(tcase, who_releases_a_lost_grant_learns_it);
    tcase_add_test(tcase, the_oldest_lost_grant_is_forgotten_first);
    tcase_add_test(tcase, fences_grow_with_every_grant_and_over_deletion);
    tcase_add_test(tcase, what_is_consumed_never_comes_back);
    tcase_add_loop_test(tcase, it_behaves_as_pythons_semaphores, 0,
                        sizeof(python_cases) / sizeof(python_cases[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
