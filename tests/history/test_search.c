/* SPDX-License-Identifier: MIT */

/* The laws and the search, held to each other: histories of a small semaphore
 * that is right, or wrong in one way. What is right passes both; what a law
 * says, the search says too. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "history.h"
#include "laws.h"
#include "random.h"
#include "search.h"

#define NS_PER_MS INT64_C(1000000)
#define CLIENTS 5
#define ROUNDS 6 /* Of a client: acquire and release. */
#define SEEDS 150
#define TEXT_BYTES 4096
#define NEVER INT64_MAX

enum bug {
    BUG_NONE = 0,
    BUG_ONE_TOO_MANY,
    BUG_RELEASE_FORGOTTEN,
    BUG_NEWEST_FIRST,
    BUG_WAITERS_PASSED,
    BUG_COUNT
};

enum stage {
    STAGE_RESTS = 1,
    STAGE_COMES, /* Its Acquire is on the way. */
    STAGE_WAITS, /* At the server. */
    STAGE_HEARS, /* The outcome is on the way. */
    STAGE_HOLDS,
    STAGE_GIVES, /* Its Release is on the way. */
    STAGE_GIVEN  /* And its answer. */
};

struct client {
    enum stage stage;
    int64_t at_ms; /* Of its next step. */
    int64_t permits;
    int64_t wait_ms;
    int64_t asked_ms; /* At the server. */
    bool is_granted;
    uint64_t fence;
    unsigned number; /* Of its latest request. */
    unsigned acquire;
    unsigned rounds;
    char text[TEXT_BYTES];
};

struct world {
    struct random random;
    enum bug bug;
    int64_t permits;
    int64_t held;
    uint64_t fence;
    size_t queue[CLIENTS];
    size_t queue_count;
    struct client clients[CLIENTS];
};

__attribute__((format(printf, 3, 4))) static void
note(struct client *client, int64_t at_ms, const char *format, ...)
{
    size_t used = strlen(client->text);
    va_list arguments;

    used += (size_t)snprintf(client->text + used, TEXT_BYTES - used,
                             "%" PRId64 " ", at_ms * NS_PER_MS);
    va_start(arguments, format);
    used += (size_t)vsnprintf(client->text + used, TEXT_BYTES - used, format,
                              arguments);
    va_end(arguments);
    ck_assert_uint_lt(used, TEXT_BYTES);
}

/* ---------------------------------------------------------------- a server
 */

static void answer(struct world *world, struct client *client, int64_t now_ms,
                   bool is_granted)
{
    client->is_granted = is_granted;
    if (is_granted) {
        world->held += client->permits;
        client->fence = ++world->fence;
    }
    client->stage = STAGE_HEARS;
    client->at_ms = now_ms + random_between(&world->random, 1, 20);
}

static bool fits(const struct world *world, int64_t permits)
{
    int64_t more = world->bug == BUG_ONE_TOO_MANY ? 1 : 0;

    return world->held + permits <= world->permits + more;
}

static void leave(struct world *world, size_t place)
{
    world->queue_count--;
    memmove(world->queue + place, world->queue + place + 1,
            (world->queue_count - place) * sizeof(world->queue[0]));
}

static void serve(struct world *world, int64_t now_ms)
{
    while (world->queue_count > 0) {
        size_t place =
            world->bug == BUG_NEWEST_FIRST ? world->queue_count - 1 : 0;
        struct client *client = &world->clients[world->queue[place]];

        if (!fits(world, client->permits)) {
            break;
        }
        leave(world, place);
        answer(world, client, now_ms, true);
    }
}

static void come(struct world *world, size_t index, int64_t now_ms)
{
    struct client *client = &world->clients[index];
    bool is_next = world->queue_count == 0 || world->bug == BUG_WAITERS_PASSED;

    if (is_next && fits(world, client->permits)) {
        answer(world, client, now_ms, true);
    } else if (client->wait_ms == 0) {
        answer(world, client, now_ms, false);
    } else {
        client->stage = STAGE_WAITS;
        client->at_ms = now_ms + client->wait_ms;
        world->queue[world->queue_count++] = index;
    }
}

static void time_out(struct world *world, size_t index, int64_t now_ms)
{
    size_t place = 0;

    while (world->queue[place] != index) {
        place++;
    }
    leave(world, place);
    answer(world, &world->clients[index], now_ms, false);
    serve(world, now_ms);
}

static void take_back(struct world *world, struct client *client,
                      int64_t now_ms)
{
    bool is_forgotten = world->bug == BUG_RELEASE_FORGOTTEN &&
                        random_chance(&world->random, 20);

    world->held -= is_forgotten ? client->permits - 1 : client->permits;
    serve(world, now_ms);
    client->stage = STAGE_GIVEN;
    client->at_ms = now_ms + random_between(&world->random, 1, 20);
}

/* --------------------------------------------------------------- its clients
 */

static void ask(struct world *world, struct client *client, int64_t now_ms)
{
    if (client->rounds == ROUNDS) {
        note(client, now_ms, "bye\n");
        client->at_ms = NEVER;
        return;
    }
    client->rounds++;
    client->permits =
        random_between(&world->random, 1, (uint32_t)world->permits);
    client->wait_ms = random_chance(&world->random, 30)
                          ? 0
                          : random_between(&world->random, 1, 80);
    client->acquire = ++client->number;
    note(client, now_ms, "ask %u acquire it %" PRId64 " %" PRId64 " 0\n",
         client->acquire, client->permits, client->wait_ms);
    client->stage = STAGE_COMES;
    client->at_ms = now_ms + random_between(&world->random, 1, 20);
}

static void hear(struct world *world, struct client *client, int64_t now_ms)
{
    client->at_ms = now_ms + random_between(&world->random, 1, 30);
    if (client->is_granted) {
        note(client, now_ms, "granted %u %" PRIu64 " %" PRIu64 " 0\n",
             client->acquire, client->fence, client->fence);
        note(client, now_ms, "until %u %" PRId64 "\n", client->acquire,
             NEVER - 1);
        client->stage = STAGE_HOLDS;
        return;
    }
    note(client, now_ms, "end %u %s\n", client->acquire,
         client->wait_ms == 0 ? "would_block" : "timeout");
    client->stage = STAGE_RESTS;
}

static void step(struct world *world, size_t index)
{
    struct client *client = &world->clients[index];
    int64_t now_ms = client->at_ms;

    switch (client->stage) {
    case STAGE_RESTS:
        ask(world, client, now_ms);
        break;
    case STAGE_COMES:
        come(world, index, now_ms);
        if (client->stage == STAGE_WAITS) {
            note(client, now_ms, "waiting %u\n", client->acquire);
        }
        break;
    case STAGE_WAITS:
        time_out(world, index, now_ms);
        break;
    case STAGE_HEARS:
        hear(world, client, now_ms);
        break;
    case STAGE_HOLDS:
        note(client, now_ms, "ask %u release %u %" PRId64 "\n",
             ++client->number, client->acquire, client->permits);
        client->stage = STAGE_GIVES;
        client->at_ms = now_ms + random_between(&world->random, 1, 20);
        break;
    case STAGE_GIVES:
        take_back(world, client, now_ms);
        break;
    case STAGE_GIVEN:
        note(client, now_ms, "end %u ok\n", client->number);
        client->stage = STAGE_RESTS;
        client->at_ms = now_ms + random_between(&world->random, 1, 30);
        break;
    }
}

static void play(struct world *world)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        world->clients[i].stage = STAGE_RESTS;
        world->clients[i].at_ms = random_between(&world->random, 1, 20);
        note(&world->clients[i], 0, "client 0\n");
    }
    for (;;) {
        size_t next = 0;

        for (size_t i = 1; i < CLIENTS; i++) {
            if (world->clients[i].at_ms < world->clients[next].at_ms) {
                next = i;
            }
        }
        if (world->clients[next].at_ms == NEVER) {
            break;
        }
        step(world, next);
    }
}

/* --------------------------------------------------------------------- test
 */

static void judge(const struct world *world, struct verdict *verdict,
                  enum search_result *ret_result)
{
    struct history history;
    struct overlap overlap;
    char line[64];
    char error[256];

    history_init(&history);
    (void)snprintf(line, sizeof(line), "0 semaphore it bounded %" PRId64 "\n",
                   world->permits);
    ck_assert(history_read(&history, "run", line, error, sizeof(error)));
    for (size_t i = 0; i < CLIENTS; i++) {
        ck_assert_msg(history_read(&history, "client", world->clients[i].text,
                                   error, sizeof(error)),
                      "%s", error);
    }
    verdict_init(verdict);
    laws_check_outcomes(&history, verdict);
    laws_check_order(&history, verdict);
    laws_check_waits(&history, verdict);
    laws_check_belief(&history, verdict, &overlap);
    *ret_result = search_semaphore(&history, 0);
    history_deinit(&history);
}

START_TEST(the_search_agrees_with_the_laws)
{
    enum bug bug = (enum bug)_i;
    unsigned broken = 0;
    unsigned wrong = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *world = calloc(1, sizeof(*world));
        enum search_result result;
        struct verdict verdict;
        bool is_broken;

        ck_assert_ptr_nonnull(world);
        world->random.state = seed;
        world->bug = bug;
        world->permits = random_between(&world->random, 1, 3);
        play(world);
        judge(world, &verdict, &result);
        free(world);
        is_broken = verdict.at_ns != NEVER;
        ck_assert_msg(result == SEARCH_RIGHT || result == SEARCH_WRONG,
                      "seed %" PRIu64 ": searched, %d", seed, (int)result);
        ck_assert_msg(!is_broken || result == SEARCH_WRONG,
                      "seed %" PRIu64 ": the search does not see: %s", seed,
                      verdict.text);
        ck_assert_msg(bug != BUG_NONE || result == SEARCH_RIGHT,
                      "seed %" PRIu64 ": no order was found", seed);
        broken += is_broken;
        wrong += result == SEARCH_WRONG;
    }
    (void)fprintf(stderr, "bug %d: laws %u, search %u of %d\n", (int)bug,
                  broken, wrong, SEEDS);
    ck_assert(bug == BUG_NONE || (broken > 0 && wrong >= broken));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history_search");
    TCase *tcase = tcase_create("agreement");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 50);
    tcase_add_loop_test(tcase, the_search_agrees_with_the_laws, BUG_NONE,
                        BUG_COUNT);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
