/* SPDX-License-Identifier: MIT */
#include "deadlines.h"

#include <check.h>
#include <stdlib.h>

#include "engine_limits.h"

#define COUNT 200

static struct deadlines deadlines;
static struct deadline items[COUNT];

static void setup(void)
{
    for (int i = 0; i < COUNT; i++) {
        items[i] = (struct deadline){0};
    }
    ck_assert(deadlines_init(&deadlines, COUNT));
}

static void teardown(void)
{
    deadlines_deinit(&deadlines);
}

START_TEST(at_one_instant_what_gives_back_is_first_then_what_was_set_first)
{
    deadlines_set(&deadlines, &items[0], DEADLINE_ENDS_WAIT, 5);
    deadlines_set(&deadlines, &items[1], DEADLINE_ENDS_WAIT, 5);
    deadlines_set(&deadlines, &items[2], DEADLINE_GIVES_BACK, 5);
    deadlines_set(&deadlines, &items[3], DEADLINE_GIVES_BACK, 5);
    deadlines_set(&deadlines, &items[4], DEADLINE_ENDS_WAIT, 4);
    deadlines_set(&deadlines, &items[2], DEADLINE_GIVES_BACK, 5); /* Anew. */
    for (int i = 0; i < 5; i++) {
        static const int order[] = {4, 3, 2, 0, 1};
        ck_assert_ptr_eq(deadlines_first(&deadlines), &items[order[i]]);
        deadlines_clear(&deadlines, &items[order[i]]);
    }
    ck_assert_ptr_null(deadlines_first(&deadlines));
}
END_TEST

START_TEST(one_that_moves_keeps_its_place_among_equals)
{
    deadlines_set(&deadlines, &items[0], DEADLINE_GIVES_BACK, 1);
    deadlines_set(&deadlines, &items[1], DEADLINE_GIVES_BACK, 9);
    deadlines_move(&deadlines, &items[0], 9);
    ck_assert_ptr_eq(deadlines_first(&deadlines), &items[0]);
    deadlines_move(&deadlines, &items[0], TIME_NEVER);
    ck_assert_ptr_eq(deadlines_first(&deadlines), &items[1]);
    deadlines_set(&deadlines, &items[1], DEADLINE_GIVES_BACK, TIME_NEVER);
    ck_assert_ptr_null(deadlines_first(&deadlines));
}
END_TEST

START_TEST(any_can_be_set_moved_and_cleared_and_the_first_is_the_least)
{
    uint64_t random = 1 + (uint64_t)_i;

    for (int round = 0; round < 2000; round++) {
        const struct deadline *least = NULL;
        struct deadline *item;
        random = random * UINT64_C(6364136223846793005) + 1442695;
        item = &items[(random >> 33) % COUNT];
        if ((random >> 20) % 3 == 0) {
            deadlines_clear(&deadlines, item);
        } else {
            deadlines_set(&deadlines, item, DEADLINE_GIVES_BACK,
                          (random >> 40) % 1000);
        }
        deadlines_check(&deadlines);
        for (int i = 0; i < COUNT; i++) {
            if (items[i].position != 0 &&
                (least == NULL || items[i].time_ns < least->time_ns)) {
                least = &items[i];
            }
        }
        ck_assert((least == NULL) == (deadlines_first(&deadlines) == NULL));
        ck_assert(least == NULL ||
                  deadlines_first(&deadlines)->time_ns == least->time_ns);
    }
}
END_TEST

static const struct {
    uint64_t time_ns;
    int64_t delay_ms;
    uint64_t expected;
} sum_cases[] = {
    {0, 0, 0},
    {5, 1, 1000005},
    {0, INT64_C(18446744073709), UINT64_C(18446744073709000000)},
    {551615, INT64_C(18446744073709), TIME_NEVER},
    {551614, INT64_C(18446744073709), TIME_NEVER - 1},
    {0, INT64_C(18446744073710), TIME_NEVER},
    {0, INT64_MAX, TIME_NEVER},
    {TIME_NEVER - 1, 1, TIME_NEVER},
};

START_TEST(sums_saturate)
{
    ck_assert_uint_eq(
        deadline_after_ms(sum_cases[_i].time_ns, sum_cases[_i].delay_ms),
        sum_cases[_i].expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deadlines");
    TCase *tcase = tcase_create("deadlines");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(
        tcase, at_one_instant_what_gives_back_is_first_then_what_was_set_first);
    tcase_add_test(tcase, one_that_moves_keeps_its_place_among_equals);
    tcase_add_loop_test(
        tcase, any_can_be_set_moved_and_cleared_and_the_first_is_the_least, 0,
        5);
    tcase_add_loop_test(tcase, sums_saturate, 0,
                        sizeof(sum_cases) / sizeof(sum_cases[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
