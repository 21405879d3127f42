/* SPDX-License-Identifier: MIT */
/* Connections over a socketpair: real sessions and engine, short limits. */
#include "connection.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault.h"
#include "frame.h"
#include "late_store.h"
#include "log.h"

static struct {
    struct event_base *base;
    struct event *turn;
    struct clock clock;
    struct session_limits limits;
    struct engine *engine;
    struct late_store *store;
    struct gate *gate;
    struct sessions *sessions;
    struct connections *connections;
    bool is_late; /* The store answers when the test says so. */
    int fd;       /* The client's end. */
    uint64_t last_id;
} world;

static void want_turn(void *arg, bool later)
{
    struct timeval now = {0, 0};

    (void)arg;
    if (later) {
        (void)event_add(world.turn, &now);
    } else {
        event_active(world.turn, EV_TIMEOUT, 0);
    }
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    ck_assert_int_eq(connections_turn(world.connections), PERMIT_OK);
    if (!world.is_late) {
        late_store_finish(world.store);
        ck_assert_int_eq(connections_turn(world.connections), PERMIT_OK);
    }
}

static enum permit_status no_secret(void *bytes, size_t length)
{
    memset(bytes, 7, length);
    return PERMIT_OK;
}

static void connect_client(void)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends),
                     0);
    fault_begin();
    connections_add(world.connections, ends[0], "", "unix:test");
    fault_end();
    world.fd = ends[1];
}

static void set_up(void)
{
    static const uint8_t secret[ENGINE_HASH_SECRET_BYTES] = {1};
    static const struct engine_limits engine_limits = ENGINE_LIMITS_DEFAULT;
    struct sessions_options sessions = {.limits = &world.limits,
                                        .boot_id = "boot",
                                        .server = "test",
                                        .heartbeat_ms = 5000,
                                        .session_timeout_ms = 15000,
                                        .grace_ms = 5000,
                                        .random = no_secret};
    struct connections_options options = {.clock = &world.clock,
                                          .limits = &world.limits,
                                          .session_timeout_ms = 15000,
                                          .want_turn = want_turn};

    (void)signal(SIGPIPE, SIG_IGN); /* As the daemon does. */
    log_set(LOG_ERR, LOG_FORMAT_LOGFMT);
    world.limits = (struct session_limits)SESSION_LIMITS_DEFAULT;
    world.limits.hello_timeout_ms = 50;
    world.limits.frame_timeout_ms = 50;
    world.limits.slow_client_timeout_ms = 50;
    world.limits.max_in_flight = 3;
    world.base = event_base_new();
    world.turn = evtimer_new(world.base, on_turn, NULL);
    world.engine = engine_create(&engine_limits, 0, secret);
    world.store = late_store_create();
    world.gate = gate_create(late_store_as_store(world.store));
    options.base = world.base;
    options.gate = sessions.gate = world.gate;
    sessions.engine = world.engine;
    options.sessions = world.sessions = sessions_create(&sessions);
    world.connections = connections_create(&options);
    ck_assert_ptr_nonnull(world.connections);
    connect_client();
}

static void tear_down(void)
{
    if (world.fd >= 0) {
        ck_assert_int_eq(close(world.fd), 0);
    }
    event_free(world.turn);
    connections_destroy(world.connections);
    (void)event_base_loop(world.base, EVLOOP_NONBLOCK);
    event_base_free(world.base);
    sessions_destroy(world.sessions);
    gate_destroy(world.gate);
    late_store_destroy(world.store);
    engine_destroy(world.engine);
}

/* --------------------------------------------------------------- the client */

static void send_bytes(const void *bytes, size_t length)
{
    ck_assert_int_eq(send(world.fd, bytes, length, MSG_NOSIGNAL),
                     (ssize_t)length);
}

static size_t add_message(uint8_t *bytes, enum wire_client_type type)
{
    struct wire_client_message message = {.id = ++world.last_id, .type = type};

    if (type == WIRE_HELLO) {
        message.hello.name = message.hello.host = message.hello.purpose =
            message.hello.client = "";
    } else if (type == WIRE_DEFINE) {
        message.define.semaphore = "jobs";
        message.define.fields = WIRE_FIELD_PERMITS;
        message.define.permits = 1000;
    } else if (type == WIRE_ACQUIRE) {
        message.acquire.parts[0].semaphore = "jobs";
        message.acquire.parts[0].permits = 1;
        message.acquire.parts_count = 1;
    }
    return wire_encode_client(&message, bytes, 1024);
}

/* Preface, Hello, Define and so many acquires, in one piece. */
static size_t make_script(uint8_t *bytes, int acquires)
{
    size_t length = FRAME_PREFACE_BYTES;

    memcpy(bytes, frame_preface, FRAME_PREFACE_BYTES);
    length += add_message(bytes + length, WIRE_HELLO);
    length += add_message(bytes + length, WIRE_DEFINE);
    for (int i = 0; i < acquires; i++) {
        length += add_message(bytes + length, WIRE_ACQUIRE);
    }
    return length;
}

static void turn_once(void)
{
    (void)event_base_loop(world.base, EVLOOP_ONCE);
}

/* Reads until the end of the connection, and returns how many frames came;
 * what came last is in *ret_last. */
static int read_to_end(enum wire_server_type *ret_last)
{
    static uint8_t bytes[1 << 20];
    static uint8_t memory[WIRE_ARENA_BYTES];
    struct wire_arena arena = {.bytes = memory, .capacity = sizeof(memory)};
    size_t length = 0;
    size_t at = FRAME_PREFACE_BYTES;
    ssize_t got;
    int frames = 0;
    struct frame frame;

    while ((got = recv(world.fd, bytes + length, sizeof(bytes) - length, 0)) !=
           0) {
        if (got < 0 && errno == ECONNRESET) {
            break;
        }
        if (got < 0) {
            ck_assert_int_eq(errno, EAGAIN);
            turn_once();
            continue;
        }
        length += (size_t)got;
    }
    while (at < length) {
        struct wire_server_message message;
        int64_t used =
            frame_parse(bytes + at, length - at, FRAME_BYTES_MAX, &frame);
        ck_assert_int_gt(used, 0);
        ck_assert_int_eq(wire_decode_server(frame.message, frame.message_bytes,
                                            &arena, &message),
                         PERMIT_OK);
        *ret_last = message.type;
        at += (size_t)used;
        frames++;
    }
    return frames;
}

static uint32_t count_sessions(void)
{
    struct engine_totals totals;

    engine_get_totals(world.engine, &totals);
    return totals.sessions;
}

/* -------------------------------------------------------------------- tests */

START_TEST(what_came_before_a_fin_is_obeyed_and_answered)
{
    enum wire_server_type last = 0;
    uint8_t script[4096];

    send_bytes(script, make_script(script, 20));
    ck_assert_int_eq(shutdown(world.fd, SHUT_WR), 0);
    ck_assert_int_eq(read_to_end(&last), 22);
    ck_assert_int_eq(last, WIRE_GRANTED);
    ck_assert_uint_eq(count_sessions(), 0);
    ck_assert_uint_eq(connections_count(world.connections), 0);
}
END_TEST

START_TEST(a_late_store_holds_answers_and_input_but_loses_none)
{
    enum wire_server_type last = 0;
    uint8_t script[4096];
    size_t batches = 0;

    world.is_late = true;
    send_bytes(script, make_script(script, 20));
    ck_assert_int_eq(shutdown(world.fd, SHUT_WR), 0);
    while (connections_count(world.connections) > 0) {
        (void)event_base_loop(world.base, EVLOOP_NONBLOCK);
        if (late_store_batches(world.store) > batches) {
            batches = late_store_batches(world.store);
            late_store_finish(world.store);
            want_turn(NULL, false);
        }
    }
    ck_assert_uint_ge(batches, 20 / world.limits.max_in_flight);
    ck_assert_ptr_null(late_store_violation(world.store));
    ck_assert_int_eq(read_to_end(&last), 22);
    ck_assert_int_eq(last, WIRE_GRANTED);
}
END_TEST

START_TEST(a_byte_at_a_time_is_as_good)
{
    enum wire_server_type last = 0;
    uint8_t script[4096];
    size_t length = make_script(script, 2);

    world.limits.hello_timeout_ms = 10000;
    world.limits.frame_timeout_ms = 10000;
    close(world.fd);
    connect_client();
    for (size_t i = 0; i < length; i++) {
        send_bytes(script + i, 1);
        (void)event_base_loop(world.base, EVLOOP_NONBLOCK);
    }
    ck_assert_int_eq(shutdown(world.fd, SHUT_WR), 0);
    ck_assert_int_eq(read_to_end(&last), 4);
}
END_TEST

static const struct {
    const char *name;
    const char *bytes;
    size_t length;
} strangers[] = {
    {"silent", "", 0},
    {"half a preface", "\x93P", 2},
    {"HTTP", "GET / HTTP/1.1\r\n\r\n", 18},
    {"TLS", "\x16\x03\x01\x02\x00", 5},
};

START_TEST(who_does_not_say_the_preface_is_closed_without_a_word)
{
    char byte;
    ssize_t got;

    if (strangers[_i].length > 0) {
        send_bytes(strangers[_i].bytes, strangers[_i].length);
    }
    while ((got = recv(world.fd, &byte, 1, 0)) < 0 && errno == EAGAIN) {
        turn_once();
    }
    ck_assert_int_le(got, 0);
    ck_assert_int_eq(close(world.fd), 0);
    world.fd = -1;
    while (connections_count(world.connections) > 0) {
        turn_once();
    }
}
END_TEST

START_TEST(half_a_frame_has_its_time_and_an_idle_line_has_all)
{
    enum wire_server_type last = 0;
    uint8_t script[4096];
    struct timeval after = {.tv_usec = 150000};

    send_bytes(script, make_script(script, 1));
    ck_assert_int_eq(event_base_loopexit(world.base, &after), 0);
    (void)event_base_dispatch(world.base);
    ck_assert_uint_eq(connections_count(world.connections), 1);
    send_bytes("\0\0\0", 3);
    ck_assert_int_eq(read_to_end(&last), 3);
    ck_assert_uint_eq(connections_count(world.connections), 0);
    /* It was the server's own closing: the session has its time-out. */
    ck_assert_uint_eq(count_sessions(), 1);
}
END_TEST

START_TEST(a_client_that_reads_nothing_is_closed)
{
    uint8_t script[4096];
    uint8_t ping[1024];
    int small = 4096;

    ck_assert_int_eq(
        setsockopt(world.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    send_bytes(script, make_script(script, 0));
    while (connections_count(world.connections) > 0) {
        size_t length = add_message(ping, WIRE_PING);
        if (send(world.fd, ping, length, MSG_NOSIGNAL) < 0) {
            turn_once();
        } else {
            (void)event_base_loop(world.base, EVLOOP_NONBLOCK);
        }
    }
    ck_assert_uint_eq(count_sessions(), 1);
}
END_TEST

START_TEST(a_client_that_is_gone_frees_its_session_at_once)
{
    uint8_t script[4096];

    send_bytes(script, make_script(script, 1));
    while (count_sessions() == 0) {
        turn_once();
    }
    ck_assert_int_eq(close(world.fd), 0); /* Unread: a reset. */
    world.fd = -1;
    while (connections_count(world.connections) > 0) {
        turn_once();
    }
    ck_assert_uint_eq(count_sessions(), 0);
}
END_TEST

START_TEST(goaway_is_the_last_word)
{
    enum wire_server_type last = 0;
    uint8_t script[4096];

    send_bytes(script, make_script(script, 1));
    while (count_sessions() == 0) {
        turn_once();
    }
    connections_goaway(world.connections, WIRE_GOAWAY_SHUTDOWN, 1000, "");
    ck_assert_int_eq(read_to_end(&last), 4);
    ck_assert_int_eq(last, WIRE_GOAWAY);
    ck_assert_int_eq(close(world.fd), 0);
    world.fd = -1;
    while (connections_count(world.connections) > 0) {
        turn_once();
    }
}
END_TEST

START_TEST(too_many_connections_before_hello_are_closed)
{
    int first = world.fd;
    char byte;

    world.limits.max_connections_before_hello = 1;
    connect_client();
    ck_assert_uint_eq(connections_count(world.connections), 1);
    ck_assert_int_eq(recv(world.fd, &byte, 1, 0), 0);
    ck_assert_int_eq(close(world.fd), 0);
    world.fd = first;
}
END_TEST

START_TEST(a_connection_that_finds_no_memory_is_closed_and_no_other)
{
    uint32_t before = connections_count(world.connections);
    size_t n = 0;
    bool is_served = false;

    while (!is_served) {
        char byte;
        int first = world.fd;

        fault_arm(++n, false);
        connect_client();
        is_served = fault_count() < n;
        ck_assert_uint_eq(connections_count(world.connections),
                          before + (is_served ? 1 : 0));
        ck_assert_int_eq(recv(world.fd, &byte, 1, MSG_DONTWAIT),
                         is_served ? -1 : 0);
        ck_assert_int_eq(close(world.fd), 0);
        world.fd = first;
    }
    fault_arm(0, false);
    ck_assert_uint_gt(n, 2); /* Connection and session, at least. */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("connection");
    TCase *tcase = tcase_create("socketpair");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 20);
    tcase_add_test(tcase, what_came_before_a_fin_is_obeyed_and_answered);
    tcase_add_test(tcase, a_late_store_holds_answers_and_input_but_loses_none);
    tcase_add_test(tcase, a_byte_at_a_time_is_as_good);
    tcase_add_loop_test(tcase,
                        who_does_not_say_the_preface_is_closed_without_a_word,
                        0, sizeof(strangers) / sizeof(strangers[0]));
    tcase_add_test(tcase, half_a_frame_has_its_time_and_an_idle_line_has_all);
    tcase_add_test(tcase, a_client_that_reads_nothing_is_closed);
    tcase_add_test(tcase, a_client_that_is_gone_frees_its_session_at_once);
    tcase_add_test(tcase, goaway_is_the_last_word);
    tcase_add_test(tcase, too_many_connections_before_hello_are_closed);
    tcase_add_test(tcase,
                   a_connection_that_finds_no_memory_is_closed_and_no_other);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
