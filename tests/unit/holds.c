/* SPDX-License-Identifier: MIT */
#include "holds.h"

#include <check.h>
#include <stdlib.h>

static struct holds holds;

static void add(int count, uint32_t permits, int64_t held_ms)
{
    for (int i = 0; i < count; i++) {
        holds_add(&holds, permits, held_ms);
    }
}

static uint64_t estimate(uint64_t missing, uint64_t capacity)
{
    uint64_t wait_ms = 0;

    ck_assert(holds_estimate(&holds, missing, capacity, &wait_ms));
    return wait_ms;
}

START_TEST(nothing_is_promised_without_data)
{
    uint64_t wait_ms = 17;

    add(LIMIT_HOLDS_MIN - 1, 1, 1000);
    ck_assert(!holds_estimate(&holds, 1, 1, &wait_ms));
    add(1, 1, 1000);
    ck_assert(!holds_estimate(&holds, 1, 0, &wait_ms));
    ck_assert_uint_eq(wait_ms, 17);
    ck_assert_uint_eq(estimate(1, 1), 1000);
}
END_TEST

START_TEST(an_estimate_is_the_mean_of_permits_rounded_up)
{
    add(30, 1, 100);
    ck_assert_uint_eq(estimate(0, 1), 0);
    ck_assert_uint_eq(estimate(6, 3), 200);
    ck_assert_uint_eq(estimate(1, 3), 34);
    add(1, 10, 0); /* 3,000 ms over 40 permits: 75. */
    ck_assert_uint_eq(estimate(1, 1), 75);
    add(1, 1, 1); /* 3,001 over 41: 73 and 8 / 41. */
    ck_assert_uint_eq(estimate(1, 1), 74);
    ck_assert_uint_eq(estimate(41, 1), 3001);
    ck_assert_uint_eq(estimate(41, 3001), 1);
    ck_assert_uint_eq(estimate(41, 3000), 2);
}
END_TEST

START_TEST(only_the_latest_holds_count)
{
    add(LIMIT_HOLDS, 3, 5000);
    add(LIMIT_HOLDS - 1, 1, 10);
    ck_assert_uint_eq(estimate(1002, 1), 24990); /* 24,990 over 1,002. */
    add(1, 1, 10);
    ck_assert_uint_eq(estimate(1, 1), 10);
    add(3 * LIMIT_HOLDS, 2, 7);
    ck_assert_uint_eq(holds.count, LIMIT_HOLDS);
    ck_assert_uint_eq(estimate(1, 1), 7);
}
END_TEST

START_TEST(the_largest_holds_overflow_nothing)
{
    add(LIMIT_HOLDS, LIMIT_PERMITS_MAX, INT64_MAX);
    ck_assert_uint_eq(estimate(1, 1), HOLDS_MS_MAX);
    ck_assert_uint_eq(estimate(UINT64_MAX, 1), INT64_MAX);
    ck_assert_uint_eq(estimate(UINT64_MAX, UINT64_MAX), HOLDS_MS_MAX);
    ck_assert_uint_eq(estimate(UINT64_C(1) << 31, 1),
                      (UINT64_C(1) << 31) * HOLDS_MS_MAX);
    add(LIMIT_HOLDS, 1, 0);
    ck_assert_uint_eq(estimate(UINT64_MAX, 1), 0);
    add(1, 1, 1);
    ck_assert_uint_eq(estimate(UINT64_MAX, 1), UINT64_MAX / LIMIT_HOLDS + 1);
}
END_TEST

START_TEST(the_sums_are_those_of_what_is_kept)
{
    uint64_t random = 1;

    for (int i = 0; i < 10000; i++) {
        uint64_t permits = 0;
        uint64_t permits_ms = 0;

        random = random * UINT64_C(6364136223846793005) + 1442695;
        add(1, 1 + (uint32_t)(random >> 60), (int64_t)(random >> 30) % 100000);
        if (i % 97 != 0 || i < LIMIT_HOLDS_MIN) {
            continue;
        }
        for (uint32_t slot = 0; slot < holds.count; slot++) {
            permits += holds.latest[slot].permits;
            permits_ms += (uint64_t)holds.latest[slot].permits *
                          holds.latest[slot].held_ms;
        }
        ck_assert_uint_eq(estimate(7, 3),
                          (7 * permits_ms + 3 * permits - 1) / (3 * permits));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("holds");
    TCase *tcase = tcase_create("holds");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, nothing_is_promised_without_data);
    tcase_add_test(tcase, an_estimate_is_the_mean_of_permits_rounded_up);
    tcase_add_test(tcase, only_the_latest_holds_count);
    tcase_add_test(tcase, the_largest_holds_overflow_nothing);
    tcase_add_test(tcase, the_sums_are_those_of_what_is_kept);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
