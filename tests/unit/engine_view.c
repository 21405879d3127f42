/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

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

static const char *const names[] = {"b/2", "a",  "b/10", "b",    "c",
                                    "b/1", "b0", "B",    "b/1/x"};

static const struct {
    const char *prefix;
    size_t offset;
    size_t views_max;
    const char *expected;
    size_t total;
} prefix_cases[] = {
    {"", 0, 20, "B a b b/1 b/1/x b/10 b/2 b0 c ", 9},
    {"", 2, 3, "b b/1 b/1/x ", 9},
    {"", 9, 3, "", 9},
    {"", SIZE_MAX, 3, "", 9},
    {"b", 0, 20, "b b/1 b/1/x b/10 b/2 b0 ", 6},
    {"b/", 0, 20, "b/1 b/1/x b/10 b/2 ", 4},
    {"b/", 3, 20, "b/2 ", 4},
    {"b/1", 1, 1, "b/1/x ", 3},
    {"b/2", 0, 0, "", 1},
    {"c", 0, 20, "c ", 1},
    {"c0", 0, 20, "", 0},
    {"A", 0, 20, "", 0},
    {"zz", 0, 20, "", 0},
};

START_TEST(semaphores_are_listed_by_prefix_in_the_order_of_their_names)
{
    struct engine_semaphore_view views[20];
    char text[200] = "";
    size_t total;
    size_t count;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        script_bounded(&script, names[i], 1);
    }
    count = engine_view_semaphores(script.engine, prefix_cases[_i].prefix,
                                   prefix_cases[_i].offset, views,
                                   prefix_cases[_i].views_max, &total);
    for (size_t i = 0; i < count; i++) {
        (void)strcat(strcat(text, views[i].name), " ");
    }
    ck_assert_str_eq(text, prefix_cases[_i].expected);
    ck_assert_uint_eq(total, prefix_cases[_i].total);
}
END_TEST

START_TEST(holders_and_waiters_are_listed_in_order_and_in_pages)
{
    struct engine_grant_view grants[2];
    struct engine_waiter_view waiters[2];
    struct engine_waiter_view one;
    struct engine_obstacle obstacle;
    size_t total;

    script_bounded(&script, "jobs", 3);
    for (int i = 1; i <= 6; i++) {
        script.now_ns = (uint64_t)i;
        script_acquire(&script, i, (uint64_t)i * 11, -1);
    }
    script_release(&script, 1, 12, 11); /* s4 is the newest holder. */
    script_acquire_some(&script, 1, 13, 50, 2);
    ck_assert_uint_eq(
        engine_view_holders(script.engine, "jobs", 1, grants, 2, &total), 2);
    ck_assert_uint_eq(total, 3);
    ck_assert_uint_eq(grants[0].acquire_id, 33);
    ck_assert_uint_eq(grants[1].acquire_id, 44);
    ck_assert_uint_eq(grants[1].granted_ns, 6);
    ck_assert_uint_eq(
        engine_view_waiters(script.engine, "jobs", 1, waiters, 2, &total), 2);
    ck_assert_uint_eq(total, 3);
    ck_assert_uint_eq(waiters[0].acquire_id, 66);
    ck_assert_uint_eq(waiters[0].position, 2);
    ck_assert_uint_eq(waiters[0].deadline_ns, TIME_NEVER);
    ck_assert_uint_eq(waiters[1].acquire_id, 13);
    ck_assert_uint_eq(waiters[1].parts[0].permits, 2);
    ck_assert_uint_eq(waiters[1].deadline_ns, 6 + 50 * NS_PER_MS);
    ck_assert(engine_view_waiter(script.engine, script.session_ids[1], 13, &one,
                                 &obstacle));
    ck_assert_uint_eq(one.position, 3);
    ck_assert_uint_eq(one.acquire_id, 13);
    ck_assert_uint_eq(one.queued_ns, 6);
    ck_assert_uint_eq(script_view(&script, "jobs").waiting_permits, 4);
    ck_assert_uint_eq(script_view(&script, "jobs").oldest_wait_ns, 5);
    ck_assert_uint_eq(script_view(&script, "jobs").oldest_hold_ns, 2);
    ck_assert_uint_eq(
        engine_view_holders(script.engine, "jobs", 3, grants, 2, &total), 0);
    ck_assert_uint_eq(
        engine_view_waiters(script.engine, "none", 0, waiters, 2, &total), 0);
    ck_assert_uint_eq(total, 0);
}
END_TEST

START_TEST(what_is_not_there_is_not_shown)
{
    struct engine_semaphore_view semaphore;
    struct engine_grant_view grant;
    struct engine_waiter_view waiter;
    struct engine_obstacle obstacle;
    struct engine_session_view of_session;
    uint64_t session;
    size_t total;

    script_bounded(&script, "jobs", 1);
    script_acquire(&script, 1, 11, 0);
    script_acquire(&script, 2, 21, -1);
    session = script.session_ids[1];
    ck_assert(!engine_view_semaphore(script.engine, "job", &semaphore));
    ck_assert(
        !engine_view_waiter(script.engine, session, 11, &waiter, &obstacle));
    ck_assert(!engine_view_grant(script.engine, session, 12, &grant));
    ck_assert(!engine_view_grant(script.engine, 12345, 11, &grant));
    ck_assert(
        !engine_view_grant(script.engine, script.session_ids[2], 21, &grant));
    ck_assert(engine_view_grant(script.engine, session, 11, &grant));
    ck_assert_uint_eq(
        engine_view_holders(script.engine, "job", 0, &grant, 1, &total), 0);
    ck_assert_uint_eq(total, 0);
    ck_assert(!engine_view_session(script.engine, 12345, &of_session));
    ck_assert_uint_eq(
        engine_view_session_grants(script.engine, 12345, 0, &grant, 1, &total),
        0);
    ck_assert_uint_eq(total, 0);
}
END_TEST

START_TEST(the_grants_of_a_session_are_listed_in_order_and_in_pages)
{
    struct engine_grant_view grants[2];
    uint64_t session = script.session_ids[1];
    size_t total;

    script_bounded(&script, "jobs", 4);
    for (uint64_t id = 11; id <= 13; id++) {
        script_acquire(&script, 1, id, 0);
    }
    script_acquire(&script, 2, 21, 0); /* Another's. */
    ck_assert_uint_eq(engine_view_session_grants(script.engine, session, 1,
                                                 grants, 1, &total),
                      1);
    ck_assert_uint_eq(total, 3);
    ck_assert_uint_eq(grants[0].acquire_id, 12);
    ck_assert_uint_eq(engine_view_session_grants(script.engine, session, 2,
                                                 grants, 2, &total),
                      1);
    ck_assert_uint_eq(grants[0].acquire_id, 13);
    ck_assert_uint_eq(engine_view_session_grants(script.engine, session, 4,
                                                 grants, 2, &total),
                      0);
    ck_assert_uint_eq(total, 3);
}
END_TEST

START_TEST(names_of_every_length_are_kept_whole)
{
    char name[LIMIT_NAME_BYTES_MAX + 1];

    for (int round = 0; round < 2; round++) {
        for (size_t length = 1; length <= LIMIT_NAME_BYTES_MAX; length++) {
            struct engine_semaphore_view view;
            memset(name, 'n', sizeof(name));
            name[length] = '\0';
            script_bounded(&script, name, (uint32_t)length);
            view = script_view(&script, name);
            ck_assert_str_eq(view.name, name);
            ck_assert_uint_eq(view.definition.permits, length);
            if (length > 8) { /* 16 at once, of mixed lengths. */
                name[length - 8] = '\0';
                script_delete(&script, name, false, 0);
            }
        }
        for (size_t length = LIMIT_NAME_BYTES_MAX - 7;
             length <= LIMIT_NAME_BYTES_MAX; length++) {
            memset(name, 'n', sizeof(name));
            name[length] = '\0';
            script_delete(&script, name, false, 0);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_view");
    TCase *tcase = tcase_create("view");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(
        tcase, semaphores_are_listed_by_prefix_in_the_order_of_their_names, 0,
        sizeof(prefix_cases) / sizeof(prefix_cases[0]));
    tcase_add_test(tcase, holders_and_waiters_are_listed_in_order_and_in_pages);
    tcase_add_test(tcase, what_is_not_there_is_not_shown);
    tcase_add_test(tcase,
                   the_grants_of_a_session_are_listed_in_order_and_in_pages);
    tcase_add_test(tcase, names_of_every_length_are_kept_whole);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
