/* SPDX-License-Identifier: MIT */

/* A client's core where two things meet: an answer and what ended before it, a
 * call and the events that are still to be taken. */

#include "client_script.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "frame.h"
#include "memory.h"

#define NS_PER_MS INT64_C(1000000)

static struct client_script script;
static bool is_out_of_memory;

static void *take(void *arg, size_t bytes)
{
    (void)arg;
    return is_out_of_memory ? NULL : malloc(bytes);
}

static void give(void *arg, void *memory)
{
    (void)arg;
    free(memory);
}

static void start(void)
{
    client_script_start_lingering(&script, 30000);
}

static void stop(void)
{
    client_script_stop(&script);
}

/* The same, with a core of other options. */
static void start_with(int64_t heartbeat_ms)
{
    static const struct permit_allocator allocator = {take, give, NULL};
    const struct core_options options = {.name = "test",
                                         .host = "here",
                                         .purpose = "",
                                         .pid = 1,
                                         .answer_timeout_ms = 1000,
                                         .linger_ms = 30000,
                                         .heartbeat_ms = heartbeat_ms,
                                         .allocator = &allocator};

    core_destroy(script.core);
    script.core = core_create(&options);
    ck_assert_ptr_nonnull(script.core);
    (void)client_script_reopen(&script);
    client_script_replaced(&script, 1);
    script.length = 0;
}

/* Takes one event, as `type` of `name`; NULL: of nobody. */
static void take_event(enum core_event_type type, const char *name)
{
    struct core_event event;

    ck_assert(core_next_event(script.core, &event));
    ck_assert_int_eq(event.type, type);
    ck_assert_pstr_eq(event.arg, name);
}

/* ------------------------------------------------------------------ requests
 */

START_TEST(a_release_is_answered_when_its_grant_is_gone)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(client_script_release(&script, "x", a, 0), PERMIT_OK);
    ck_assert_int_eq(client_script_release(&script, "y", a, 0), PERMIT_OK);
    client_script_say_type(&script, a + 1, WIRE_DONE);
    client_script_refused(&script, a + 2, PERMIT_E_NOT_HELD);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, &a, 1, false); /* The core's own. */
    client_script_say_type(&script, hello + 1, WIRE_DONE);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n"
                                  "[   0] > 3 RELEASE 2 0\n"
                                  "[   0] > 4 RELEASE 2 0\n"
                                  "[   0] x ok\n"
                                  "[   0] y not_held\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[   0] > 5 HELLO resume 7 end 0 below 5\n"
                                  "[   0] READY 7\n"
                                  "[   0] > 6 RELEASE 2 0\n");
    ck_assert(core_has_line(script.core));
}
END_TEST

START_TEST(what_is_given_back_whole_is_no_loss_if_a_part_is_too)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    ck_assert_int_eq(client_script_release(&script, "x", a, 0), PERMIT_OK);
    ck_assert_int_eq(client_script_release(&script, "y", a, 1), PERMIT_OK);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_expect(&script, "[   0] READY 7\n"
                                  "[   0] > 3 RELEASE 2 0\n"
                                  "[   0] > 4 RELEASE 2 1\n");
}
END_TEST

START_TEST(a_renew_of_what_is_gone_is_too_late)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 5000, false);

    client_script_granted(&script, a, 0, 5000);
    (void)client_script_renew(&script, "n", a, 0);
    ck_assert_int_eq(client_script_release(&script, "x", a, 0), PERMIT_OK);
    client_script_say_type(&script, a + 2, WIRE_DONE);
    client_script_renewed(&script, a + 1, 5000);
    (void)client_script_renew(&script, "m", a, 0); /* Of nothing at all. */
    client_script_refused(&script, a + 3, PERMIT_E_NOT_HELD);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a OK until 4995.000\n"
                                  "[   0] > 3 RENEW\n"
                                  "[   0] > 4 RELEASE 2 0\n"
                                  "[   0] x ok\n"
                                  "[   0] n expired\n"
                                  "[   0] > 5 RENEW\n"
                                  "[   0] m not_held\n");
}
END_TEST

START_TEST(a_refused_ping_proves_nothing)
{
    client_script_at(&script, 1000);
    (void)client_script_ask(&script, "p", WIRE_PING);
    client_script_refused(&script, 2, PERMIT_E_TOO_MANY);
    client_script_expect(&script, "[1000] > 2 PING\n"
                                  "[1000] p too_many\n");
    ck_assert_int_eq(core_believed_until(script.core), 27000 * NS_PER_MS);
    (void)client_script_ask(&script, "p", WIRE_PING);
    client_script_say_type(&script, 3, WIRE_PONG);
    ck_assert_int_eq(core_believed_until(script.core), 28000 * NS_PER_MS);
}
END_TEST

START_TEST(who_gave_up_hears_of_no_place_and_has_nothing_to_cancel)
{
    uint64_t a = client_script_acquire(&script, "a", 100, 0, false);

    client_script_at(&script, 1100);
    client_script_say_type(&script, a, WIRE_WAITING);
    ck_assert(!core_cancel(script.core, a));
    ck_assert(!core_cancel(script.core, a + 1)); /* The Cancel itself. */
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] > 2 ACQUIRE 100\n"
                                  "[1100] a no_answer\n"
                                  "[1100] > 3 CANCEL 2\n");
}
END_TEST

START_TEST(what_left_before_the_break_is_cancelled_behind_it)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t hello;

    client_script_break(&script);
    hello = client_script_reopen(&script);
    ck_assert(core_cancel(script.core, a));
    client_script_at(&script, 10);
    client_script_resumed(&script, hello, NULL, 0, false);
    client_script_granted(&script, a, 0, 0);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] DOWN disconnected: cut\n"
                                  "[   0] > 3 HELLO resume 7 end 0 below 2\n"
                                  "[  10] READY 7\n"
                                  "[  10] > 2 ACQUIRE -1\n"
                                  "[  10] > 4 CANCEL 2\n"
                                  "[  10] a cancelled\n"
                                  "[  10] > 5 RELEASE 2 0\n");
}
END_TEST

START_TEST(a_new_session_is_not_asked_about_grants_of_the_former)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", -1, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_break(&script);
    (void)client_script_renew(&script, "n", a, 100);
    ck_assert(core_cancel(script.core, b));
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_replaced(&script, hello);
    client_script_expect(&script, "[   0] a LOST session\n"
                                  "[   0] b outcome_unknown\n"
                                  "[   0] n disconnected\n"
                                  "[   0] READY 9\n");
}
END_TEST

START_TEST(bytes_keep_their_order_however_few_leave_at_once)
{
    uint8_t bytes[400000];
    size_t taken = 0;
    size_t length;
    uint64_t expected = 2;

    script.is_stuck = true;
    for (int i = 0; i < 10000; i++) {
        (void)client_script_ask(&script, "q", WIRE_QUERY);
    }
    for (;;) {
        const uint8_t *output = core_output(script.core, &length);
        size_t part = length > 40000 ? 40000 : length;

        if (length == 0) {
            break;
        }
        ck_assert_uint_le(taken + part, sizeof(bytes));
        memcpy(bytes + taken, output, part);
        taken += part;
        core_sent(script.core, part);
    }
    for (size_t at = 0; at < taken; expected++) {
        static _Alignas(16) uint8_t room[WIRE_ARENA_BYTES];
        struct wire_arena arena = {.bytes = room, .capacity = sizeof(room)};
        struct wire_client_message message;
        struct frame frame;
        int64_t used =
            frame_parse(bytes + at, taken - at, FRAME_BYTES_MAX, &frame);

        ck_assert_int_gt(used, 0);
        ck_assert_int_eq(wire_decode_client(frame.message, frame.message_bytes,
                                            &arena, &message),
                         PERMIT_OK);
        ck_assert_uint_eq(message.id, expected);
        at += (size_t)used;
    }
    ck_assert_uint_eq(expected, 10002);
}
END_TEST

/* -------------------------------------------------------- between two events
 */

START_TEST(what_is_to_be_told_is_due_at_once)
{
    struct core_event event;

    core_break(script.core, PERMIT_E_DISCONNECTED, "cut");
    ck_assert_int_eq(core_next_deadline(script.core), 0);
    ck_assert(!core_is_down(script.core));
    take_event(CORE_EVENT_DOWN, NULL);
    ck_assert(!core_next_event(script.core, &event));
    ck_assert(core_is_down(script.core));
    ck_assert_int_gt(core_next_deadline(script.core), 0);
}
END_TEST

START_TEST(nobody_opens_a_line_before_he_heard_what_the_last_one_cost)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", -1, 0, false);

    client_script_granted(&script, a, 0, 0);
    client_script_granted(&script, b, 0, 0);
    client_script_break(&script);
    ck_assert(core_is_down(script.core) && core_wants_line(script.core));
    core_advance(script.core, 27000 * NS_PER_MS); /* Belief is over. */
    take_event(CORE_EVENT_LOST, "a");
    ck_assert(!core_is_down(script.core) && !core_wants_line(script.core));
    take_event(CORE_EVENT_LOST, "b");
    client_script_go_on(&script);
    ck_assert(core_is_down(script.core) && !core_wants_line(script.core));
}
END_TEST

START_TEST(a_grant_that_is_forgotten_before_its_loss_is_told_is_told_nothing)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", -1, 0, false);
    uint64_t id;

    client_script_granted(&script, a, 0, 0);
    client_script_granted(&script, b, 0, 0);
    script.length = 0;
    core_break(script.core, PERMIT_E_PROTOCOL, "cut");
    ck_assert_int_eq(core_release(script.core, a, 0, CORE_NEVER, NULL, &id),
                     PERMIT_E_EXPIRED);
    core_forget(script.core, b);
    core_forget(script.core, 99); /* Nothing at all. */
    client_script_go_on(&script);
    client_script_expect(&script, "[   0] a LOST session\n"
                                  "[   0] DOWN protocol: cut\n");
    script.shows_more = false;
    client_script_replaced(&script, client_script_reopen(&script));
    client_script_expect(&script, "[   0] > 4 HELLO\n" /* No Release. */
                                  "[   0] READY 9\n");
}
END_TEST

START_TEST(who_cancels_while_the_end_is_told_is_told_that)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    core_break(script.core, PERMIT_E_PROTOCOL, "cut");
    ck_assert(core_cancel(script.core, a));
    client_script_go_on(&script);
    ck_assert(!core_cancel(script.core, a));
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a outcome_unknown\n"
                                  "[   0] DOWN protocol: cut\n");
}
END_TEST

START_TEST(a_grant_that_is_forgotten_before_it_comes_is_told_no_loss)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);

    core_forget(script.core, a);
    client_script_granted(&script, a, 0, 0);
    client_script_lost(&script, a, 100 + a, PERMIT_LOSS_REVOKED);
    client_script_expect(&script, "[   0] > 2 ACQUIRE -1\n"
                                  "[   0] a ok\n");
    ck_assert(core_has_line(script.core));
}
END_TEST

START_TEST(when_belief_is_over_nothing_is_asked_before_that_is_told)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t id;

    client_script_granted(&script, a, 0, 0);
    core_advance(script.core, 27000 * NS_PER_MS - 1);
    ck_assert(core_is_open(script.core));
    core_advance(script.core, 27000 * NS_PER_MS);
    ck_assert(!core_is_open(script.core));
    ck_assert_int_eq(core_release(script.core, a, 0, CORE_NEVER, NULL, &id),
                     PERMIT_E_EXPIRED);
}
END_TEST

/* Belief ends while Hello has no answer; but the server has kept the grants. */
START_TEST(what_was_lost_while_hello_waited_is_given_back_once)
{
    uint64_t ids[2];
    uint64_t hello;

    ids[0] = client_script_acquire(&script, "a", -1, 0, false);
    ids[1] = client_script_acquire(&script, "b", -1, 0, false);
    client_script_granted(&script, ids[0], 0, 0);
    client_script_granted(&script, ids[1], 0, 0);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_at(&script, 26500);
    ck_assert_int_eq(client_script_release(&script, "x", ids[0], 0), PERMIT_OK);
    script.length = 0;
    client_script_at(&script, 27000);
    ck_assert_int_eq(client_script_release(&script, "y", ids[1], 0),
                     PERMIT_E_EXPIRED);
    client_script_resumed(&script, hello, ids, 2, false);
    client_script_expect(&script, "[27000] a LOST session\n"
                                  "[27000] b LOST session\n"
                                  "[27000] READY 7\n"
                                  "[27000] > 7 PING\n");
    client_script_say_type(&script, 7, WIRE_PONG);
    client_script_expect(&script, "[27000] > 5 RELEASE 2 0\n"
                                  "[27000] > 6 RELEASE 3 0\n");
}
END_TEST

/* ------------------------------------------------------------------- opening
 */

START_TEST(a_slow_hello_opens_a_session_that_a_ping_must_prove)
{
    uint64_t hello;

    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_at(&script, 26999);
    script.now_ms = 27001; /* Of a belief in the Hello, nothing is left. */
    script.is_deaf = true;
    client_script_resumed(&script, hello, NULL, 0, false);
    script.is_deaf = false;
    client_script_go_on(&script);
    client_script_expect(&script, "[27001] READY 7\n"
                                  "[27001] > 3 PING\n");
    ck_assert_int_eq(core_believed_until(script.core), 0);
    ck_assert(core_is_open(script.core));
    client_script_say_type(&script, 3, WIRE_PONG);
    ck_assert_int_eq(core_believed_until(script.core), 54001 * NS_PER_MS);
}
END_TEST

START_TEST(a_session_whose_hello_never_left_ends_with_its_line)
{
    static const struct core_options options = {.name = "test",
                                                .host = "here",
                                                .purpose = "",
                                                .allocator = &memory_default};

    core_destroy(script.core);
    script.core = core_create(&options);
    script.is_stuck = true;
    script.linger_ms = 0;
    (void)client_script_reopen(&script);
    client_script_replaced(&script, 1);
    ck_assert(core_has_line(script.core));
    client_script_break(&script);
    ck_assert(core_is_down(script.core) && !core_wants_line(script.core));
    ck_assert_int_eq(core_believed_until(script.core), 0);
}
END_TEST

/* The server may have obeyed the Hello that left, and then seen its line end.
 * One that never left says nothing. */
START_TEST(a_hello_that_left_ends_its_session_with_its_line)
{
    uint64_t a;

    client_script_stop(&script);
    client_script_start(&script); /* Without a linger. */
    a = client_script_acquire(&script, "a", -1, 0, false);
    client_script_granted(&script, a, 0, 0);
    client_script_at(&script, 5000); /* A Ping, */
    client_script_at(&script, 10000);
    ck_assert(core_wants_line(script.core)); /* and a silent line. */
    script.is_stuck = _i == 0;
    core_open(script.core, script.now_ms * NS_PER_MS, CORE_NEVER);
    client_script_go_on(&script);
    script.length = 0;
    client_script_break(&script);
    client_script_expect(&script, _i == 0 ? "[10000] DOWN disconnected: cut\n"
                                          : "[10000] a LOST session\n"
                                            "[10000] DOWN disconnected: cut\n");
    ck_assert(core_wants_line(script.core) == (_i == 0));
}
END_TEST

START_TEST(time_passes_while_the_grants_are_listed)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    uint64_t b = client_script_acquire(&script, "b", 100, 0, false);
    uint64_t hello;

    client_script_granted(&script, a, 0, 0);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.length = 0;
    client_script_resumed(&script, hello, &a, 1, true);
    ck_assert(core_is_open(script.core) && !core_has_line(script.core));
    client_script_at(&script, 1100);
    (void)client_script_ask(&script, "q", WIRE_QUERY);
    client_script_grants(&script, hello, NULL, 0, false);
    client_script_expect(&script, "[1100] b no_answer\n"
                                  "[1100] READY 7\n"
                                  "[1100] > 3 ACQUIRE 1\n"
                                  "[1100] > 5 CANCEL 3\n"
                                  "[1100] > 6 QUERY\n");
    (void)b;
}
END_TEST

START_TEST(nothing_is_asked_while_it_is_told_what_the_new_session_lacks)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    struct core_request request = {.answer_by_ns = CORE_NEVER};
    struct wire_client_message message = {.type = WIRE_PING};
    uint64_t hello;
    uint64_t id;

    client_script_granted(&script, a, 0, 0);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.is_deaf = true;
    client_script_replaced(&script, hello);
    script.is_deaf = false;
    take_event(CORE_EVENT_LOST, "a");
    request.message = &message;
    ck_assert(!core_is_open(script.core));
    ck_assert_int_eq(core_ask(script.core, &request, &id),
                     PERMIT_E_DISCONNECTED);
    take_event(CORE_EVENT_READY, NULL);
    ck_assert(core_is_open(script.core));
    ck_assert_int_eq(core_ask(script.core, &request, &id), PERMIT_OK);
}
END_TEST

/* What comes instead of the second page. */
static const struct {
    enum wire_server_type type;
    int id; /* Beside Hello's. */
} page_cases[] = {
    {WIRE_PONG, 0}, {WIRE_GRANTS, 1}, {WIRE_REFUSED, 0}, {WIRE_WELCOME, 0}};

START_TEST(a_list_that_does_not_go_on_ends_the_session)
{
    uint64_t hello;
    struct wire_server_message message = {.type = page_cases[_i].type};

    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, NULL, 0, true);
    script.length = 0;
    message.id = hello + (uint64_t)page_cases[_i].id;
    if (message.type == WIRE_REFUSED) {
        message.refused.reason = PERMIT_E_UNAVAILABLE;
        message.refused.detail = "";
    } else if (message.type == WIRE_WELCOME) {
        message.welcome.boot_id = message.welcome.server = "";
    }
    client_script_say(&script, &message);
    client_script_expect(&script, "[   0] DOWN protocol: the server did not "
                                  "answer Hello first\n");
    ck_assert(!core_wants_line(script.core));
}
END_TEST

START_TEST(what_belongs_to_another_time_is_no_answer_to_hello)
{
    uint64_t hello;

    client_script_break(&script);
    hello = client_script_reopen(&script);
    if (_i == 0) {
        client_script_refused(&script, hello + 1, PERMIT_E_UNAVAILABLE);
    } else {
        client_script_grants(&script, hello, NULL, 0, false);
    }
    ck_assert(core_is_down(script.core) && !core_wants_line(script.core));
}
END_TEST

START_TEST(what_the_server_says_of_an_end_is_passed_on)
{
    uint64_t hello;

    client_script_say(&script,
                      &(const struct wire_server_message){
                          .type = WIRE_GOAWAY,
                          .goaway = {WIRE_GOAWAY_SHUTDOWN, 0, "a new one"}});
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.shows_more = false;
    client_script_say(&script, &(const struct wire_server_message){
                                   .id = hello,
                                   .type = WIRE_REFUSED,
                                   .refused = {.reason = PERMIT_E_DENIED,
                                               .detail = "not you"}});
    client_script_expect(&script,
                         "[   0] DOWN disconnected: the server said goodbye "
                         "(shutdown): a new one\n"
                         "[   0] > 2 HELLO resume 7 end 0 below 2\n"
                         "[   0] DOWN denied: not you\n");
}
END_TEST

/* A grant of which nobody knows is released; the list may name it so often that
 * no memory would do. */
START_TEST(a_list_of_the_same_stranger_ends_the_session)
{
    static uint64_t rows[WIRE_GRANTS_ROWS_MAX];
    uint64_t a = client_script_acquire(&script, "a", 0, 0, false);
    uint64_t hello;
    int pages = 0;

    client_script_refused(&script, a, PERMIT_E_WOULD_BLOCK);
    for (size_t i = 0; i < WIRE_GRANTS_ROWS_MAX; i++) {
        rows[i] = a;
    }
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, NULL, 0, true);
    while (!core_is_down(script.core)) {
        client_script_grants(&script, hello, rows, WIRE_GRANTS_ROWS_MAX, true);
        pages++;
    }
    ck_assert_int_eq(pages,
                     (2 * CORE_REQUESTS_MAX + 1) / WIRE_GRANTS_ROWS_MAX + 1);
    ck_assert(!core_wants_line(script.core));
}
END_TEST

/* One that was granted already, or whose answer is under way. */
START_TEST(a_listed_grant_has_a_number_and_keeps_it)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    struct wire_live_grant row = {
        .acquire_id = a, .grant_id = (uint64_t)_i, .semaphore = "jobs"};
    struct wire_server_message message = {.type = WIRE_GRANTS};

    if (_i > 0) {
        client_script_granted(&script, a, 0, 0); /* As 100 + a. */
    }
    client_script_break(&script);
    message.id = client_script_reopen(&script);
    client_script_resumed(&script, message.id, NULL, 0, true);
    script.length = 0;
    message.grants.rows = &row;
    message.grants.count = 1;
    client_script_say(&script, &message);
    client_script_expect(
        &script, _i == 0 ? "[   0] a outcome_unknown\n"
                           "[   0] DOWN protocol: the grants that the server "
                           "lists are not ours\n"
                         : "[   0] a LOST session\n"
                           "[   0] DOWN protocol: the grants that the server "
                           "lists are not ours\n");
}
END_TEST

START_TEST(a_session_has_its_key_as_long_as_it_lives)
{
    struct permit_session_key key = {.id = 1};

    ck_assert(core_session_key(script.core, &key));
    ck_assert_uint_eq(key.id, 7);
    client_script_break(&script);
    key.id = 1;
    ck_assert(core_session_key(script.core, &key)); /* It is to go on. */
    ck_assert_uint_eq(key.id, 7);
    core_end(script.core, PERMIT_E_CLOSED, "enough");
    key.id = 1;
    ck_assert(!core_session_key(script.core, &key));
    ck_assert_uint_eq(key.id, 1);
}
END_TEST

/* ------------------------------------------------------------------- options
 */

START_TEST(a_caller_may_ask_for_more_heartbeats_and_not_for_fewer)
{
    start_with(1000);
    client_script_at(&script, 1000);
    client_script_expect(&script, "[1000] > 2 PING\n");
    ck_assert_int_eq(core_heartbeat_ns(script.core), 1000 * NS_PER_MS);
    start_with(60000);
    ck_assert_int_eq(core_heartbeat_ns(script.core), 5000 * NS_PER_MS);
}
END_TEST

START_TEST(without_memory_to_give_back_what_is_listed_the_session_ends)
{
    uint64_t a;
    uint64_t hello;

    start_with(0);
    a = client_script_acquire(&script, "a", 0, 0, false);
    client_script_refused(&script, a, PERMIT_E_WOULD_BLOCK);
    client_script_break(&script);
    hello = client_script_reopen(&script);
    script.length = 0;
    is_out_of_memory = true;
    {
        struct wire_live_grant row = {
            .acquire_id = a, .grant_id = 5, .semaphore = "jobs"};
        struct wire_server_message message = {
            .id = hello,
            .type = WIRE_WELCOME,
            .welcome = {.session_id = 9,
                        .boot_id = "b",
                        .heartbeat_ms = 5000,
                        .session_timeout_ms = 15000,
                        .linger_ms = 30000,
                        .server = "",
                        .resumed = true,
                        .grants = {.rows = &row, .count = 1}}};

        client_script_say(&script, &message);
    }
    is_out_of_memory = false;
    client_script_expect(&script, "[   0] DOWN nomem: out of memory\n");
    ck_assert(core_is_down(script.core) && !core_wants_line(script.core));
    hello = client_script_reopen(&script);
    client_script_expect(&script, "[   0] > 4 HELLO resume 0 end 9 below 4\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_core_edges");
    TCase *tcase = tcase_create("edges");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, a_release_is_answered_when_its_grant_is_gone);
    tcase_add_test(tcase, what_is_given_back_whole_is_no_loss_if_a_part_is_too);
    tcase_add_test(tcase, a_renew_of_what_is_gone_is_too_late);
    tcase_add_test(tcase, a_refused_ping_proves_nothing);
    tcase_add_test(tcase,
                   who_gave_up_hears_of_no_place_and_has_nothing_to_cancel);
    tcase_add_test(tcase, what_left_before_the_break_is_cancelled_behind_it);
    tcase_add_test(tcase,
                   a_new_session_is_not_asked_about_grants_of_the_former);
    tcase_add_test(tcase, bytes_keep_their_order_however_few_leave_at_once);
    tcase_add_test(tcase, what_is_to_be_told_is_due_at_once);
    tcase_add_test(tcase,
                   nobody_opens_a_line_before_he_heard_what_the_last_one_cost);
    tcase_add_test(
        tcase,
        a_grant_that_is_forgotten_before_its_loss_is_told_is_told_nothing);
    tcase_add_test(tcase, who_cancels_while_the_end_is_told_is_told_that);
    tcase_add_test(tcase,
                   a_grant_that_is_forgotten_before_it_comes_is_told_no_loss);
    tcase_add_test(tcase,
                   when_belief_is_over_nothing_is_asked_before_that_is_told);
    tcase_add_test(tcase, what_was_lost_while_hello_waited_is_given_back_once);
    tcase_add_test(tcase, a_slow_hello_opens_a_session_that_a_ping_must_prove);
    tcase_add_test(tcase, a_session_whose_hello_never_left_ends_with_its_line);
    tcase_add_loop_test(tcase, a_hello_that_left_ends_its_session_with_its_line,
                        0, 2);
    tcase_add_test(tcase, time_passes_while_the_grants_are_listed);
    tcase_add_test(
        tcase, nothing_is_asked_while_it_is_told_what_the_new_session_lacks);
    tcase_add_loop_test(tcase, a_list_that_does_not_go_on_ends_the_session, 0,
                        sizeof(page_cases) / sizeof(page_cases[0]));
    tcase_add_loop_test(
        tcase, what_belongs_to_another_time_is_no_answer_to_hello, 0, 2);
    tcase_add_test(tcase, what_the_server_says_of_an_end_is_passed_on);
    tcase_add_test(tcase, a_list_of_the_same_stranger_ends_the_session);
    tcase_add_loop_test(tcase, a_listed_grant_has_a_number_and_keeps_it, 0, 2);
    tcase_add_test(tcase, a_session_has_its_key_as_long_as_it_lives);
    tcase_add_test(tcase,
                   a_caller_may_ask_for_more_heartbeats_and_not_for_fewer);
    tcase_add_test(tcase,
                   without_memory_to_give_back_what_is_listed_the_session_ends);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
