/* SPDX-License-Identifier: MIT */

/* What a user fills in and gets back, over versions: structs that grow, the
 * allocator, the log, counters; and a resolver that does not answer. */

#include "permit/permit.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "ask.h"
#include "daemon.h"
#include "sized.h"

static struct daemon server;
static char error_text[512];

/* ------------------------------------------------------------ the resolver */

static atomic_int resolver_pipe = -1; /* Readable: the resolver may answer. */
static atomic_int lookups;
static atomic_int answered;

int __real_getaddrinfo(const char *host, const char *port,
                       const struct addrinfo *hints,
                       struct addrinfo **ret_addresses);
int __wrap_getaddrinfo(const char *host, const char *port,
                       const struct addrinfo *hints,
                       struct addrinfo **ret_addresses);

int __wrap_getaddrinfo(const char *host, const char *port,
                       const struct addrinfo *hints,
                       struct addrinfo **ret_addresses)
{
    char byte;

    if ((hints->ai_flags & AI_NUMERICHOST) == 0 &&
        atomic_load(&resolver_pipe) != -1) {
        atomic_fetch_add(&lookups, 1);
        (void)!read(atomic_load(&resolver_pipe), &byte, 1);
        atomic_fetch_add(&answered, 1);
    }
    return __real_getaddrinfo(host, port, hints, ret_addresses);
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum permit_status connect_to(const char *to, int64_t timeout_ms,
                                     struct permit_client **ret_client)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;

    options.server = to;
    options.connect_timeout_ms = timeout_ms;
    return permit_client_create(&options, ret_client, error_text,
                                sizeof(error_text));
}

START_TEST(a_resolver_that_does_not_answer_keeps_nobody)
{
    size_t before = open_fds();
    struct permit_client *client;
    int64_t began_ms = now_ms();
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    atomic_store(&resolver_pipe, ends[0]);
    ck_assert_int_eq(connect_to("slow.invalid", 300, &client),
                     PERMIT_E_DISCONNECTED);
    /* It waits for the time-out and not for the resolver, which waits for us.
     */
    ck_assert_int_ge(now_ms() - began_ms, 299);
    ck_assert_str_eq(error_text,
                     "slow.invalid: the name was not looked up in time");
    ck_assert_int_eq(atomic_load(&lookups), 1);
    /* Its thread ends when the resolver does, and leaves nothing. */
    ck_assert_int_eq(write(ends[1], "", 1), 1);
    while (atomic_load(&answered) == 0 || open_fds() > before + 2) {
        (void)sched_yield();
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

START_TEST(a_name_is_looked_up_and_connected_to)
{
    struct permit_client *client;
    char to[128];

    (void)snprintf(to, sizeof(to), "localhost:%s",
                   strrchr(server.server, ':') + 1);
    ck_assert_msg(connect_to(to, 5000, &client) == PERMIT_OK, "%s", error_text);
    ck_assert_int_eq(permit_ping(client), PERMIT_OK);
    permit_client_destroy(client);
}
END_TEST

START_TEST(a_name_that_does_not_exist_is_named)
{
    struct permit_client *client;

    ck_assert_int_eq(connect_to("nowhere.invalid,also.invalid", 20000, &client),
                     PERMIT_E_DISCONNECTED);
    ck_assert_int_eq(strncmp(error_text, "also.invalid: ", 14), 0);
}
END_TEST

/* ------------------------------------------------------- structs that grow */

struct grown {
    size_t struct_size;
    int first;
    int second; /* Of a later version; 7 by default. */
};

static const struct {
    size_t size;
    int tail;
    enum permit_status status;
    int second;
} sizes[] = {
    {0, 0, PERMIT_E_INVALID, 7},
    {sizeof(size_t), 0, PERMIT_E_INVALID, 7},
    {offsetof(struct grown, second), 0, PERMIT_OK, 7},
    {sizeof(struct grown), 0, PERMIT_OK, 2},
    {sizeof(struct grown) + 8, 0, PERMIT_OK, 2},
    {sizeof(struct grown) + 8, 1, PERMIT_E_UNSUPPORTED, 7},
    {SIZE_MAX, 0, PERMIT_E_INVALID, 7},
};

START_TEST(a_struct_of_another_version_is_read)
{
    struct {
        struct grown grown;
        int tail[2];
    } from = {{sizes[_i].size, 1, 2}, {0, sizes[_i].tail}};
    struct grown to = {sizeof(to), 0, 7};

    ck_assert_int_eq(
        sized_copy(&to, sizeof(to), &from, offsetof(struct grown, second)),
        sizes[_i].status);
    ck_assert_int_eq(to.second, sizes[_i].second);
    ck_assert_uint_eq(to.struct_size, sizeof(to));
    ck_assert_int_eq(to.first, sizes[_i].status == PERMIT_OK ? 1 : 0);
}
END_TEST

START_TEST(a_struct_of_another_version_is_written)
{
    const struct grown from = {sizeof(from), 1, 2};
    struct {
        struct grown grown;
        int tail;
    } to = {{offsetof(struct grown, second), 0, 9}, 9};
    size_t first = offsetof(struct grown, second);

    ck_assert_int_eq(sized_give(&to, &from, sizeof(from), first), PERMIT_OK);
    ck_assert_int_eq(to.grown.first, 1);
    ck_assert_int_eq(to.grown.second, 9);
    to.grown.struct_size = sizeof(to);
    ck_assert_int_eq(sized_give(&to, &from, sizeof(from), first), PERMIT_OK);
    ck_assert_int_eq(to.grown.second, 2);
    ck_assert_int_eq(to.tail, 9);
    to.grown.struct_size = 0;
    ck_assert_int_eq(sized_give(&to, &from, sizeof(from), first),
                     PERMIT_E_INVALID);
}
END_TEST

START_TEST(a_definition_of_the_first_version_sets_no_slots)
{
    const size_t first = offsetof(struct permit_definition, slots);
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct wire_client_message message;
    const char *detail = NULL;

    definition.fields = PERMIT_DEFINE_SLOTS;
    definition.slots = true;
    ck_assert_int_eq(ask_define("a", &definition, &message, &detail),
                     PERMIT_OK);
    ck_assert_uint_eq(message.define.fields, WIRE_FIELD_SLOTS);
    ck_assert(message.define.slots);
    definition.struct_size = first;
    ck_assert_int_eq(ask_define("a", &definition, &message, &detail),
                     PERMIT_OK);
    ck_assert(!message.define.slots);
    definition.struct_size = first - 1;
    ck_assert_int_eq(ask_define("a", &definition, &message, &detail),
                     PERMIT_E_INVALID);
}
END_TEST

#define X8 "xxxxxxxx"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8
#define X129 X64 X64 "x"

static void *allocate(void *arg, size_t bytes)
{
    (void)arg;
    return malloc(bytes);
}

static const struct {
    const char *what;
    struct permit_options options;
    enum permit_status status;
    const char *text;
} wrong_options[] = {
    {"no size", {0}, PERMIT_E_INVALID, "start from PERMIT_OPTIONS_INIT"},
    {"no time",
     {.struct_size = sizeof(struct permit_options), .answer_timeout_ms = 1},
     PERMIT_E_INVALID,
     "a time-out is at least 1"},
    {"TLS",
     {.struct_size = sizeof(struct permit_options),
      .server = "permits://host",
      .connect_timeout_ms = 1,
      .answer_timeout_ms = 1},
     PERMIT_E_UNSUPPORTED,
     "permits://host: TLS is not served by this version"},
    {"half an allocator",
     {.struct_size = sizeof(struct permit_options),
      .connect_timeout_ms = 1,
      .answer_timeout_ms = 1,
      .allocator = &(const struct permit_allocator){NULL, NULL, NULL}},
     PERMIT_E_INVALID,
     "an allocator has both alloc and free"},
    {"an allocator that frees nothing",
     {.struct_size = sizeof(struct permit_options),
      .connect_timeout_ms = 1,
      .answer_timeout_ms = 1,
      .allocator = &(const struct permit_allocator){allocate, NULL, NULL}},
     PERMIT_E_INVALID,
     "an allocator has both alloc and free"},
    {"no time for an answer",
     {.struct_size = sizeof(struct permit_options), .connect_timeout_ms = 1},
     PERMIT_E_INVALID,
     "a time-out is at least 1"},
    {"a linger that is over before",
     {.struct_size = sizeof(struct permit_options),
      .connect_timeout_ms = 1,
      .answer_timeout_ms = 1,
      .linger_ms = -1},
     PERMIT_E_INVALID,
     "linger_ms and heartbeat_ms are at least 0"},
    {"heartbeats of the past",
     {.struct_size = sizeof(struct permit_options),
      .connect_timeout_ms = 1,
      .answer_timeout_ms = 1,
      .heartbeat_ms = -1},
     PERMIT_E_INVALID,
     "linger_ms and heartbeat_ms are at least 0"},
    {"a long name",
     {.struct_size = sizeof(struct permit_options),
      .connect_timeout_ms = 1,
      .answer_timeout_ms = 1,
      .name = X129},
     PERMIT_E_INVALID,
     "name and purpose have at most 128 bytes"},
    {"a long purpose",
     {.struct_size = sizeof(struct permit_options),
      .connect_timeout_ms = 1,
      .answer_timeout_ms = 1,
      .purpose = X129},
     PERMIT_E_INVALID,
     "name and purpose have at most 128 bytes"},
    {"more local permits than can be counted",
     {.struct_size = sizeof(struct permit_options),
      .connect_timeout_ms = 1,
      .answer_timeout_ms = 1,
      .local_permits = INT64_C(2147483648)},
     PERMIT_E_INVALID,
     "local_permits is from -1 to 2147483647"},
    {"less than any local permits",
     {.struct_size = sizeof(struct permit_options),
      .connect_timeout_ms = 1,
      .answer_timeout_ms = 1,
      .local_permits = -2},
     PERMIT_E_INVALID,
     "local_permits is from -1 to 2147483647"},
};

START_TEST(options_that_make_no_sense_are_refused)
{
    struct permit_client *client = NULL;

    ck_assert_int_eq(permit_client_create(&wrong_options[_i].options, &client,
                                          error_text, sizeof(error_text)),
                     wrong_options[_i].status);
    ck_assert_str_eq(error_text, wrong_options[_i].text);
    ck_assert_ptr_null(client);
    /* Who wants no text gets none. */
    ck_assert_int_eq(
        permit_client_create(&wrong_options[_i].options, &client, NULL, 0),
        wrong_options[_i].status);
    ck_assert_int_eq(permit_client_create(&wrong_options[_i].options, &client,
                                          error_text, 0),
                     wrong_options[_i].status);
}
END_TEST

static const char *const wrong_addresses[] = {
    "",
    "host:",
    "host:x",
    "host:-1",
    "host:0",
    "host:65536",
    "host:7417x",
    "host:00000000000007417",
    "[::1",
    "[::1]7417",
    "[::1]:",
    "a b",
    "host/path",
    "unix:path",
    "unix://",
    "unix:/" X64 X64,
    X64 X64 X64 X64 X64 X64 X64 X64,
    "127.0.0.1:1,",
    "127.0.0.1:1,,127.0.0.1:1",
};

START_TEST(an_address_that_makes_no_sense_is_refused)
{
    struct permit_client *client = NULL;
    struct permit_options options = PERMIT_OPTIONS_INIT;

    options.server = wrong_addresses[_i];
    if (*options.server == '\0') {
        options.server = ","; /* Nothing at all is the default. */
    }
    error_text[0] = '\0';
    ck_assert_int_eq(
        permit_client_create(&options, &client, error_text, sizeof(error_text)),
        PERMIT_E_INVALID);
    ck_assert_msg(strstr(error_text, "address") != NULL, "%s", error_text);
}
END_TEST

/* ----------------------------------------------------- the log and the rest
 */

struct lines {
    char text[8][256];
    enum permit_log_level level[8];
    atomic_int count;
};

static void keep_line(void *arg, enum permit_log_level level, const char *text)
{
    struct lines *lines = arg;
    int count = atomic_load(&lines->count);

    if (count < 8) {
        (void)snprintf(lines->text[count], sizeof(lines->text[count]), "%s",
                       text);
        lines->level[count] = level;
        atomic_store(&lines->count, count + 1);
    }
}

START_TEST(the_log_says_when_a_session_begins_and_ends)
{
    static struct lines lines;
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_counters counters = PERMIT_COUNTERS_INIT;
    struct permit_client *client;
    struct permit_grant *grant;
    enum permit_loss loss;
    char session[32];

    options.server = server.server;
    options.log = keep_line;
    options.log_arg = &lines;
    ck_assert_int_eq(permit_client_create(&options, &client, NULL, 0),
                     PERMIT_OK);
    (void)snprintf(session, sizeof(session), "session %llu",
                   (unsigned long long)permit_client_session_id(client));
    ck_assert_int_eq(lines.count, 1);
    ck_assert_int_eq(lines.level[0], PERMIT_LOG_INFO);
    ck_assert_ptr_nonnull(strstr(lines.text[0], server.server));
    ck_assert_ptr_nonnull(strstr(lines.text[0], session));

    ck_assert_int_eq(
        permit_define(client, "jobs",
                      &(const struct permit_definition)PERMIT_DEFINITION_INIT),
        PERMIT_OK);
    ck_assert_int_eq(permit_try(client, "jobs", 1, &grant), PERMIT_OK);
    daemon_kill(&server);
    ck_assert_int_eq(permit_grant_wait_lost(grant, -1, &loss), PERMIT_E_LOST);
    daemon_restart(&server);
    ck_assert_int_eq(permit_ping(client), PERMIT_OK);
    ck_assert_int_eq(lines.count, 3);
    ck_assert_int_eq(lines.level[1], PERMIT_LOG_WARNING);
    ck_assert_ptr_nonnull(strstr(lines.text[1], server.server));
    ck_assert_int_eq(lines.level[2], PERMIT_LOG_INFO);

    ck_assert_int_eq(permit_client_counters(client, &counters), PERMIT_OK);
    ck_assert_uint_ge(counters.requests_total, 3);
    ck_assert_uint_eq(counters.waits_total, 0);
    ck_assert_uint_eq(counters.losses_total, 1);
    ck_assert_uint_eq(counters.reconnects_total, 1);
    counters.struct_size = 1;
    ck_assert_int_eq(permit_client_counters(client, &counters),
                     PERMIT_E_INVALID);
    permit_grant_destroy(grant);
    permit_client_destroy(client);
}
END_TEST

START_TEST(a_wait_is_counted_and_a_refusal_says_more)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_counters counters = PERMIT_COUNTERS_INIT;
    struct permit_refusal refusal = {
        .position = 9, .permits_in_the_way = 9, .retry_after_ms = 9};
    struct permit_client *client;
    struct permit_grant *grant;
    struct permit_grant *other;

    ck_assert_int_eq(connect_to(server.server, 5000, &client), PERMIT_OK);
    ck_assert_int_eq(
        permit_define(client, "jobs",
                      &(const struct permit_definition)PERMIT_DEFINITION_INIT),
        PERMIT_OK);
    request.semaphore = "jobs";
    request.ret_refusal = &refusal;
    ck_assert_int_eq(permit_acquire(client, &request, &grant), PERMIT_OK);
    ck_assert_uint_eq(refusal.position, 0);
    request.wait_ms = 20;
    ck_assert_int_eq(permit_acquire(client, &request, &other),
                     PERMIT_E_TIMEOUT);
    request.wait_ms = 0;
    ck_assert_int_eq(permit_acquire(client, &request, &other),
                     PERMIT_E_WOULD_BLOCK);
    ck_assert_uint_eq(refusal.permits_in_the_way, 1);
    ck_assert_int_eq(permit_client_counters(client, &counters), PERMIT_OK);
    ck_assert_uint_eq(counters.waits_total, 1);
    request.cancel_fd = 9999;
    ck_assert_int_eq(permit_acquire(client, &request, &other),
                     PERMIT_E_INVALID);
    request.cancel_fd = -1;
    ck_assert_int_eq(permit_acquire(client, &request, NULL), PERMIT_E_INVALID);
    permit_client_last_error(client, error_text, sizeof(error_text));
    ck_assert_str_eq(error_text,
                     "ret_grant is NULL, but the request makes a grant");
    permit_grant_destroy(grant);
    permit_client_destroy(client);
}
END_TEST

START_TEST(the_version_that_is_loaded_is_told)
{
    ck_assert_int_eq(permit_version_num(), PERMIT_VERSION_NUM);
    ck_assert(permit_check_version(PERMIT_VERSION_NUM));
    ck_assert(!permit_check_version(PERMIT_VERSION_NUM + 1));
    ck_assert(!permit_check_version(PERMIT_VERSION_NUM + 0x100));
    ck_assert(!permit_check_version(PERMIT_VERSION_NUM + 0x10000));
}
END_TEST

static void start(void)
{
    daemon_start(&server);
}

static void stop(void)
{
    daemon_stop(&server);
}

int main(void)
{
    Suite *suite = suite_create("client_options");
    TCase *alone = tcase_create("alone");
    TCase *served = tcase_create("served");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(alone, a_struct_of_another_version_is_read, 0,
                        (int)(sizeof(sizes) / sizeof(*sizes)));
    tcase_add_test(alone, a_struct_of_another_version_is_written);
    tcase_add_test(alone, a_definition_of_the_first_version_sets_no_slots);
    tcase_add_loop_test(alone, options_that_make_no_sense_are_refused, 0,
                        (int)(sizeof(wrong_options) / sizeof(*wrong_options)));
    tcase_add_loop_test(alone, an_address_that_makes_no_sense_is_refused, 0,
                        sizeof(wrong_addresses) / sizeof(wrong_addresses[0]));
    tcase_add_test(alone, a_resolver_that_does_not_answer_keeps_nobody);
    tcase_add_test(alone, a_name_that_does_not_exist_is_named);
    tcase_add_test(alone, the_version_that_is_loaded_is_told);
    suite_add_tcase(suite, alone);
    tcase_add_checked_fixture(served, start, stop);
    tcase_add_test(served, a_name_is_looked_up_and_connected_to);
    tcase_add_test(served, the_log_says_when_a_session_begins_and_ends);
    tcase_add_test(served, a_wait_is_counted_and_a_refusal_says_more);
    suite_add_tcase(suite, served);
    tcase_set_timeout(alone, 30);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
