/* SPDX-License-Identifier: MIT */
#include "duration.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

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

static const struct {
    int64_t ms;
    const char *text;
} printed[] = {{0, "0s"},
               {1, "1ms"},
               {1500, "1500ms"},
               {2000, "2s"},
               {90000, "90s"},
               {120000, "2m"},
               {7200000, "2h"},
               {172800000, "2d"},
               {DURATION_INF, "inf"},
               {86400001, "86400001ms"}};

START_TEST(a_duration_is_written_as_it_is_read)
{
    char text[DURATION_TEXT_BYTES];
    int64_t ms;

    ck_assert_str_eq(duration_print(text, printed[_i].ms), printed[_i].text);
    ck_assert(duration_parse(text, &ms));
    ck_assert_int_eq(ms, printed[_i].ms);
}
END_TEST

static const struct {
    const char *text;
    uint32_t rate;
    uint64_t per_ms;
    const char *written;
} rates[] = {
    {"100/s", 100, 1000, "100/s"},
    {"1/m", 1, 60000, "1/m"},
    {"5/250ms", 5, 250, "5/250ms"},
    {"7/1ms", 7, 1, "7/1ms"},
    {"1000/d", 1000, 86400000, "1000/d"},
    {"3/24h", 3, 86400000, "3/d"},
    {"3/1.5", 3, 1500, "3/1500ms"},
    {"3/1.00000000000000000000000000000000h", 3, 3600000, "3/h"},
    {"2147483647/366d", 2147483647, UINT64_C(31622400000), "2147483647/366d"},
};

START_TEST(a_rate_is_read_and_written)
{
    char text[RATE_TEXT_BYTES];
    uint32_t rate;
    uint64_t per_ms;

    ck_assert_ptr_null(rate_parse(rates[_i].text, &rate, &per_ms));
    ck_assert_uint_eq(rate, rates[_i].rate);
    ck_assert_uint_eq(per_ms, rates[_i].per_ms);
    ck_assert_str_eq(rate_print(text, rate, per_ms), rates[_i].written);
}
END_TEST

static const struct {
    const char *text;
    const char *wrong;
} wrong_rates[] = {
    {"", "N/UNIT"},
    {"100", "N/UNIT"},
    {"/s", "N/UNIT"},
    {"-1/s", "N/UNIT"},
    {"+1/s", "N/UNIT"},
    {" 1/s", "N/UNIT"},
    {"1.5/s", "N/UNIT"},
    {"1 /s", "N/UNIT"},
    {"0/s", "1 to 2147483647"},
    {"2147483648/s", "1 to 2147483647"},
    {"99999999999999999999/s", "1 to 2147483647"},
    {"1/", "a duration"},
    {"1/ms", "a duration"},
    {"1/ss", "a duration"},
    {"1/week", "a duration"},
    {"1/s/s", "a duration"},
    {"1/-1s", "a duration"},
    {"1/inf", "366d"},
    {"1/1.00000000000000000000000000000d1", "a duration"},
    {"1/0s", "366d"},
    {"1/367d", "366d"},
    {"1/9999999999999999999999999999999999999999d", "a duration"},
};

START_TEST(what_is_no_rate_is_told_what_one_is)
{
    uint32_t rate = 7;
    uint64_t per_ms = 7;
    const char *wrong = rate_parse(wrong_rates[_i].text, &rate, &per_ms);

    ck_assert_ptr_nonnull(wrong);
    ck_assert_msg(strstr(wrong, wrong_rates[_i].wrong) != NULL, "%s", wrong);
    ck_assert(rate == 7 && per_ms == 7);
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
    tcase_add_loop_test(tcase, a_duration_is_written_as_it_is_read, 0,
                        sizeof(printed) / sizeof(printed[0]));
    tcase_add_loop_test(tcase, a_rate_is_read_and_written, 0,
                        sizeof(rates) / sizeof(rates[0]));
    tcase_add_loop_test(tcase, what_is_no_rate_is_told_what_one_is, 0,
                        sizeof(wrong_rates) / sizeof(wrong_rates[0]));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
