/* SPDX-License-Identifier: MIT */
/* Definitions in files: read, written, compared. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "definitions.h"

static char path[] = "/tmp/permit-definitions-XXXXXX";
static struct options options;

static bool load(const char *text, struct definitions *definitions)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    options_init(&options);
    return definitions_load(&options, path, definitions);
}

START_TEST(a_file_names_what_it_sets)
{
    struct definitions definitions;

    ck_assert(
        load("semaphores:\n"
             "  - {name: jobs, permits: 8, max_wait: 30m, shadow: false}\n"
             "  - {name: api, rate: 50/s, burst: 100}\n"
             "  - {name: \"team/*\", per_session: inf}\n",
             &definitions));
    ck_assert_uint_eq(definitions.count, 3);
    ck_assert_str_eq(definitions.rows[0].name, "api");
    ck_assert_int_eq(definitions.rows[0].fields.kind, PERMIT_RATE);
    ck_assert_uint_eq(definitions.rows[0].fields.per_ms, 1000);
    ck_assert_str_eq(definitions.rows[1].name, "jobs");
    ck_assert_uint_eq(definitions.rows[1].fields.fields,
                      PERMIT_DEFINE_PERMITS | PERMIT_DEFINE_MAX_WAIT |
                          PERMIT_DEFINE_SHADOW);
    ck_assert_int_eq(definitions.rows[1].fields.max_wait_ms, 1800000);
    ck_assert_str_eq(definitions.rows[2].name, "team/*");
    ck_assert_uint_eq(definitions.rows[2].fields.per_session, 0);
    definitions_deinit(&definitions);
}
END_TEST

START_TEST(an_empty_file_defines_nothing)
{
    struct definitions definitions;

    ck_assert(load("", &definitions));
    ck_assert_uint_eq(definitions.count, 0);
    definitions_deinit(&definitions);
    ck_assert(load("semaphores: []\n", &definitions));
    ck_assert_uint_eq(definitions.count, 0);
    definitions_deinit(&definitions);
}
END_TEST

#define ROW(keys) "semaphores:\n  - {name: jobs, " keys "}\n"

static const struct {
    const char *text;
    const char *error;
} wrong_cases[] = {
    {"listen: x\n", "line: 1"},
    {"semaphores: 5\n", "line: 1"},
    {ROW("odd: 1"), "line: 2"},
    {ROW("permits: [1]"), "line: 2"},
    {"semaphores:\n  - {permits: 1}\n", "line: 2"},
    {ROW("permits: -1"), "jobs: permits: '-1' is no number"},
    {ROW("permits: many"), "jobs: permits: 'many' is no number"},
    {ROW("rate: 0/s, burst: 1"), "jobs: rate: '0/s' must be of 1 to"},
    {ROW("rate: 1/s, burst: 0"), "jobs: burst: must be at least 1"},
    {ROW("rate: 1/s, permits: 1"), "jobs: kind: a rate has"},
    {ROW("kind: bounded, rate: 1/s"), "jobs: kind: only a rate has"},
    {ROW("kind: odd"), "jobs: kind: no such choice: 'odd'"},
    {ROW("slots: maybe"), "jobs: slots: must be true or false"},
    {ROW("max_wait: soon"), "jobs: max_wait: 'soon' is no duration"},
    {"semaphores:\n  - {name: \"*\"}\n",
     "*: name: a template has something before"},
    {"semaphores:\n  - {name: \"a b\"}\n", "a b: name: a name consists of"},
    {"semaphores:\n  - {name: a}\n  - {name: b}\n  - {name: a}\n",
     "a is there twice"},
};

START_TEST(what_makes_no_sense_is_told_with_its_place)
{
    struct definitions definitions;

    ck_assert(!load(wrong_cases[_i].text, &definitions));
    ck_assert_msg(strstr(options.error, wrong_cases[_i].error) != NULL, "%s",
                  options.error);
    ck_assert_msg(strncmp(options.error, path, strlen(path)) == 0, "%s",
                  options.error);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_told)
{
    struct definitions definitions;

    options_init(&options);
    ck_assert(!definitions_load(&options, "/nonexistent", &definitions));
    ck_assert_ptr_nonnull(strstr(options.error, "/nonexistent: "));
}
END_TEST

static const struct permit_semaphore_info infos[] = {
    {.name = "123",
     .kind = PERMIT_BOUNDED,
     .permits = 8,
     .max_queue = 100,
     .max_wait_ms = 1800000,
     .hold_ms = 14400000,
     .bypass = 2,
     .slots = true,
     .per_session = 3,
     .refuse_hopeless = true,
     .template_name = ""},
    {.name = "api",
     .kind = PERMIT_RATE,
     .rate = 5,
     .per_ms = 250,
     .burst = 2147483647,
     .max_queue = 0,
     .max_wait_ms = -1,
     .shadow = true,
     .template_name = ""},
    {.name = "null",
     .kind = PERMIT_COUNTING,
     .permits = 0,
     .max_queue = UINT32_MAX,
     .max_wait_ms = 1,
     .template_name = ""},
    {.name = "team/*",
     .kind = PERMIT_BOUNDED,
     .permits = 1,
     .max_wait_ms = -1,
     .template_name = ""},
};
#define INFOS_COUNT (sizeof(infos) / sizeof(*infos))

static void check_same(const struct definition *a, const struct definition *b)
{
    char a_text[DEFINITIONS_TEXT_BYTES];
    char b_text[DEFINITIONS_TEXT_BYTES];

    ck_assert_str_eq(a->name, b->name);
    for (size_t key = 0; definition_key(key) != NULL; key++) {
        const char *a_value = definition_value(a, key, a_text);
        const char *b_value = definition_value(b, key, b_text);

        ck_assert_pstr_eq(a_value, b_value);
    }
}

/* By libcyaml's own writing, and as JSON. */
START_TEST(what_is_written_is_read_as_the_same)
{
    struct definition rows[INFOS_COUNT];
    struct definitions written = {rows, INFOS_COUNT};
    struct definitions read;
    FILE *file = fopen(path, "w");
    cJSON *json;
    char *text;

    for (size_t i = 0; i < INFOS_COUNT; i++) {
        definition_of(&infos[i], &rows[i]);
    }
    ck_assert_ptr_nonnull(file);
    if (_i == 0) {
        ck_assert(definitions_save(&written, file));
    } else {
        json = definitions_json(&written);
        text = cJSON_Print(json);
        ck_assert_int_ge(fputs(text, file), 0);
        cJSON_free(text);
        cJSON_Delete(json);
    }
    ck_assert_int_eq(fclose(file), 0);
    options_init(&options);
    ck_assert_msg(definitions_load(&options, path, &read), "%s", options.error);
    ck_assert_uint_eq(read.count, INFOS_COUNT);
    for (size_t i = 0; i < INFOS_COUNT; i++) {
        check_same(&read.rows[i], &written.rows[i]);
    }
    definitions_deinit(&read);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof(*(array))))

int main(void)
{
    TCase *tcase = tcase_create("definitions");
    Suite *suite = suite_create("cli_definitions");
    SRunner *runner;
    int file = mkstemp(path);
    int failed;

    if (file < 0) {
        return EXIT_FAILURE;
    }
    (void)close(file);
    tcase_add_test(tcase, a_file_names_what_it_sets);
    tcase_add_test(tcase, an_empty_file_defines_nothing);
    tcase_add_loop_test(tcase, what_makes_no_sense_is_told_with_its_place, 0,
                        COUNT(wrong_cases));
    tcase_add_test(tcase, a_file_that_is_not_there_is_told);
    tcase_add_loop_test(tcase, what_is_written_is_read_as_the_same, 0, 2);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    (void)unlink(path);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
