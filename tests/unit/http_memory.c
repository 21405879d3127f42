/* SPDX-License-Identifier: MIT */

/* The status endpoint, and every allocation of it failing once: linked with
 * --wrap=calloc. libevent's own fail only while it is created: later libevent
 * 2.1.12 crashes by itself (bufferevent_setwatermark). cJSON's are in
 * http_load.c. */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <check.h>
#include <event2/buffer.h>

#include "http_world.h"

/* Of the allocations from now on, this one fails, counted from 0. */
static int failing = -1;
static int allocations;

static bool fails(void)
{
    return allocations++ == failing;
}

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

static void *fault_malloc(size_t bytes)
{
    return fails() ? NULL : malloc(bytes);
}

static void *fault_realloc(void *block, size_t bytes)
{
    return fails() ? NULL : realloc(block, bytes);
}

static void arm(int n)
{
    allocations = 0;
    failing = n;
}

START_TEST(without_memory_it_is_not_created_and_nothing_leaks)
{
    struct http_options options;
    int n = 0;

    event_set_mem_functions(fault_malloc, fault_realloc, free);
    options = http_world_options();
    for (;; n++) {
        arm(n);
        http = http_create(&options);
        arm(-1);
        if (http != NULL) {
            break;
        }
        /* The socket is still the caller's. */
        ck_assert_int_ge(fcntl(options.fd, F_GETFD), 0);
    }
    ck_assert_int_ge(n, 6);
    http_world_stop();
}
END_TEST

START_TEST(without_memory_a_connection_is_answered_or_closed)
{
    static const char *const requests[] = {
        "GET /api/v1/semaphores HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ("GET /api/v1/semaphores/jobs/holders HTTP/1.1\r\nHost: "
         "localhost\r\n\r\n"),
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"};
    struct http_options options;
    int n = 0;

    options = http_world_options();
    http = http_create(&options);
    ck_assert_ptr_nonnull(http);
    for (;; n++) {
        struct client client = client_open(requests[_i]);

        client_watch(&client);
        arm(n);
        while (!client.is_closed) {
            ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
        }
        failing = -1;
        client_close(&client);
        ck_assert_uint_eq(http_connections(http), 0);
        if (allocations <= n) {
            break; /* It needed no more. */
        }
    }
    ck_assert_int_ge(n, 3);
    http_world_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_memory");
    TCase *tcase = tcase_create("http_memory");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, without_memory_it_is_not_created_and_nothing_leaks);
    tcase_add_loop_test(
        tcase, without_memory_a_connection_is_answered_or_closed, 0, 3);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
