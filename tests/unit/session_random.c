/* SPDX-License-Identifier: MIT */
/* Sessions that take for good, of several semaphores at once, over lines that
 * break at any moment: in the end what was told is gone, and all else is back,
 * whatever was sent again. */
#include "session.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sim/random.h"
#include "conversation.h"

#define SEEDS 40
#define STEPS 300
#define CLIENTS 3
#define IDS_MAX 1000
#define PLENTY 1000000
#define YEAR_MS UINT64_C(31622400000)

/* What each acquire asks for: bits. */
enum { DB = 1, API = 2, POOL = 4, SETTLE = 8 };
static const struct wire_part parts[] = {
    {"db", 1, false, 0}, {"api", 3, false, 0}, {"pool", 4, true, 0}};

struct asked {
    int what; /* 0: this id is none of an acquire. */
    bool is_told;
    bool is_settled;
    uint32_t actual;
};

struct client {
    uint64_t next_id;
    struct asked asked[IDS_MAX];
};

static struct conversation *talk;
static struct random dice;
static struct client clients[CLIENTS + 1];
static uint64_t gone_api; /* Of sessions that have ended. */
static uint64_t gone_pool;

static void define(uint64_t id, const char *name, enum permit_kind kind,
                   uint32_t permits)
{
    struct wire_client_message message = {.id = id, .type = WIRE_DEFINE};

    message.define.semaphore = name;
    message.define.kind = kind;
    message.define.permits = permits;
    message.define.rate = 1;
    message.define.per_ms = YEAR_MS;
    message.define.burst = permits;
    message.define.fields = WIRE_FIELD_KIND | WIRE_FIELD_PERMITS;
    if (kind == PERMIT_RATE) {
        message.define.fields = WIRE_FIELD_KIND | WIRE_FIELD_RATE |
                                WIRE_FIELD_PER | WIRE_FIELD_BURST;
    }
    conversation_say(talk, CLIENTS + 1, &message);
}

static uint64_t available(const char *name)
{
    struct engine_semaphore_view view;

    ck_assert(engine_view_semaphore(talk->engine, name, &view));
    return view.available;
}

/* Reads what was heard since the last time. */
static void hear(void)
{
    char *save = NULL;
    char *line;

    conversation_turn(talk);
    talk->transcript[talk->length] = '\0';
    for (line = strtok_r(talk->transcript, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        int number;
        unsigned long id;

        if (sscanf(line, "c%d #%lu granted", &number, &id) == 2 &&
            strstr(line, " granted") != NULL) {
            clients[number].asked[id].is_told = true;
        }
    }
    talk->length = 0;
}

static void say_acquire_again(int number, uint64_t id)
{
    int what = clients[number].asked[id].what;
    struct wire_client_message message = {.id = id, .type = WIRE_ACQUIRE};

    for (int i = 0; i < 3; i++) {
        if ((what & 1 << i) != 0) {
            message.acquire.parts[message.acquire.parts_count++] = parts[i];
        }
    }
    message.acquire.settle = (what & SETTLE) != 0;
    message.acquire.wait_ms = -1;
    conversation_say(talk, number, &message);
}

static void acquire(int number)
{
    struct client *client = &clients[number];
    int what = (int)random_between(&dice, 1, 7);

    if ((what & API) != 0 && random_chance(&dice, 50)) {
        what |= SETTLE;
    }
    client->asked[client->next_id] = (struct asked){.what = what};
    say_acquire_again(number, client->next_id++);
}

/* An acquire of its own; it may be answered or not. */
static uint64_t any_acquire(const struct client *client)
{
    for (int i = 0; i < 20 && client->next_id > 2; i++) {
        uint64_t id = 2 + random_below(&dice, (uint32_t)client->next_id - 2);

        if (client->asked[id].what != 0) {
            return id;
        }
    }
    return 0;
}

/* Also of what it was not told of: it may send requests without waiting. */
static void settle(int number, uint64_t id)
{
    struct asked *asked = &clients[number].asked[id];
    struct wire_client_message message = {.id = clients[number].next_id++,
                                          .type = WIRE_SETTLE};
    struct engine_grant_view view;

    message.release.acquire_id = id;
    message.release.parts[0] = parts[1];
    message.release.parts[0].permits = random_below(&dice, 4);
    message.release.parts_count = 1;
    if ((asked->what & SETTLE) != 0 && !asked->is_settled &&
        engine_view_grant(talk->engine, talk->session_ids[number], id, &view) &&
        strcmp(view.parts[view.parts_count - 1].semaphore, "api") == 0) {
        asked->is_settled = true;
        asked->actual = message.release.parts[0].permits;
    }
    conversation_say(talk, number, &message);
}

/* Its session has ended: this much of what it took stays gone. */
static void count(int number)
{
    struct client *client = &clients[number];

    for (uint64_t id = 2; id < client->next_id; id++) {
        const struct asked *asked = &client->asked[id];

        if ((asked->what & API) != 0) {
            gone_api += asked->is_settled ? asked->actual
                        : asked->is_told  ? parts[1].permits
                                          : 0;
        }
        if ((asked->what & POOL) != 0 && asked->is_told) {
            gone_pool += parts[2].permits;
        }
    }
    memset(client, 0, sizeof(*client));
    client->next_id = 2;
}

/* Its line breaks. It comes back, and sends again what has no answer, or some
 * of it; or it never does. */
static void break_line(int number)
{
    struct client *client = &clients[number];
    bool comes_back = random_chance(&dice, 70);
    uint32_t again_percent = random_chance(&dice, 50) ? 100 : 50;

    conversation_cut(talk, number, SESSION_DISCONNECT_BY_CLIENT);
    if (!comes_back) {
        conversation_advance(talk, 1000);
        hear();
        count(number);
    }
    ck_assert(
        conversation_return(talk, number, 1000, comes_back ? number : 0, 0));
    hear(); /* Welcome says the session's id. */
    for (uint64_t id = 2; id < client->next_id; id++) {
        if (client->asked[id].what != 0 && !client->asked[id].is_told &&
            random_chance(&dice, again_percent)) {
            say_acquire_again(number, id);
        }
    }
}

static void step(void)
{
    int number = (int)random_between(&dice, 1, CLIENTS);
    uint64_t id = any_acquire(&clients[number]);

    switch (random_below(&dice, 10)) {
    case 0:
        break_line(number);
        break;
    case 1:
        conversation_plug(talk, number);
        break;
    case 2:
    case 3:
        if (id != 0) {
            settle(number, id);
        }
        break;
    case 4:
    case 5:
        if (id != 0) {
            say_release(talk, number, clients[number].next_id++, id);
        }
        break;
    case 6:
    case 7:
        hear();
        break;
    default:
        acquire(number);
        break;
    }
}

START_TEST(what_was_told_is_gone_and_all_else_is_back)
{
    dice.state = (uint64_t)_i;
    gone_api = gone_pool = 0;
    talk = conversation_create(false, NULL);
    ck_assert(conversation_hello(talk, CLIENTS + 1));
    define(2, "db", PERMIT_BOUNDED, 4);
    define(3, "api", PERMIT_RATE, PLENTY);
    define(4, "pool", PERMIT_COUNTING, PLENTY);
    for (int number = 1; number <= CLIENTS; number++) {
        ck_assert(conversation_return(talk, number, 1000, 0, 0));
        clients[number].next_id = 2;
    }
    hear();
    for (int i = 0; i < STEPS; i++) {
        step();
    }
    hear();
    for (int number = 1; number <= CLIENTS; number++) {
        conversation_cut(talk, number, SESSION_DISCONNECT_BY_CLIENT);
    }
    conversation_advance(talk, 1000);
    for (int number = 1; number <= CLIENTS; number++) {
        count(number);
    }
    ck_assert_uint_eq(available("db"), 4);
    ck_assert_uint_eq(available("api"), PLENTY - gone_api);
    ck_assert_uint_eq(available("pool"), PLENTY - gone_pool);
    engine_check(talk->engine);
    conversation_destroy(talk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_random");
    TCase *tcase = tcase_create("random");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, what_was_told_is_gone_and_all_else_is_back, 0,
                        SEEDS);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
