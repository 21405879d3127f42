/* SPDX-License-Identifier: MIT */
#include "duration.h"

#include <check.h>
#include <stdlib.h>

static const struct {
    const char *text;
    bool is_valid;
    int64_t ms;
} cases[] = {
    {"0", true, 0},
    {"1.5", true, 1500},
    {"1.1", true, 1100},
    {"250ms", true, 250},
    {"0.2ms", true, 1},
    {"30s", true, 30000},
    {"5m", true, 300000},
    {"2h", true, 7200000},
    {"7d", true, 604800000},
    {"inf", true, DURATION_INF},
    {"9007199254740992ms", true, INT64_C(9007199254740992)},
    {"9007199254740994ms", false, 0},
    {"", false, 0},
    {"-1", false, 0},
    {"+1", false, 0},
    {" 1", false, 0},
    {"1 s", false, 0},
    {"1x", false, 0},
    {"0x10", false, 0},
    {"1e3", false, 0},
    {"1E3", false, 0},
    {"nan", false, 0},
    {"infinity", false, 0},
    {"1.2.3s", false, 0},
    {"s", false, 0},
};

START_TEST(a_duration_is_read_whole_or_not_at_all)
{
    int64_t ms = -7;

    ck_assert_int_eq(duration_parse(cases[_i].text, &ms), cases[_i].is_valid);
    ck_assert_int_eq(ms, cases[_i].is_valid ? cases[_i].ms : -7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("duration");
    TCase *tcase = tcase_create("parse");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, a_duration_is_read_whole_or_not_at_all, 0,
                        sizeof(cases) / sizeof(cases[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
