/* SPDX-License-Identifier: MIT */

/* The non-blocking face with a real daemon, in each loop that it has an adapter
 * for. */

#include "permit/adapter/glib.h"
#include "permit/adapter/libevent.h"
#include "permit/adapter/libuv.h"
#include "permit/adapter/poll.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "daemon.h"

/* -------------------------------------------------------------------- loops
 */

static struct event_base *base;
static uv_loop_t uv_loop;
static GMainContext *context;
static struct permit_poll tie;

static void start_libevent(void)
{
    base = event_base_new();
    ck_assert_ptr_nonnull(base);
}

static enum permit_status attach_libevent(struct permit_async *client)
{
    return permit_libevent_attach(client, base);
}

static void turn_libevent(void)
{
    (void)event_base_loop(base, EVLOOP_ONCE);
}

static bool is_libevent_idle(void)
{
    return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED |
                                               EVENT_BASE_COUNT_ACTIVE) == 0;
}

static void stop_libevent(void)
{
    event_base_free(base);
}

static void start_libuv(void)
{
    ck_assert_int_eq(uv_loop_init(&uv_loop), 0);
}

static enum permit_status attach_libuv(struct permit_async *client)
{
    return permit_libuv_attach(client, &uv_loop);
}

static void turn_libuv(void)
{
    (void)uv_run(&uv_loop, UV_RUN_ONCE);
}

static bool is_libuv_idle(void)
{
    while (uv_run(&uv_loop, UV_RUN_NOWAIT) != 0 &&
           uv_backend_timeout(&uv_loop) == 0) {
    }
    return uv_loop_alive(&uv_loop) == 0;
}

static void stop_libuv(void)
{
    ck_assert_int_eq(uv_loop_close(&uv_loop), 0);
    uv_library_shutdown(); /* It has descriptors of its own. */
}

static void start_glib(void)
{
    context = g_main_context_new();
}

static enum permit_status attach_glib(struct permit_async *client)
{
    return permit_glib_attach(client, context);
}

static void turn_glib(void)
{
    (void)g_main_context_iteration(context, TRUE);
}

static bool is_glib_idle(void)
{
    return !g_main_context_pending(context);
}

static void stop_glib(void)
{
    g_main_context_unref(context);
}

static void start_poll(void)
{
}

static enum permit_status attach_poll(struct permit_async *client)
{
    return permit_poll_attach(client, &tie);
}

static void turn_poll(void)
{
    ck_assert_int_ge(permit_poll_tick(&tie, -1), 0);
}

static bool is_poll_idle(void)
{
    return permit_poll_timeout_ms(&tie) == -1 && permit_poll_fd(&tie).fd == -1;
}

static void stop_poll(void)
{
    ck_assert_ptr_null(tie.client);
    ck_assert_int_eq(permit_poll_tick(&tie, 0), 0);
}

static const struct loop {
    void (*start)(void);
    enum permit_status (*attach)(struct permit_async *client);
    void (*turn)(void);
    bool (*is_idle)(void); /* Nothing is waited for. */
    void (*stop)(void);
} loops[] = {{start_libevent, attach_libevent, turn_libevent, is_libevent_idle,
              stop_libevent},
             {start_libuv, attach_libuv, turn_libuv, is_libuv_idle, stop_libuv},
             {start_glib, attach_glib, turn_glib, is_glib_idle, stop_glib},
             {start_poll, attach_poll, turn_poll, is_poll_idle, stop_poll}};

#define LOOPS_COUNT ((int)(sizeof(loops) / sizeof(*loops)))

/* -------------------------------------------------------------------- stage
 */

static struct daemon server;
static const struct loop *loop;
static struct permit_async *client;
static size_t fds_before;

static void create(void)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    char error[256];

    options.server = server.server;
    ck_assert_msg(permit_async_create(&options, &client, error,
                                      sizeof(error)) == PERMIT_OK,
                  "%s", error);
    ck_assert_int_eq(loop->attach(client), PERMIT_OK);
}

static void start(void)
{
    daemon_start(&server);
}

static void stop(void)
{
    daemon_stop(&server);
}

static void begin(int number)
{
    fds_before = open_fds();
    loop = &loops[number];
    loop->start();
    create();
}

static void end(void)
{
    permit_async_destroy(client);
    ck_assert(loop->is_idle());
    loop->stop();
    ck_assert_uint_eq(open_fds(), fds_before);
}

/* How a request ended. */
struct outcome {
    int count;
    enum permit_status status;
    struct permit_grant *grant;
    int waits;
    enum permit_loss loss;
};

static void note(void *arg, const struct permit_answer *answer)
{
    struct outcome *outcome = arg;

    outcome->count++;
    outcome->status = answer->status;
    outcome->grant = answer->grant;
}

static void note_waiting(void *arg, const struct permit_waiting *waiting)
{
    ck_assert_uint_eq(waiting->position, 1);
    ck_assert_ptr_nonnull(waiting->oldest);
    ck_assert_ptr_nonnull(waiting->semaphore);
    ck_assert_uint_gt(waiting->permits_in_the_way, 0);
    ((struct outcome *)arg)->waits++;
}

static void note_lost(void *arg, struct permit_grant *grant,
                      enum permit_loss loss)
{
    struct outcome *outcome = arg;

    ck_assert_ptr_eq(outcome->grant, grant);
    ck_assert(!permit_grant_is_valid(grant));
    outcome->loss = loss;
}

static void await(const struct outcome *outcome, enum permit_status status)
{
    while (outcome->count == 0) {
        loop->turn();
    }
    ck_assert_int_eq(outcome->count, 1);
    ck_assert_int_eq(outcome->status, status);
}

static void define(void)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct outcome outcome = {0};

    definition.fields = PERMIT_DEFINE_KIND;
    while (permit_async_define(client, "jobs", &definition, note, &outcome) !=
           PERMIT_OK) {
        /* It is told what the last attempt met, until the next is due. */
    }
    await(&outcome, PERMIT_OK);
}

static uint64_t acquire(struct outcome *outcome, int64_t hold_ms)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    uint64_t id = 0;

    request.semaphore = "jobs";
    request.hold_ms = hold_ms;
    request.on_waiting = note_waiting;
    request.on_waiting_arg = outcome;
    request.on_lost = note_lost;
    request.on_lost_arg = outcome;
    ck_assert_int_eq(permit_async_acquire(client, &request, note, outcome, &id),
                     PERMIT_OK);
    return id;
}

/* -------------------------------------------------------------------- tests
 */

START_TEST(a_permit_goes_from_hand_to_hand)
{
    struct outcome first = {0};
    struct outcome second = {0};
    struct outcome third = {0};
    uint64_t id;

    begin(_i);
    define();
    (void)acquire(&first, 0);
    await(&first, PERMIT_OK);
    (void)acquire(&second, 0);
    while (second.waits == 0) {
        loop->turn();
    }
    id = acquire(&third, 0);
    ck_assert_int_eq(permit_async_cancel(client, id), PERMIT_OK);
    await(&third, PERMIT_E_CANCELLED);
    ck_assert_int_eq(second.count, 0);
    ck_assert_int_eq(permit_async_release(first.grant, 0, NULL, NULL),
                     PERMIT_OK);
    permit_grant_destroy(first.grant);
    await(&second, PERMIT_OK);
    ck_assert(permit_grant_is_valid(second.grant));
    permit_grant_destroy(second.grant);
    end();
}
END_TEST

START_TEST(a_hold_ends_by_the_loops_timer)
{
    struct outcome outcome = {0};

    begin(_i);
    define();
    (void)acquire(&outcome, 30);
    while (outcome.loss == 0) {
        loop->turn();
    }
    ck_assert_int_eq(outcome.loss, PERMIT_LOSS_HOLD);
    permit_grant_destroy(outcome.grant);
    end();
}
END_TEST

START_TEST(a_killed_daemon_loses_all_and_is_found_again)
{
    struct permit_counters counters = PERMIT_COUNTERS_INIT;
    struct outcome held = {0};
    struct outcome waiting = {0};
    struct outcome away = {0};
    struct outcome again = {0};

    begin(_i);
    define();
    (void)acquire(&held, 0);
    (void)acquire(&waiting, 0);
    while (waiting.waits == 0) {
        loop->turn();
    }
    daemon_kill(&server);
    await(&waiting, PERMIT_E_OUTCOME_UNKNOWN);
    ck_assert_int_eq(held.loss, PERMIT_LOSS_SESSION);
    ck_assert_int_eq(permit_async_ping(client, note, &away), PERMIT_OK);
    await(&away, PERMIT_E_DISCONNECTED);
    daemon_restart(&server);
    define();
    (void)acquire(&again, 0);
    await(&again, PERMIT_OK);
    ck_assert(permit_grant_is_valid(again.grant));
    ck_assert(!permit_grant_is_valid(held.grant));
    ck_assert_int_eq(permit_async_counters(client, &counters), PERMIT_OK);
    ck_assert_uint_eq(counters.reconnects_total, 1);
    ck_assert_uint_eq(counters.losses_total, 1);
    permit_grant_destroy(held.grant);
    permit_grant_destroy(again.grant);
    end();
}
END_TEST

static void destroy_client(void *arg, const struct permit_answer *answer)
{
    note(arg, answer);
    permit_async_destroy(client);
    client = NULL;
}

START_TEST(a_callback_destroys_the_client)
{
    struct outcome first = {0};
    struct outcome second = {0};

    begin(_i);
    ck_assert_int_eq(permit_async_ping(client, destroy_client, &first),
                     PERMIT_OK);
    ck_assert_int_eq(permit_async_list_waiters(client, "jobs", note, &second),
                     PERMIT_OK);
    await(&second, PERMIT_E_CLOSED);
    ck_assert_int_eq(first.status, PERMIT_OK);
    end();
}
END_TEST

START_TEST(a_callback_destroys_the_client_that_cannot_connect)
{
    struct outcome outcome = {0};

    (void)strcpy(server.server, "127.0.0.1:1"); /* Nobody is there. */
    begin(_i);
    ck_assert_int_eq(permit_async_ping(client, destroy_client, &outcome),
                     PERMIT_OK);
    await(&outcome, PERMIT_E_DISCONNECTED);
    end();
}
END_TEST

START_TEST(a_client_without_a_line_waits_for_nothing)
{
    struct outcome outcome = {0};

    (void)strcpy(server.server, "unix:/nowhere"); /* The timer tells. */
    begin(_i);
    ck_assert_int_eq(permit_async_ping(client, note, &outcome), PERMIT_OK);
    await(&outcome, PERMIT_E_DISCONNECTED);
    ck_assert(loop->is_idle());
    end();
}
END_TEST

START_TEST(a_thousand_at_a_time_are_answered)
{
    static struct outcome outcomes[1000];

    begin(_i);
    memset(outcomes, 0, sizeof(outcomes));
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(permit_async_ping(client, note, &outcomes[i]),
                         PERMIT_OK);
    }
    for (int i = 999; i >= 0; i--) {
        await(&outcomes[i], PERMIT_OK);
    }
    end();
}
END_TEST

START_TEST(what_cannot_be_attached_leaves_nothing)
{
    begin(_i);
    ck_assert_int_eq(loop->attach(client), PERMIT_E_INVALID);
    permit_async_destroy(client);
    client = NULL;
    tie.client = NULL;
    ck_assert(loop->is_idle());
    loop->stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_async_loops");
    TCase *tests = tcase_create("loops");
    TCase *killed = tcase_create("killed");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 30);
    tcase_add_unchecked_fixture(tests, start, stop); /* One for all. */
    tcase_add_loop_test(tests, a_permit_goes_from_hand_to_hand, 0, LOOPS_COUNT);
    tcase_add_loop_test(tests, a_hold_ends_by_the_loops_timer, 0, LOOPS_COUNT);
    tcase_add_loop_test(tests, a_callback_destroys_the_client, 0, LOOPS_COUNT);
    tcase_add_loop_test(tests,
                        a_callback_destroys_the_client_that_cannot_connect, 0,
                        LOOPS_COUNT);
    tcase_add_loop_test(tests, a_client_without_a_line_waits_for_nothing, 0,
                        LOOPS_COUNT);
    tcase_add_loop_test(tests, a_thousand_at_a_time_are_answered, 0,
                        LOOPS_COUNT);
    tcase_add_loop_test(tests, what_cannot_be_attached_leaves_nothing, 0,
                        LOOPS_COUNT);
    suite_add_tcase(suite, tests);
    tcase_set_timeout(killed, 30);
    tcase_add_checked_fixture(killed, start, stop);
    tcase_add_loop_test(killed, a_killed_daemon_loses_all_and_is_found_again, 0,
                        LOOPS_COUNT);
    suite_add_tcase(suite, killed);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
