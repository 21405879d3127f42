/* SPDX-License-Identifier: MIT */

/* A client's core while a line is opened: what comes too late, too early, or
 * without memory, and lists that are not sound. */

#include "client_script.h"

#include <stdlib.h>

#include <check.h>

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
    static uint64_t rows[WIRE_GRANTS_PARTS_MAX];
    uint64_t a = client_script_acquire(&script, "a", 0, 0, false);
    uint64_t hello;
    int pages = 0;

    client_script_refused(&script, a, PERMIT_E_WOULD_BLOCK);
    for (size_t i = 0; i < WIRE_GRANTS_PARTS_MAX; i++) {
        rows[i] = a;
    }
    client_script_break(&script);
    hello = client_script_reopen(&script);
    client_script_resumed(&script, hello, NULL, 0, true);
    while (!core_is_down(script.core)) {
        client_script_grants(&script, hello, rows, WIRE_GRANTS_PARTS_MAX, true);
        pages++;
    }
    ck_assert_int_eq(pages,
                     (2 * CORE_REQUESTS_MAX + 1) / WIRE_GRANTS_PARTS_MAX + 1);
    ck_assert(!core_wants_line(script.core));
}
END_TEST

/* One that was granted already, or whose answer is under way. */
START_TEST(a_listed_grant_has_a_number_and_keeps_it)
{
    uint64_t a = client_script_acquire(&script, "a", -1, 0, false);
    struct wire_live_grant row = {.acquire_id = a, .grant_id = (uint64_t)_i};
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
        struct wire_live_grant row = {.acquire_id = a, .grant_id = 5};
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
    Suite *suite = suite_create("client_core_lists");
    TCase *tcase = tcase_create("lists");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, start, stop);
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
