/* SPDX-License-Identifier: MIT */

/* The pace of a client's attempts. Its time is the test's. */

#include "backoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#define MS INT64_C(1000000)
#define S (1000 * MS)
#define TEN_MINUTES (600 * S)

static struct backoff backoff;

static void setup(void)
{
    backoff_init(&backoff, 1);
}

/* An attempt that takes no time. */
static void fail_at(int64_t now_ns)
{
    backoff_begin(&backoff);
    backoff_end(&backoff, now_ns, 0, PERMIT_E_DISCONNECTED, "nobody is there");
}

START_TEST(nothing_is_refused_before_an_attempt_failed)
{
    ck_assert(!backoff_refuses(&backoff, 0));
    ck_assert_int_le(backoff_next_ns(&backoff), 0);
    backoff_begin(&backoff);
    /* Callers join the first one. */
    ck_assert(!backoff_refuses(&backoff, 5 * S));
    ck_assert_int_eq(backoff_next_ns(&backoff), CORE_NEVER);
}
END_TEST

START_TEST(a_failure_refuses_until_the_interval_is_over)
{
    int64_t next_ns;

    for (int i = 0; i < 8; i++) { /* So that it is no empty interval. */
        fail_at(7 * S);
    }
    next_ns = backoff_next_ns(&backoff);
    ck_assert_int_gt(next_ns, 7 * S);
    ck_assert(backoff_refuses(&backoff, 7 * S));
    ck_assert(backoff_refuses(&backoff, next_ns - 1));
    ck_assert_int_eq(backoff.status, PERMIT_E_DISCONNECTED);
    ck_assert_str_eq(backoff.text, "nobody is there");
    ck_assert_int_eq(backoff_refuses_ms(&backoff, next_ns - 5 * MS), 5);
    ck_assert_int_eq(backoff_refuses_ms(&backoff, next_ns - 5 * MS - 1), 6);
    ck_assert_int_eq(backoff_refuses_ms(&backoff, next_ns - 1), 1);
    ck_assert_int_eq(backoff_refuses_ms(&backoff, next_ns), 0);
    ck_assert(!backoff_refuses(&backoff, next_ns));
    backoff_begin(&backoff);
    /* One caller pays for it, nobody joins. */
    ck_assert(backoff_refuses(&backoff, next_ns + 1));
    ck_assert_int_eq(backoff_refuses_ms(&backoff, next_ns - 1), 0);
    ck_assert_int_eq(backoff_next_ns(&backoff), CORE_NEVER);
}
END_TEST

START_TEST(one_success_forgets_all)
{
    for (int i = 0; i < 20; i++) {
        fail_at(0);
    }
    backoff_begin(&backoff);
    backoff_succeed(&backoff);
    ck_assert(!backoff_refuses(&backoff, 0));
    fail_at(S);
    ck_assert_int_le(backoff_next_ns(&backoff), S + 100 * MS);
}
END_TEST

START_TEST(the_end_of_a_session_refuses_nobody)
{
    int64_t most_ns = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        backoff_init(&backoff, seed);
        backoff_begin(&backoff);
        backoff_succeed(&backoff);
        backoff_end(&backoff, S, 0, PERMIT_E_DISCONNECTED, "it broke");
        ck_assert(!backoff_refuses(&backoff, S));
        /* But those that nobody calls do not come all at once. */
        ck_assert_int_ge(backoff_next_ns(&backoff), S);
        ck_assert_int_le(backoff_next_ns(&backoff), S + 100 * MS);
        if (backoff_next_ns(&backoff) > most_ns) {
            most_ns = backoff_next_ns(&backoff);
        }
    }
    ck_assert_int_gt(most_ns, S + 90 * MS);
}
END_TEST

START_TEST(goaway_says_how_long_to_stay_away)
{
    backoff_begin(&backoff);
    backoff_succeed(&backoff);
    backoff_end(&backoff, S, 3000, PERMIT_E_DISCONNECTED, "it shuts down");
    ck_assert(backoff_refuses(&backoff, 4 * S - 1));
    ck_assert_str_eq(backoff.text, "it shuts down");
    ck_assert(!backoff_refuses(&backoff, 4 * S));
    ck_assert_int_ge(backoff_next_ns(&backoff), 4 * S);
    ck_assert_int_le(backoff_next_ns(&backoff), 4 * S + 100 * MS);
    /* Before Welcome too: and chance comes on top of it. */
    backoff_begin(&backoff);
    backoff_end(&backoff, 4 * S, 3000, PERMIT_E_DISCONNECTED, "not yet");
    ck_assert(backoff_refuses(&backoff, 7 * S - 1));
    ck_assert_int_ge(backoff_next_ns(&backoff), 7 * S);
    ck_assert_int_le(backoff_next_ns(&backoff), 7 * S + 100 * MS);
    /* It holds for the line that it was said on. */
    fail_at(8 * S);
    ck_assert_int_le(backoff_next_ns(&backoff), 8 * S + 200 * MS);
}
END_TEST

START_TEST(goaway_cannot_end_a_client)
{
    backoff_begin(&backoff);
    backoff_end(&backoff, S, INT64_MAX, PERMIT_E_DISCONNECTED, "for ever");
    ck_assert(backoff_refuses(&backoff, 3600 * S));
    ck_assert(!backoff_refuses(&backoff, 3602 * S));
}
END_TEST

START_TEST(a_long_text_is_cut)
{
    char text[CORE_TEXT_BYTES + 10];

    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    backoff_begin(&backoff);
    backoff_end(&backoff, 0, 0, PERMIT_E_PROTOCOL, text);
    ck_assert_uint_eq(strlen(backoff.text), CORE_TEXT_BYTES - 1);
    ck_assert_int_eq(backoff.status, PERMIT_E_PROTOCOL);
}
END_TEST

/* How many of 10,000 clients come back in each tenth of the range. */
static void spread(int failures, int64_t range_ns, int *counts)
{
    memset(counts, 0, 10 * sizeof(*counts));
    for (uint64_t seed = 0; seed < 10000; seed++) {
        int64_t next_ns;

        backoff_init(&backoff, seed);
        for (int i = 0; i < failures; i++) {
            fail_at(S);
        }
        next_ns = backoff_next_ns(&backoff) - S;
        ck_assert_int_ge(next_ns, 0);
        ck_assert_int_le(next_ns, range_ns);
        counts[next_ns == range_ns ? 9 : next_ns * 10 / range_ns]++;
    }
}

START_TEST(clients_come_back_evenly_over_a_range_that_doubles)
{
    static const struct {
        int failures;
        int64_t range_ms;
    } cases[] = {{1, 100},   {2, 200},    {3, 400},   {4, 800},
                 {5, 1600},  {6, 3200},   {7, 6400},  {8, 10000},
                 {9, 10000}, {10, 10000}, {64, 10000}};
    int counts[10];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        spread(cases[i].failures, cases[i].range_ms * MS, counts);
        for (int j = 0; j < 10; j++) { /* 5 times what chance explains. */
            ck_assert_int_gt(counts[j], 850);
            ck_assert_int_lt(counts[j], 1150);
        }
    }
}
END_TEST

/* A daemon whose attempts take attempt_ns each, and a caller every
 * millisecond, for ten minutes. Returns how many of them waited for an attempt;
 * none waits for another's after the first. */
static int count_who_wait(uint64_t seed, int64_t attempt_ns)
{
    int64_t until_ns = 0; /* Of the attempt. */
    int who_wait = 0;

    backoff_init(&backoff, seed);
    for (int64_t now_ns = 0; now_ns < TEN_MINUTES; now_ns += MS) {
        if (backoff.is_trying && now_ns >= until_ns) {
            backoff_end(&backoff, until_ns, 0, PERMIT_E_DISCONNECTED, "");
        }
        if (backoff.failures > 0 && !backoff_refuses(&backoff, now_ns)) {
            ck_assert(!backoff.is_trying);
            who_wait++;
        }
        if (!backoff.is_trying && !backoff_refuses(&backoff, now_ns)) {
            backoff_begin(&backoff);
            until_ns = now_ns + attempt_ns;
        }
    }
    return who_wait;
}

/* In the mean half of 10 s lies between two attempts, so ten minutes have about
 * 120 intervals, and 60 if an attempt takes 5 s. */
START_TEST(one_caller_an_interval_waits_for_a_dead_daemon)
{
    for (uint64_t seed = 0; seed < 5; seed++) {
        int refused = count_who_wait(seed, 0);
        int black_hole = count_who_wait(seed, 5 * S);

        ck_assert_int_gt(refused, 80);
        ck_assert_int_lt(refused, 180);
        ck_assert_int_gt(black_hole, 40);
        ck_assert_int_lt(black_hole, 90);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_backoff");
    TCase *tcase = tcase_create("backoff");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, nothing_is_refused_before_an_attempt_failed);
    tcase_add_test(tcase, a_failure_refuses_until_the_interval_is_over);
    tcase_add_test(tcase, one_success_forgets_all);
    tcase_add_test(tcase, the_end_of_a_session_refuses_nobody);
    tcase_add_test(tcase, goaway_says_how_long_to_stay_away);
    tcase_add_test(tcase, goaway_cannot_end_a_client);
    tcase_add_test(tcase, a_long_text_is_cut);
    tcase_add_test(tcase, clients_come_back_evenly_over_a_range_that_doubles);
    tcase_add_test(tcase, one_caller_an_interval_waits_for_a_dead_daemon);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
