/* SPDX-License-Identifier: MIT */

/* Pages in slices, limits and deadlines of the status endpoint, and clients
 * that go away: FAULTS C18. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <check.h>
#include <event2/buffer.h>

#include "http_world.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define SEMAPHORES "/api/v1/semaphores"

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    ck_assert_msg(cJSON_IsNumber(item), "%s", key);
    return item->valuedouble;
}

static const char *string(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    ck_assert_msg(cJSON_IsString(item), "%s", key);
    return item->valuestring;
}

static const cJSON *member(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    ck_assert_msg(item != NULL, "%s", key);
    return item;
}

/* ------------------------------------------------------------------- status */

START_TEST(status_says_what_the_daemon_knows)
{
    cJSON *status = get_json("/status");

    ck_assert_str_eq(string(status, "boot_id"), "01HF");
    ck_assert_str_eq(string(status, "now"), "2026-11-21T00:10:23.123Z");
    ck_assert_str_eq(string(status, "start_time"), "2026-11-20T23:56:40.000Z");
    ck_assert_double_eq(number(status, "uptime_seconds"), 812.4);
    ck_assert_str_eq(string(status, "state"), "ready");
    ck_assert_str_eq(string(status, "fence"), "9007199254740995");
    ck_assert(cJSON_IsFalse(member(status, "draining")));
    ck_assert(cJSON_IsNull(member(status, "revision")));
    ck_assert(cJSON_IsNull(member(member(status, "config"), "loaded_at")));
    ck_assert(cJSON_IsTrue(member(member(status, "config"), "last_reload_ok")));
    ck_assert_str_eq(string(member(status, "store"), "kind"), "memory");
    ck_assert_str_eq(string(member(status, "store"), "state"), "ok");
    ck_assert_double_eq(number(member(status, "connections"), "max"), 10000);
    ck_assert_double_eq(number(member(status, "sessions"), "disconnected"), 1);
    ck_assert_double_eq(number(member(status, "totals"), "grants_total"), 88);
    ck_assert_double_gt(number(member(status, "process"), "rss_bytes"), 0);
    ck_assert_double_gt(number(member(status, "process"), "open_fds"), 2);
    ck_assert_double_gt(number(member(status, "process"), "max_fds"), 2);
    (void)number(member(status, "process"), "cpu_seconds");
    cJSON_Delete(status);
}
END_TEST

static const struct {
    bool is_draining;
    bool store_failed;
    bool fd_limit_reached;
    bool last_reload_ok;
    const char *answer; /* Part of it. */
    const char *state;
} ready_cases[] = {
    {false, false, false, false, "\"warnings\":[\"reload_failed\"]", "ready"},
    {true, false, false, true,
     "\"reason\":\"draining\",\"failing\":[\"draining\"]", "draining"},
    {false, true, false, true,
     "\"reason\":\"unavailable\",\"failing\":[\"store\"]", "failed"},
    {false, false, true, true, "\"failing\":[\"fd_limit\"]", "ready"},
    {true, true, true, true,
     "\"failing\":[\"draining\",\"store\",\"fd_limit\"]", "failed"},
};

START_TEST(readyz_names_what_fails)
{
    bool is_ready = ready_cases[_i].last_reload_ok == false;
    const char *start = is_ready ? "HTTP/1.1 200 " : "HTTP/1.1 503 ";
    cJSON *status;
    char *answer;

    totals.draining = ready_cases[_i].is_draining;
    facts.store_failed = ready_cases[_i].store_failed;
    facts.fd_limit_reached = ready_cases[_i].fd_limit_reached;
    facts.last_reload_ok = ready_cases[_i].last_reload_ok;
    answer = get("/readyz");
    ck_assert_int_eq(strncmp(answer, start, strlen(start)), 0);
    ck_assert_ptr_null(strstr(answer, "warnings"));
    free(answer);
    answer = get("/readyz?verbose");
    ck_assert_int_eq(strncmp(answer, start, strlen(start)), 0);
    ck_assert_msg(strstr(answer, ready_cases[_i].answer) != NULL, "%s", answer);
    ck_assert_ptr_nonnull(strstr(answer, "\"warnings\":["));
    free(answer);
    status = get_json("/status");
    ck_assert_str_eq(string(status, "state"), ready_cases[_i].state);
    cJSON_Delete(status);
}
END_TEST

/* -------------------------------------------------------------------- pages */

START_TEST(holders_are_told_as_they_are_named)
{
    cJSON *page = get_json(SEMAPHORES "/jobs/holders");
    const cJSON *holders = member(page, "holders");
    const cJSON *holder = cJSON_GetArrayItem(holders, 2);

    ck_assert_int_eq(cJSON_GetArraySize(holders), 3);
    ck_assert_str_eq(string(holder, "grant_id"), "9007199254740995");
    ck_assert_str_eq(string(holder, "name"), "al\"ice\n\xef\xbf\xbd");
    ck_assert_str_eq(string(member(holder, "labels"), "j\"ob"),
                     "<night>\xef\xbf\xbd");
    ck_assert_str_eq(string(page, "now"), "2026-11-21T00:10:23.123Z");
    cJSON_Delete(page);
}
END_TEST

START_TEST(a_page_of_1024_rows_comes_whole_in_slices)
{
    struct client client = client_open(GET(SEMAPHORES));
    int turns = 0; /* Before it begins to come. */
    char *answer;
    cJSON *page;
    const cJSON *rows;

    semaphores_count = 3000;
    client_watch(&client);
    for (; evbuffer_get_length(client.answer) == 0; turns++) {
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    }
    ck_assert_int_ge(turns, HTTP_PAGE_ROWS_MAX / HTTP_SLICE_ROWS);
    (void)client_wait(&client);
    answer = calloc(1, evbuffer_get_length(client.answer) + 1);
    ck_assert_ptr_nonnull(answer);
    (void)evbuffer_remove(client.answer, answer,
                          evbuffer_get_length(client.answer));
    page = body_of(answer);
    rows = member(page, "semaphores");
    ck_assert_double_eq(number(page, "total"), 3000);
    ck_assert_int_eq(cJSON_GetArraySize(rows), HTTP_PAGE_ROWS_MAX);
    for (int i = 0; i < HTTP_PAGE_ROWS_MAX; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "s/%06d", i);
        ck_assert_str_eq(string(cJSON_GetArrayItem(rows, i), "name"), name);
    }
    cJSON_Delete(page);
    free(answer);
    client_close(&client);
}
END_TEST

START_TEST(a_page_is_one_snapshot)
{
    struct client client = client_open(GET(SEMAPHORES "/jobs/holders"));
    char *answer;
    cJSON *page;

    holders_count = 200;
    client_watch(&client);
    while (holders_views == 0) {
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    }
    ck_assert(!client.is_closed);
    holders_count = 1; /* Its rows are taken, and not rendered yet. */
    label_value[0] = '?';
    (void)client_wait(&client);
    answer = calloc(1, evbuffer_get_length(client.answer) + 1);
    ck_assert_ptr_nonnull(answer);
    (void)evbuffer_remove(client.answer, answer,
                          evbuffer_get_length(client.answer));
    page = body_of(answer);
    ck_assert_double_eq(number(page, "total"), 200);
    ck_assert_int_eq(cJSON_GetArraySize(member(page, "holders")), 200);
    ck_assert_str_eq(
        string(
            member(cJSON_GetArrayItem(member(page, "holders"), 199), "labels"),
            "j\"ob"),
        "<night>\xef\xbf\xbd");
    cJSON_Delete(page);
    free(answer);
    client_close(&client);
}
END_TEST

START_TEST(a_filter_looks_at_all_and_stalls_nobody)
{
    struct client slow =
        client_open(GET(SEMAPHORES "?state=saturated&offset=1000&limit=2"));
    struct client quick = client_open(GET("/livez"));
    int quick_turns;
    int slow_turns;
    char answer[4096] = "";
    cJSON *page;

    semaphores_count = 30000;
    client_watch(&slow);
    client_watch(&quick);
    quick_turns = client_wait(&quick);
    ck_assert(!slow.is_closed);
    ck_assert_int_lt(quick_turns, 20);
    slow_turns = client_wait(&slow);
    ck_assert_int_ge(slow_turns, 30000 / 256 - quick_turns);
    ck_assert_uint_lt(evbuffer_get_length(slow.answer), sizeof(answer));
    (void)evbuffer_remove(slow.answer, answer, sizeof(answer) - 1);
    page = body_of(answer);
    ck_assert_double_eq(number(page, "total"), 10000);
    ck_assert_int_eq(cJSON_GetArraySize(member(page, "semaphores")), 2);
    ck_assert_str_eq(
        string(cJSON_GetArrayItem(member(page, "semaphores"), 0), "name"),
        "s/003002");
    cJSON_Delete(page);
    client_close(&slow);
    client_close(&quick);
}
END_TEST

START_TEST(pages_take_turns)
{
    struct client large = client_open(GET(SEMAPHORES));
    struct client small = client_open(GET(SEMAPHORES "?limit=1"));

    semaphores_count = 3000;
    client_watch(&large);
    client_watch(&small);
    (void)client_wait(&small);
    ck_assert_uint_eq(evbuffer_get_length(large.answer), 0);
    (void)client_wait(&large);
    client_close(&large);
    client_close(&small);
}
END_TEST

/* ------------------------------------------------------ clients that vanish */

/* Runs the loop until the endpoint has so many connections. */
static void wait_for_connections(uint32_t count)
{
    while (http_connections(http) != count) {
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    }
}

START_TEST(a_client_that_vanishes_amid_its_page_leaves_nothing)
{
    const struct linger reset = {1, 0};
    struct client client = client_open(GET(SEMAPHORES));

    semaphores_count = 3000;
    wait_for_connections(1);
    for (int turns = 0; turns < _i; turns++) {
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    }
    ck_assert_int_eq(
        setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    client_close(&client);
    wait_for_connections(0);
    cJSON_Delete(get_json("/status"));
}
END_TEST

START_TEST(a_client_that_only_connects_leaves_nothing)
{
    struct client client = client_open("");

    wait_for_connections(1);
    client_close(&client);
    wait_for_connections(0);
    client = client_open("GET /sta");
    wait_for_connections(1);
    client_close(&client);
    wait_for_connections(0);
}
END_TEST

START_TEST(it_can_end_at_any_moment)
{
    struct client page = client_open(GET(SEMAPHORES));
    struct client half = client_open("GET /sta");
    struct client idle = client_open("");

    semaphores_count = 3000;
    for (int turns = 0; turns < _i; turns++) {
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    }
    http_destroy(http);
    http = NULL;
    /* Nothing that is left in the loop knows it. */
    ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    client_close(&page);
    client_close(&half);
    client_close(&idle);
}
END_TEST

/* ------------------------------------------------------------------- limits */

START_TEST(c18_more_connections_than_the_limit_wait_for_one_to_close)
{
    struct client clients[CONNECTIONS_MAX];
    struct client late;

    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        clients[i] = client_open("");
    }
    late = client_open(GET("/livez"));
    wait_for_connections(CONNECTIONS_MAX);
    client_watch(&late);
    for (int turns = 0; turns < 20; turns++) {
        ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
        ck_assert_uint_eq(http_connections(http), CONNECTIONS_MAX);
        ck_assert(!late.is_closed);
    }
    client_close(&clients[0]);
    (void)client_wait(&late);
    ck_assert_uint_gt(evbuffer_get_length(late.answer), 0);
    for (int i = 1; i < CONNECTIONS_MAX; i++) {
        client_close(&clients[i]);
    }
    client_close(&late);
    wait_for_connections(0);
}
END_TEST

static void send_a_byte(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)send(((struct client *)arg)->fd, "x", 1, MSG_NOSIGNAL);
}

/* Bytes that keep coming do not move the deadline, nor does a client that does
 * not read its answer, nor a page that takes longer. */
START_TEST(c18_a_request_has_five_seconds_in_all)
{
    const struct timeval interval = {0, 400000};
    struct client slow = client_open("GET /");
    struct client deaf = client_open(GET(SEMAPHORES));
    struct client endless = client_open(GET(SEMAPHORES "?state=paused"));
    struct event *drip = event_new(base, -1, EV_PERSIST, send_a_byte, &slow);
    struct timespec before;
    struct timespec after;
    int64_t waited_ms;

    ck_assert_ptr_nonnull(drip);
    ck_assert_int_eq(event_add(drip, &interval), 0);
    semaphores_count = 1000000000000;
    client_watch(&slow);
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    (void)client_wait(&slow);
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    waited_ms = (after.tv_sec - before.tv_sec) * 1000 +
                (after.tv_nsec - before.tv_nsec) / 1000000;
    ck_assert_int_ge(waited_ms, HTTP_REQUEST_MS - 10);
    ck_assert_int_le(waited_ms, HTTP_REQUEST_MS + 1000);
    ck_assert_uint_eq(evbuffer_get_length(slow.answer), 0);
    wait_for_connections(0);
    event_free(drip);
    ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    semaphores_views = 0;
    ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
    ck_assert_uint_eq(semaphores_views, 0); /* Nobody works for the gone. */
    client_close(&slow);
    client_close(&deaf);
    client_close(&endless);
}
END_TEST

/* -------------------------------------------------- descriptors and memory */

START_TEST(running_out_of_descriptors_never_spins)
{
    struct client client = client_open(GET("/livez"));
    struct rlimit limit;
    struct rlimit none;
    int turns = 0;
    const struct timeval while_out = {0, 350000};
    int spare = dup(client.fd);

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)spare; /* The next descriptor is not to be had. */
    (void)close(spare);
    client_watch(&client);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(event_base_loopexit(base, &while_out), 0);
    while (event_base_loop(base, EVLOOP_ONCE) == 0 &&
           !event_base_got_exit(base)) {
        turns++;
    }
    ck_assert_int_le(turns, 12);
    ck_assert_uint_eq(http_connections(http), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    (void)client_wait(&client);
    ck_assert_uint_gt(evbuffer_get_length(client.answer), 0);
    client_close(&client);
}
END_TEST

static int allocations_left;

static void *failing_malloc(size_t bytes)
{
    return allocations_left-- > 0 ? malloc(bytes) : NULL;
}

/* Every allocation of JSON fails once, and all after it. */
START_TEST(without_memory_it_says_so_and_leaks_nothing)
{
    static const char *const paths[] = {
        "/status",
        "/readyz?verbose",
        "/api/v1/version",
        "/nothing",
        SEMAPHORES "?limit=2",
        SEMAPHORES "/jobs",
        SEMAPHORES "/jobs/holders?limit=1",
        SEMAPHORES "/jobs/waiters?limit=1",
    };
    cJSON_Hooks hooks = {failing_malloc, free};

    for (int n = 0; n < 1000; n++) {
        char *answer;

        cJSON_InitHooks(&hooks);
        allocations_left = n;
        answer = get(paths[_i]);
        cJSON_InitHooks(NULL);
        if (allocations_left >= 0) {
            ck_assert_int_gt(n, 4);
            free(answer);
            return;
        }
        ck_assert_msg(strncmp(answer, "HTTP/1.1 503 ", 13) == 0, "%d: %s", n,
                      answer);
        free(answer);
    }
    ck_abort_msg("it never had enough memory");
}
END_TEST

static TCase *make_tcase(void)
{
    TCase *tcase = tcase_create("http_load");

    tcase_add_checked_fixture(tcase, http_world_start, http_world_stop);
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, status_says_what_the_daemon_knows);
    tcase_add_loop_test(tcase, readyz_names_what_fails, 0,
                        (int)(sizeof(ready_cases) / sizeof(ready_cases[0])));
    tcase_add_test(tcase, holders_are_told_as_they_are_named);
    tcase_add_test(tcase, a_page_of_1024_rows_comes_whole_in_slices);
    tcase_add_test(tcase, a_page_is_one_snapshot);
    tcase_add_test(tcase, a_filter_looks_at_all_and_stalls_nobody);
    tcase_add_test(tcase, pages_take_turns);
    tcase_add_loop_test(
        tcase, a_client_that_vanishes_amid_its_page_leaves_nothing, 0, 20);
    tcase_add_test(tcase, a_client_that_only_connects_leaves_nothing);
    tcase_add_loop_test(tcase, it_can_end_at_any_moment, 0, 12);
    tcase_add_test(tcase,
                   c18_more_connections_than_the_limit_wait_for_one_to_close);
    tcase_add_test(tcase, c18_a_request_has_five_seconds_in_all);
    tcase_add_test(tcase, running_out_of_descriptors_never_spins);
    tcase_add_loop_test(tcase, without_memory_it_says_so_and_leaks_nothing, 0,
                        8);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("http_load");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, make_tcase());
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
