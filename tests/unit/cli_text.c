/* SPDX-License-Identifier: MIT */
/* Text for people: escapes, ages, tables, the line of progress. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "refusal.h"
#include "text.h"

static const struct {
    const char *text;
    const char *escaped;
} escape_cases[] = {
    {"alice@ci-4:812", "alice@ci-4:812"},
    {"", ""},
    {"a\tb\n", "a\\x09b\\x0a"},
    {"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"},
    {"\x1b]0;title\x07", "\\x1b]0;title\\x07"},
    {"del\x7f", "del\\x7f"},
    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    {"\xe2\x82\xac \xf0\x9f\x8e\x89", "\xe2\x82\xac \xf0\x9f\x8e\x89"},
    {"\xc2\x9b"
     "31m",
     "\\xc2\\x9b31m"},                   /* C1: CSI in one character. */
    {"\x80", "\\x80"},                   /* No beginning. */
    {"\xc3", "\\xc3"},                   /* No end. */
    {"\xc0\xaf", "\\xc0\\xaf"},          /* Overlong. */
    {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"}, /* Overlong. */
    {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* A surrogate. */
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* Past the last one. */
    {"\xe2\x80\xae"
     "gnp",
     "\\xe2\\x80\\xaegnp"},                       /* Right to left. */
    {"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},          /* So, too. */
    {"\xe2\x80\x8b", "\\xe2\\x80\\x8b"},          /* Nothing wide. */
    {"\xe0\x82\xa0", "\\xe0\\x82\\xa0"},          /* Overlong. */
    {"\xf0\x80\x82\xa0", "\\xf0\\x80\\x82\\xa0"}, /* Overlong. */
    {"\xf9\x80\x80\x80", "\\xf9\\x80\\x80\\x80"}, /* No beginning. */
};

START_TEST(what_a_peer_says_is_harmless)
{
    char buffer[64];

    ck_assert_str_eq(text_escape(buffer, sizeof(buffer), escape_cases[_i].text),
                     escape_cases[_i].escaped);
}
END_TEST

START_TEST(an_escaped_text_is_cut_between_characters)
{
    char buffer[8];

    ck_assert_str_eq(text_escape(buffer, 6, "abc\n"), "abc");
    ck_assert_str_eq(text_escape(buffer, 8, "abc\n"), "abc\\x0a");
    ck_assert_str_eq(text_escape(buffer, 5, "abc\xc3\xbc"), "abc");
    ck_assert_str_eq(text_escape(buffer, 1, "abc"), "");
}
END_TEST

static const struct {
    int64_t ms;
    const char *text;
} age_cases[] = {{-1, "-"},
                 {0, "0s"},
                 {999, "0s"},
                 {59999, "59s"},
                 {60000, "1m00s"},
                 {83000, "1m23s"},
                 {3599999, "59m59s"},
                 {3600000, "1h00m"},
                 {86399999, "23h59m"},
                 {86400000, "1d00h"},
                 {INT64_MAX, "106751991167d07h"}};

START_TEST(ages_have_two_units)
{
    char buffer[TEXT_AGE_BYTES];

    ck_assert_str_eq(text_age(buffer, sizeof(buffer), age_cases[_i].ms),
                     age_cases[_i].text);
}
END_TEST

START_TEST(a_table_is_aligned_by_characters)
{
    static const char *const columns[] = {"NAME", ">N", "LAST"};
    struct text_table *table = text_table_create(columns, 3);
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);

    ck_assert_ptr_nonnull(file);
    text_table_add(table, "gr\xc3\xbc\xc3\x9f");
    text_table_add(table, "7");
    text_table_add(table, "x");
    text_table_add(table, "a\n");
    text_table_add(table, "1000");
    text_table_add(table, "");
    ck_assert(text_table_print(table, file));
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_str_eq(text, "NAME      N  LAST\n"
                           "gr\xc3\xbc\xc3\x9f      7  x\n"
                           "a\\x0a  1000  \n");
    free(text);
    text_table_destroy(table);
}
END_TEST

static const struct {
    uint64_t position;
    const char *place;
} place_cases[] = {{1, "1st"},   {2, "2nd"},   {3, "3rd"},    {4, "4th"},
                   {11, "11th"}, {12, "12th"}, {13, "13th"},  {21, "21st"},
                   {22, "22nd"}, {23, "23rd"}, {111, "111th"}};

START_TEST(the_line_of_progress_names_place_and_oldest)
{
    const struct permit_client_info oldest = {.name = "alice@ci-4:812",
                                              .purpose = "make\x1b[1m"};
    const struct permit_waiting waiting = {.position = place_cases[_i].position,
                                           .queue_length = 200,
                                           .held = 8,
                                           .permits = 8,
                                           .oldest = &oldest,
                                           .oldest_held_ms = 600000};
    struct options options;
    char line[512];
    char expected[512];

    options_init(&options);
    options.semaphore = "builds";
    options.wait_ms = 300000;
    progress_format(line, sizeof(line), &options, &waiting, 83000);
    (void)snprintf(expected, sizeof(expected),
                   "permit: waiting for builds · %s of 200 · 8/8 held · "
                   "1m23s, gives up in 3m37s · oldest: alice@ci-4:812 "
                   "make\\x1b[1m (10m00s)",
                   place_cases[_i].place);
    ck_assert_str_eq(line, expected);
}
END_TEST

START_TEST(of_several_the_one_that_is_waited_for_is_shown)
{
    struct permit_waiting waiting = {.position = 1,
                                     .queue_length = 2,
                                     .permits = 100,
                                     .semaphore = "api",
                                     .retry_after_ms = 3000};
    struct options options;
    char line[512];

    options_init(&options);
    options.semaphore = "db";
    options.parts_count = 1;
    progress_format(line, sizeof(line), &options, &waiting, 2000);
    ck_assert_str_eq(line, "permit: waiting for api · 1st of 2 · 0/100 held · "
                           "2s · its turn in 3s");
}
END_TEST

static const struct permit_refusal behind = {.position = 3,
                                             .permits_in_the_way = 5,
                                             .retry_after_ms = 250,
                                             .semaphore = "db",
                                             .has_oldest = true,
                                             .oldest_name = "alice@ci-4:812",
                                             .oldest_purpose = "make",
                                             .oldest_held_ms = 601000};

START_TEST(a_refusal_says_what_is_in_the_way)
{
    const struct permit_refusal nothing = {.position = 0};
    const struct permit_refusal later = {.retry_after_ms = 83000};
    char text[REFUSAL_BYTES];
    cJSON *object = cJSON_CreateObject();
    char *json;

    ck_assert_str_eq(refusal_words(text, &nothing), "");
    ck_assert_str_eq(refusal_words(text, &later), "; try again after 1m23s");
    ck_assert_str_eq(refusal_words(text, &behind),
                     "; 5 in the way, 2 before it, the oldest: alice@ci-4:812 "
                     "make (10m01s); try again after 0.25s");
    ck_assert(refusal_add_json(object, &behind));
    json = cJSON_PrintUnformatted(object);
    ck_assert_str_eq(json, "{\"semaphore\":\"db\",\"position\":3,"
                           "\"permits_in_the_way\":5,\"oldest\":{\"name\":"
                           "\"alice@ci-4:812\",\"host\":\"\",\"pid\":0,"
                           "\"purpose\":\"make\",\"held_seconds\":601}}");
    cJSON_free(json);
    cJSON_Delete(object);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof(*(array))))

int main(void)
{
    TCase *tcase = tcase_create("text");
    Suite *suite = suite_create("cli_text");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(tcase, what_a_peer_says_is_harmless, 0,
                        COUNT(escape_cases));
    tcase_add_test(tcase, an_escaped_text_is_cut_between_characters);
    tcase_add_loop_test(tcase, ages_have_two_units, 0, COUNT(age_cases));
    tcase_add_test(tcase, a_table_is_aligned_by_characters);
    tcase_add_loop_test(tcase, the_line_of_progress_names_place_and_oldest, 0,
                        COUNT(place_cases));
    tcase_add_test(tcase, a_refusal_says_what_is_in_the_way);
    tcase_add_test(tcase, of_several_the_one_that_is_waited_for_is_shown);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
