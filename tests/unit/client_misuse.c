/* SPDX-License-Identifier: MIT */

/* What a caller can get wrong, by calls of the blocking face: it is refused at
 * once, with a text that says what to do, and nothing was asked. */

#include "permit/permit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "daemon.h"

#define X8 "xxxxxxxx"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8
#define X129 X64 X64 "x"

static struct daemon server;
static struct permit_client *client;

static void start(void)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_definition definition = PERMIT_DEFINITION_INIT;

    daemon_start(&server);
    options.server = server.server;
    ck_assert_int_eq(permit_client_create(&options, &client, NULL, 0),
                     PERMIT_OK);
    ck_assert_int_eq(permit_define(client, "jobs", &definition), PERMIT_OK);
}

static void stop(void)
{
    permit_client_destroy(client);
    daemon_stop(&server);
}

/* ------------------------------------------------------------------- refused
 */

#define ACQUIRE                                                                \
    .struct_size = sizeof(struct permit_acquire_request), .cancel_fd = -1

static const struct permit_label no_value = {"key", NULL};
static const struct permit_label no_key = {NULL, "value"};

static const struct {
    struct permit_acquire_request request;
    const char *text; /* It has this in it. */
} acquires[] = {
    {{0}, "PERMIT_ACQUIRE_REQUEST_INIT"},
    {{ACQUIRE, .semaphore = NULL, .permits = 1}, "name"},
    {{ACQUIRE, .semaphore = "", .permits = 1}, "name"},
    {{ACQUIRE, .semaphore = "a b", .permits = 1}, "name"},
    {{ACQUIRE, .semaphore = "a*", .permits = 1}, "template"},
    {{ACQUIRE, .semaphore = "jobs", .permits = 0}, "permits are 1"},
    {{ACQUIRE, .semaphore = "jobs", .permits = 2147483648}, "permits are 1"},
    {{ACQUIRE, .semaphore = "jobs", .permits = 1, .expect_permits = 2147483648},
     "expect_permits"},
    {{ACQUIRE, .semaphore = "jobs", .permits = 1, .wait_ms = -2}, "a wait"},
    {{ACQUIRE, .semaphore = "jobs", .permits = 1, .hold_ms = -1}, "a hold"},
    {{ACQUIRE, .semaphore = "jobs", .permits = 1, .labels_count = 1},
     "8 labels"},
    {{ACQUIRE, .semaphore = "jobs", .permits = 1, .labels = &no_value,
      .labels_count = 1},
     "a label has a key"},
    {{ACQUIRE, .semaphore = "jobs", .permits = 1, .labels = &no_key,
      .labels_count = 1},
     "a label has a key"},
};

static void assert_said(const char *text)
{
    char said[256];

    permit_client_last_error(client, said, sizeof(said));
    ck_assert_msg(strstr(said, text) != NULL, "%s", said);
}

static uint64_t requests(void)
{
    struct permit_counters counters = PERMIT_COUNTERS_INIT;

    ck_assert_int_eq(permit_client_counters(client, &counters), PERMIT_OK);
    return counters.requests_total;
}

START_TEST(an_acquire_that_makes_no_sense_is_not_asked)
{
    struct permit_grant *grant = NULL;
    uint64_t before = requests();

    ck_assert_int_eq(permit_acquire(client, &acquires[_i].request, &grant),
                     PERMIT_E_INVALID);
    assert_said(acquires[_i].text);
    ck_assert_ptr_null(grant);
    ck_assert_uint_eq(requests(), before);
}
END_TEST

/* Only what is consumed needs no handle. */
START_TEST(a_grant_without_a_place_to_put_it_is_not_asked_for)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    request.semaphore = "jobs";
    ck_assert_int_eq(permit_acquire(client, &request, NULL), PERMIT_E_INVALID);
}
END_TEST

START_TEST(a_definition_that_makes_no_sense_is_not_asked)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    uint64_t before = requests();

    definition.fields = 1U << 31;
    ck_assert_int_eq(permit_define(client, "jobs", &definition),
                     PERMIT_E_INVALID);
    assert_said("the definition makes no sense");
    definition.fields = PERMIT_DEFINE_HOLD;
    definition.hold_ms = -1;
    ck_assert_int_eq(permit_define(client, "jobs", &definition),
                     PERMIT_E_INVALID);
    definition.hold_ms = 0;
    definition.max_wait_ms = -2;
    ck_assert_int_eq(permit_define(client, "jobs", &definition),
                     PERMIT_E_INVALID);
    definition.max_wait_ms = -1;
    definition.struct_size = 3;
    ck_assert_int_eq(permit_define(client, "jobs", &definition),
                     PERMIT_E_INVALID);
    assert_said("PERMIT_DEFINITION_INIT");
    ck_assert_uint_eq(requests(), before);
}
END_TEST

static const char *const wrong_names[] = {NULL, "", "a b", "-a", "a*b", X129};

START_TEST(a_name_that_is_none_is_not_asked_for)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct permit_list *list = NULL;
    const char *name = wrong_names[_i];
    uint64_t before = requests();

    ck_assert_int_eq(permit_post(client, name, 1, NULL), PERMIT_E_INVALID);
    ck_assert_int_eq(permit_define(client, name, &definition),
                     PERMIT_E_INVALID);
    ck_assert_int_eq(permit_delete(client, name, true), PERMIT_E_INVALID);
    ck_assert_int_eq(permit_query(client, name, &list), PERMIT_E_INVALID);
    if (name == NULL || strlen(name) > 128) { /* Else a prefix, or unknown. */
        ck_assert_int_eq(permit_list_semaphores(client, name, &list),
                         PERMIT_E_INVALID);
        ck_assert_int_eq(permit_list_holders(client, name, &list),
                         PERMIT_E_INVALID);
        ck_assert_int_eq(permit_list_waiters(client, name, &list),
                         PERMIT_E_INVALID);
    }
    ck_assert_ptr_null(list);
    ck_assert_uint_eq(requests(), before);
}
END_TEST

START_TEST(a_post_of_nothing_is_not_asked)
{
    ck_assert_int_eq(permit_post(client, "jobs", 0, NULL), PERMIT_E_INVALID);
    assert_said("permits are 1 to 2147483647");
}
END_TEST

/* ----------------------------------------------------------------- in a child
 */

static bool child_asks_nothing(void)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct permit_counters counters = PERMIT_COUNTERS_INIT;
    struct permit_list *list = NULL;
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    request.semaphore = "jobs";
    return permit_why(client, &request) == PERMIT_E_FORKED &&
           permit_post(client, "jobs", 1, NULL) == PERMIT_E_FORKED &&
           permit_define(client, "jobs", &definition) == PERMIT_E_FORKED &&
           permit_delete(client, "jobs", true) == PERMIT_E_FORKED &&
           permit_query(client, "jobs", &list) == PERMIT_E_FORKED &&
           permit_list_semaphores(client, "", &list) == PERMIT_E_FORKED &&
           permit_list_holders(client, "jobs", &list) == PERMIT_E_FORKED &&
           permit_list_waiters(client, "jobs", &list) == PERMIT_E_FORKED &&
           permit_client_counters(client, &counters) == PERMIT_E_FORKED &&
           list == NULL;
}

START_TEST(a_child_defines_posts_and_lists_nothing)
{
    struct permit_list *list;
    int status;
    pid_t child = fork();

    if (child == 0) {
        bool is_well = child_asks_nothing();

        permit_client_destroy(client);
        _exit(is_well ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(permit_query(client, "jobs", &list), PERMIT_OK);
    permit_list_destroy(list);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_misuse");
    TCase *tcase = tcase_create("misuse");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_loop_test(tcase, an_acquire_that_makes_no_sense_is_not_asked, 0,
                        sizeof(acquires) / sizeof(acquires[0]));
    tcase_add_test(tcase, a_grant_without_a_place_to_put_it_is_not_asked_for);
    tcase_add_test(tcase, a_definition_that_makes_no_sense_is_not_asked);
    tcase_add_loop_test(tcase, a_name_that_is_none_is_not_asked_for, 0,
                        sizeof(wrong_names) / sizeof(wrong_names[0]));
    tcase_add_test(tcase, a_post_of_nothing_is_not_asked);
    tcase_add_test(tcase, a_child_defines_posts_and_lists_nothing);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
