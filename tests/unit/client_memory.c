/* SPDX-License-Identifier: MIT */

/* Every allocation of a script failing once: an error, nothing leaked, no
 * descriptor lost, and nothing held at the server afterwards. */

#include "permit/permit.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <check.h>

#include "daemon.h"

static struct daemon server;

/* ----------------------------------------------------------- the fault */

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_reallocarray(void *old, size_t count, size_t bytes);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_reallocarray(void *old, size_t count, size_t bytes);
char *__wrap_strdup(const char *text);

static atomic_int until_failure = -1; /* -1: never. */
static atomic_bool has_failed;

static bool fails(void)
{
    int before = atomic_load(&until_failure);

    if (before < 0) {
        return false;
    }
    before = atomic_fetch_sub(&until_failure, 1);
    if (before == 0) {
        atomic_store(&has_failed, true);
    }
    return before == 0;
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_reallocarray(void *old, size_t count, size_t bytes)
{
    return fails() ? NULL : __real_reallocarray(old, count, bytes);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

/* ---------------------------------------------------------------- the script
 */

/* Check takes memory for its asserts: they wait until no failure is armed. */
static atomic_int wrong_status;

static void expect(enum permit_status status)
{
    if (status != PERMIT_OK && status != PERMIT_E_NOMEM) {
        atomic_store(&wrong_status, (int)status);
    }
}

static void use(struct permit_client *client)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct permit_grant *grant;
    struct permit_list *list;

    expect(permit_define(client, "jobs", &definition));
    for (int i = 0; i < 3; i++) {
        if (permit_try(client, "jobs", 1, &grant) == PERMIT_OK) {
            if (i != 1) {
                expect(permit_grant_release(grant, 0));
            }
            permit_grant_destroy(grant);
        }
    }
    if (permit_query(client, "jobs", &list) == PERMIT_OK) {
        permit_list_destroy(list);
    }
    if (permit_list_semaphores(client, "", &list) == PERMIT_OK) {
        permit_list_destroy(list);
    }
    expect(permit_ping(client));
}

static void run_script(void)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_client *client;
    enum permit_status status;

    options.server = server.server;
    status = permit_client_create(&options, &client, NULL, 0);
    expect(status);
    if (status == PERMIT_OK) {
        use(client);
        permit_client_destroy(client);
    }
}

START_TEST(every_allocation_may_fail)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_client *client;
    struct permit_list *list;
    size_t fds;
    int n = 0;

    daemon_start(&server);
    run_script();
    fds = open_fds();
    do {
        atomic_store(&has_failed, false);
        atomic_store(&until_failure, n++);
        run_script();
        atomic_store(&until_failure, -1);
        ck_assert_int_eq(atomic_load(&wrong_status), 0);
        ck_assert_uint_eq(open_fds(), fds);
    } while (atomic_load(&has_failed));
    ck_assert_int_gt(n, 20);
    options.server = server.server;
    ck_assert_int_eq(permit_client_create(&options, &client, NULL, 0),
                     PERMIT_OK);
    ck_assert_int_eq(permit_query(client, "jobs", &list), PERMIT_OK);
    ck_assert_uint_eq(permit_list_semaphore(list, 0)->held, 0);
    permit_list_destroy(list);
    permit_client_destroy(client);
    daemon_stop(&server);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_memory");
    TCase *tcase = tcase_create("memory");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_allocation_may_fail);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
