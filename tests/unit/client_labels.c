/* SPDX-License-Identifier: MIT */

/* An acquire's labels, from the library through a real daemon to whoever lists
 * holders and waiters. */

#include "permit/permit.h"

#include <stdio.h>
#include <string.h>

#include <check.h>

#include "daemon.h"

#define LABELS_MAX 8
#define HOLDERS 64
#define TEXT_BYTES 128

static struct daemon server;
static struct permit_client *client;
static struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
static struct permit_grant *grants[HOLDERS];

static void start(void)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_definition definition = PERMIT_DEFINITION_INIT;

    daemon_start(&server);
    options.server = server.server;
    ck_assert_int_eq(permit_client_create(&options, &client, NULL, 0),
                     PERMIT_OK);
    definition.fields = PERMIT_DEFINE_PERMITS;
    definition.permits = HOLDERS;
    ck_assert_int_eq(permit_define(client, "jobs", &definition), PERMIT_OK);
    request.semaphore = "jobs";
    request.wait_ms = 0;
}

static void stop(void)
{
    for (int i = 0; i < HOLDERS; i++) {
        permit_grant_destroy(grants[i]);
    }
    permit_client_destroy(client);
    daemon_stop(&server);
}

/* The largest labels: keys "kkk...i", values "vvv...n". */
static void make_labels(char texts[2 * LABELS_MAX][TEXT_BYTES + 1],
                        struct permit_label labels[LABELS_MAX], int n)
{
    for (int i = 0; i < LABELS_MAX; i++) {
        char *key = texts[2 * i];
        char *value = texts[2 * i + 1];

        memset(key, 'k', TEXT_BYTES);
        memset(value, 'v', TEXT_BYTES);
        (void)snprintf(key + TEXT_BYTES - 2, 3, "%02d", i);
        (void)snprintf(value + TEXT_BYTES - 2, 3, "%02d", n);
        labels[i] = (struct permit_label){key, value};
    }
}

static void assert_labels(const struct permit_holder_info *holder, int n)
{
    char texts[2 * LABELS_MAX][TEXT_BYTES + 1];
    struct permit_label labels[LABELS_MAX];

    make_labels(texts, labels, n);
    ck_assert_uint_eq(holder->labels_count, LABELS_MAX);
    for (int i = 0; i < LABELS_MAX; i++) {
        ck_assert_str_eq(holder->labels[i].key, labels[i].key);
        ck_assert_str_eq(holder->labels[i].value, labels[i].value);
    }
}

/* Several pages, as so many do not fit into one. */
START_TEST(all_holders_are_listed_with_the_largest_labels)
{
    char texts[2 * LABELS_MAX][TEXT_BYTES + 1];
    struct permit_label labels[LABELS_MAX];
    struct permit_list *list;

    request.labels = labels;
    request.labels_count = LABELS_MAX;
    for (int i = 0; i < HOLDERS; i++) {
        make_labels(texts, labels, i);
        ck_assert_int_eq(permit_acquire(client, &request, &grants[i]),
                         PERMIT_OK);
    }
    ck_assert_int_eq(permit_list_holders(client, "jobs", &list), PERMIT_OK);
    ck_assert_uint_eq(permit_list_count(list), HOLDERS);
    for (int i = 0; i < HOLDERS; i++) {
        assert_labels(permit_list_holder(list, (size_t)i), i);
    }
    permit_list_destroy(list);
}
END_TEST

START_TEST(without_labels_a_row_has_none)
{
    struct permit_list *list;

    ck_assert_int_eq(permit_acquire(client, &request, &grants[0]), PERMIT_OK);
    ck_assert_int_eq(permit_list_holders(client, "jobs", &list), PERMIT_OK);
    ck_assert_uint_eq(permit_list_holder(list, 0)->labels_count, 0);
    ck_assert_ptr_null(permit_list_holder(list, 0)->labels);
    permit_list_destroy(list);
}
END_TEST

#define N128                                                                   \
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"         \
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const struct {
    struct permit_label labels[9];
    size_t count;
} bad_cases[] = {
    {{{"a", ""},
      {"b", ""},
      {"c", ""},
      {"d", ""},
      {"e", ""},
      {"f", ""},
      {"g", ""},
      {"h", ""},
      {"i", ""}},
     9},
    {{{"", "v"}}, 1},
    {{{NULL, "v"}}, 1},
    {{{"k", NULL}}, 1},
    {{{N128 "n", "v"}}, 1},
    {{{"k", N128 "n"}}, 1},
    {{{"k", "1"}, {"l", "2"}, {"k", "3"}}, 3},
};

START_TEST(labels_that_make_no_sense_are_invalid)
{
    request.labels = bad_cases[_i].labels;
    request.labels_count = bad_cases[_i].count;
    ck_assert_int_eq(permit_acquire(client, &request, &grants[0]),
                     PERMIT_E_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_labels");
    TCase *tcase = tcase_create("labels");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, all_holders_are_listed_with_the_largest_labels);
    tcase_add_test(tcase, without_labels_a_row_has_none);
    tcase_add_loop_test(tcase, labels_that_make_no_sense_are_invalid, 0,
                        (int)(sizeof(bad_cases) / sizeof(bad_cases[0])));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
