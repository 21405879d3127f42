/* SPDX-License-Identifier: MIT */
#include "shares.h"

#include <check.h>
#include <stdlib.h>

#define SESSIONS 7u
#define SEMAPHORES 11u
#define PAIRS (SESSIONS * SEMAPHORES)

static struct shares shares;

static void setup(void)
{
    ck_assert(shares_init(&shares, PAIRS, 12345));
}

static void teardown(void)
{
    shares_deinit(&shares);
}

START_TEST(a_pair_holds_what_was_added_less_what_went)
{
    ck_assert_uint_eq(shares_get(&shares, 1, 2), 0);
    shares_add(&shares, 1, 2, 3);
    shares_add(&shares, 1, 2, 4);
    shares_add(&shares, 2, 1, 1);
    ck_assert_uint_eq(shares_get(&shares, 1, 2), 7);
    ck_assert_uint_eq(shares_get(&shares, 2, 1), 1);
    ck_assert_uint_eq(shares_get(&shares, 1, 1), 0);
    shares_sub(&shares, 1, 2, 5);
    ck_assert_uint_eq(shares_get(&shares, 1, 2), 2);
    ck_assert_uint_eq(shares_check(&shares), 2);
    shares_sub(&shares, 1, 2, 2);
    ck_assert_uint_eq(shares_get(&shares, 1, 2), 0);
    ck_assert_uint_eq(shares_check(&shares), 1);
}
END_TEST

START_TEST(a_sum_is_wider_than_permits)
{
    for (int i = 0; i < 3; i++) {
        shares_add(&shares, UINT32_MAX, UINT32_MAX, 2147483647);
    }
    ck_assert_uint_eq(shares_get(&shares, UINT32_MAX, UINT32_MAX),
                      3 * UINT64_C(2147483647));
}
END_TEST

START_TEST(all_pairs_fit_and_come_and_go)
{
    static uint64_t held[SESSIONS][SEMAPHORES];
    uint64_t random = 1 + (uint64_t)_i;

    for (int step = 0; step < 5000; step++) {
        uint32_t session;
        uint32_t semaphore;
        uint32_t permits;
        uint64_t *of_pair;
        random = random * UINT64_C(6364136223846793005) + 1442695;
        session = (uint32_t)(random >> 33) % SESSIONS;
        semaphore = (uint32_t)(random >> 40) % SEMAPHORES;
        permits = 1 + (uint32_t)(random >> 60);
        of_pair = &held[session][semaphore];
        if (*of_pair > 0 && step / 500 % 2 == 1) {
            permits = *of_pair < permits ? (uint32_t)*of_pair : permits;
            shares_sub(&shares, session + 1, semaphore + 1, permits);
            *of_pair -= permits;
        } else {
            shares_add(&shares, session + 1, semaphore + 1, permits);
            *of_pair += permits;
        }
        ck_assert_uint_eq(shares_get(&shares, session + 1, semaphore + 1),
                          *of_pair);
    }
    for (uint32_t i = 0; i < PAIRS; i++) {
        uint64_t *of_pair = &held[i % SESSIONS][i / SESSIONS];
        shares_add(&shares, i % SESSIONS + 1, i / SESSIONS + 1, 1);
        *of_pair += 1;
    }
    ck_assert_uint_eq(shares_check(&shares), PAIRS);
    for (uint32_t i = 0; i < PAIRS; i++) {
        uint64_t of_pair = held[i % SESSIONS][i / SESSIONS];
        shares_sub(&shares, i % SESSIONS + 1, i / SESSIONS + 1,
                   (uint32_t)of_pair);
        ck_assert_uint_eq(shares_check(&shares), PAIRS - 1 - i);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shares");
    TCase *tcase = tcase_create("shares");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_pair_holds_what_was_added_less_what_went);
    tcase_add_test(tcase, a_sum_is_wider_than_permits);
    tcase_add_loop_test(tcase, all_pairs_fit_and_come_and_go, 0, 3);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
