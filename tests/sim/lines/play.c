/* SPDX-License-Identifier: MIT */
#include "play.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ledger.h"
#include "line.h"
#include "sim_client.h"
#include "sim_server.h"

#define CLIENTS_MAX 6
#define AT_ONCE_MAX 10000 /* Steps without time. */

struct play {
    struct stage stage;
    struct ledger ledger;
    struct sim_server *server;
    struct sim_client *clients[CLIENTS_MAX];
    int clients_count;
    int64_t timeout_ms;
    int64_t linger_max_ms;
    int64_t server_paused_until_ns;
    int64_t fault_ns;                 /* Of the next fault. */
    int64_t calm_ns;                  /* No faults until then. */
    int64_t late_ns[CLIENTS_MAX + 1]; /* How late each is woken. */
    int64_t due_ns[CLIENTS_MAX + 1];  /* When each is woken. */
    uint64_t at_once;
    struct play_counts *counts;
};

/* --------------------------------------------------------------------- laws
 */

/* The first that waits and has a line does not fit. */
static void check_queues(struct play *play, const struct engine *engine)
{
    for (uint32_t i = 0; i < SEMAPHORES; i++) {
        struct engine_semaphore_view semaphore;
        struct engine_waiter_view waiters[CLIENTS_MAX * 24];
        size_t total;
        size_t count;

        if (!engine_view_semaphore(engine, semaphore_names[i], &semaphore)) {
            stage_fail(&play->stage, "a semaphore is gone");
            return;
        }
        if (i != SEMAPHORE_COUNTING && semaphore.held > semaphore_permits[i]) {
            stage_fail(&play->stage, "more is held than there is");
        }
        count = engine_view_waiters(engine, semaphore_names[i], 0, waiters,
                                    CLIENTS_MAX * 24, &total);
        for (size_t j = 0; j < count; j++) {
            struct engine_session_view session;

            /* Nobody is asked whether it is set aside: its line says so. */
            if (engine_view_session(engine, waiters[j].session_id, &session) &&
                session.connected) {
                if (waiters[j].parts[0].permits <= semaphore.available) {
                    stage_fail(&play->stage, "#%" PRIu64 " could be served",
                               waiters[j].acquire_id);
                }
                break;
            }
        }
    }
}

static void check_laws(struct play *play)
{
    const struct engine *engine = sim_server_engine(play->server);
    uint32_t sums[SEMAPHORES] = {0};

    for (int i = 0; i < play->clients_count; i++) {
        sim_client_check_belief(play->clients[i], sums);
    }
    for (uint32_t i = 0; i < SEMAPHORES; i++) {
        if (i != SEMAPHORE_COUNTING && sums[i] > semaphore_permits[i]) {
            stage_fail(&play->stage, "%u of %s are believed in", sums[i],
                       semaphore_names[i]);
        }
    }
    if (engine != NULL) {
        check_queues(play, engine);
    }
}

/* --------------------------------------------------------------------- steps
 */

/* It stays so, whatever else happens meanwhile. */
static int64_t wake_ns(struct play *play, int who)
{
    int64_t at_ns;

    if (who == play->clients_count) {
        at_ns = sim_server_wake_ns(play->server);
        if (at_ns < play->server_paused_until_ns) {
            at_ns = play->server_paused_until_ns;
        }
    } else {
        at_ns = sim_client_wake_ns(play->clients[who]);
    }
    if (at_ns < STAGE_NEVER - play->late_ns[who] &&
        at_ns + play->late_ns[who] < play->due_ns[who]) {
        play->due_ns[who] = at_ns + play->late_ns[who];
    }
    return play->due_ns[who];
}

/* What stands still is woken anew. */
static void forget_due(struct play *play)
{
    for (int i = 0; i <= play->clients_count; i++) {
        play->due_ns[i] = STAGE_NEVER;
    }
}

static int64_t lateness(struct play *play)
{
    return random_chance(&play->stage.random, 60)
               ? 0
               : stage_delay_ns(&play->stage, play->timeout_ms / 60);
}

/* Lets the next one run, if that is before. Returns false if it is not. */
static bool step(struct play *play, int64_t before_ns)
{
    int first = (int)random_below(&play->stage.random,
                                  (uint32_t)play->clients_count + 1);
    int who = first;
    int64_t at_ns = STAGE_NEVER;

    for (int i = 0; i <= play->clients_count; i++) {
        int other = (first + i) % (play->clients_count + 1);
        int64_t other_ns = wake_ns(play, other);

        if (other_ns < at_ns) {
            at_ns = other_ns;
            who = other;
        }
    }
    if (at_ns >= before_ns) {
        return false;
    }
    play->at_once = at_ns > play->stage.now_ns ? 0 : play->at_once + 1;
    if (play->at_once > AT_ONCE_MAX) {
        stage_fail(&play->stage, "time stands still");
    }
    if (at_ns > play->stage.now_ns) {
        play->stage.now_ns = at_ns;
    }
    if (who == play->clients_count) {
        sim_server_turn(play->server);
    } else {
        sim_client_turn(play->clients[who]);
    }
    play->late_ns[who] = lateness(play);
    play->due_ns[who] = STAGE_NEVER;
    play->counts->steps++;
    check_laws(play);
    return true;
}

static void run_until(struct play *play, int64_t until_ns)
{
    while (!play->stage.has_failed && step(play, until_ns)) {
    }
    if (play->stage.now_ns < until_ns) {
        play->stage.now_ns = until_ns;
    }
    check_laws(play);
}

/* -------------------------------------------------------------------- faults
 */

static int64_t later_ns(struct play *play, int64_t most_ms)
{
    return play->stage.now_ns +
           STAGE_MS * random_between(&play->stage.random, 1, (uint32_t)most_ms);
}

static void disturb_all(struct play *play, int64_t until_ns)
{
    for (int i = 0; i < play->clients_count; i++) {
        sim_client_disturb(play->clients[i], until_ns);
    }
}

static void disturb_line(struct play *play, struct sim_client *client,
                         uint32_t what)
{
    struct line *line = sim_client_line(client);
    struct random *random = &play->stage.random;
    enum line_end end = random_chance(random, 50) ? LINE_FIN : LINE_RST;
    int64_t until_ns = random_chance(random, 20)
                           ? STAGE_NEVER
                           : later_ns(play, 3 * play->timeout_ms);
    int64_t dead_ns = play->stage.now_ns + 4 * play->timeout_ms * STAGE_MS;

    if (line == NULL) {
        return;
    }
    sim_client_disturb(client, play->stage.now_ns);
    if (what == 0) {
        stage_note(&play->stage, "   a forged end, %d, to the client",
                   (int)end);
        line_forge(line, LINE_CLIENT, end);
    } else if (what == 1 && sim_client_bears_forgery(client)) {
        stage_note(&play->stage, "   a forged end, %d, to the server",
                   (int)end);
        line_forge(line, LINE_SERVER, end);
        line_die(line, dead_ns);
        sim_client_disturb(client, dead_ns);
    } else if (what == 2) {
        stage_note(&play->stage, "   a line is slow, and silent later");
        sim_client_disturb(client, dead_ns);
        line_die(line, dead_ns);
        line_stall(line, LINE_CLIENT, 0, later_ns(play, play->timeout_ms / 2));
        line_stall(line, LINE_SERVER,
                   sim_client_goes_on(client)
                       ? 0
                       : later_ns(play, play->timeout_ms / 2),
                   STAGE_NEVER);
        sim_client_refuse(client, dead_ns);
    } else {
        stage_note(&play->stage, "   a line is silent, %u", what);
        if (until_ns == STAGE_NEVER) {
            line_die(line, dead_ns);
        }
        sim_client_disturb(client,
                           until_ns == STAGE_NEVER ? dead_ns : until_ns);
        if (what != 3) {
            line_stall(line, LINE_CLIENT, 0, until_ns);
        }
        if (what != 4) {
            line_stall(line, LINE_SERVER, 0, until_ns);
        }
    }
}

/* Rather one that has a silent line and opens another. */
static uint32_t pick_client(struct play *play)
{
    struct random *random = &play->stage.random;
    uint32_t count = (uint32_t)play->clients_count;
    uint32_t first = random_below(random, count);

    for (uint32_t i = 0; i < count && random_chance(random, 90); i++) {
        if (sim_client_goes_on(play->clients[(first + i) % count])) {
            return (first + i) % count;
        }
    }
    return first;
}

static void fault(struct play *play)
{
    struct random *random = &play->stage.random;
    uint32_t who = pick_client(play);
    struct sim_client *client = play->clients[who];
    uint32_t what = random_below(random, 16);
    int64_t until_ns = later_ns(play, 3 * play->timeout_ms);

    if (sim_client_goes_on(client) && random_chance(random, 80)) {
        what = 2 * random_below(random, 2); /* While a Hello is under way. */
    }
    play->counts->faults++;
    if (what < 6) {
        stage_note(&play->stage, "   the line of c%u:", who);
        disturb_line(play, client, what);
    } else if (what < 8) {
        stage_note(&play->stage, "   the server pauses");
        play->server_paused_until_ns = until_ns;
        disturb_all(play, until_ns);
    } else if (what < 10) {
        stage_note(&play->stage, "   c%u pauses", who);
        sim_client_pause(client, until_ns);
    } else if (what < 12) {
        bool is_silent = random_chance(random, 40);

        stage_note(&play->stage, "   c%u dies%s", who,
                   is_silent ? " with its machine" : "");
        sim_client_die(client, is_silent, until_ns);
    } else if (what == 12) {
        stage_note(&play->stage, "   c%u ends its session", who);
        sim_client_end(client);
    } else if (what < 15) {
        stage_note(&play->stage, "   c%u is deaf", who);
        sim_client_deafen(client, until_ns);
    } else {
        stage_note(&play->stage, "   c%u is refused", who);
        sim_client_refuse(client, until_ns);
    }
}

/* Faults for a while, then none for a while. */
static void plan_fault(struct play *play)
{
    struct random *random = &play->stage.random;
    int64_t rough_ms = 8 * play->timeout_ms;
    int64_t calm_ms = 4 * (play->timeout_ms + play->linger_max_ms) + 12000;

    play->fault_ns =
        play->stage.now_ns +
        STAGE_MS * random_between(random, 1, (uint32_t)play->timeout_ms);
    if (play->fault_ns > play->calm_ns) {
        if (random_chance(random, 20)) {
            play->fault_ns += calm_ms * STAGE_MS;
        }
        play->calm_ns = play->fault_ns + rough_ms * STAGE_MS;
    }
}

/* ---------------------------------------------------------------------- runs
 */

static void on_record(void *arg, const struct engine_record *record)
{
    ledger_record(arg, record);
}

static bool add_client(struct play *play)
{
    static const size_t rooms[] = {96, 1024, LINE_BYTES};
    struct random *random = &play->stage.random;
    const int64_t lingers_ms[] = {0, play->timeout_ms / 2, play->timeout_ms,
                                  play->linger_max_ms};
    struct sim_client_options options = {
        .stage = &play->stage,
        .ledger = &play->ledger,
        .server = play->server,
        .number = play->clients_count,
        .linger_ms = lingers_ms[random_below(random, 4)],
        .session_timeout_ms = play->timeout_ms,
        .room = rooms[random_below(random, 3)]};
    struct sim_client *client;

    /* A narrow line is short, or it would be as good as silent. */
    options.delay_ms = random_between(
        random, 1,
        (uint32_t)play->timeout_ms / (options.room == rooms[0] ? 200 : 30));
    client = sim_client_create(&options);
    if (client == NULL) {
        return false;
    }
    play->clients[play->clients_count++] = client;
    return true;
}

static bool set_up(struct play *play)
{
    static const int64_t timeouts_ms[] = {900, 3000, 6000};
    struct random *random = &play->stage.random;
    struct sim_server_options options = {
        .stage = &play->stage, .on_record = on_record, .arg = &play->ledger};
    uint32_t clients = random_between(random, 2, CLIENTS_MAX);

    play->ledger.stage = &play->stage;
    play->timeout_ms = timeouts_ms[random_below(random, 3)];
    play->linger_max_ms = 3 * play->timeout_ms;
    options.session_timeout_ms = play->timeout_ms;
    options.linger_max_ms = play->linger_max_ms;
    options.in_flight_max = random_chance(random, 20) ? 2 : 1024;
    play->server = sim_server_create(&options);
    for (uint32_t i = 0; play->server != NULL && i < clients; i++) {
        if (!add_client(play)) {
            return false;
        }
    }
    plan_fault(play);
    forget_due(play);
    return play->server != NULL;
}

/* So long after the last fault all is as if there had been none. */
static void calm_down(struct play *play)
{
    int64_t calm_ms = 3 * (play->timeout_ms + play->linger_max_ms) + 6000;
    const struct engine *engine;

    for (int i = 0; i < play->clients_count; i++) {
        sim_client_hush(play->clients[i]);
    }
    if (play->stage.now_ns < play->server_paused_until_ns) {
        run_until(play, play->server_paused_until_ns);
    }
    run_until(play, play->stage.now_ns + calm_ms * STAGE_MS);
    engine = sim_server_engine(play->server);
    if (engine == NULL) {
        stage_fail(&play->stage, "the server's work has no end");
        return;
    }
    for (int i = 0; !play->stage.has_failed && i < play->clients_count; i++) {
        sim_client_check_calm(play->clients[i], engine);
    }
}

/* When all have ended, all is back. */
static void end(struct play *play)
{
    int64_t end_ms = 2 * (play->timeout_ms + play->linger_max_ms) + 2000;
    struct engine_semaphore_view semaphore = {0};
    struct engine_totals totals;
    const struct engine *engine;

    for (int i = 0; i < play->clients_count; i++) {
        sim_client_end(play->clients[i]);
    }
    forget_due(play);
    run_until(play, play->stage.now_ns + end_ms * STAGE_MS);
    engine = sim_server_engine(play->server);
    if (engine == NULL || play->stage.has_failed) {
        return;
    }
    engine_get_totals(engine, &totals);
    if (totals.sessions > 0 || totals.grants > 0 || totals.waiters > 0) {
        stage_fail(&play->stage, "%u sessions, %u grants, %u waiters are left",
                   totals.sessions, totals.grants, totals.waiters);
    }
    (void)engine_view_semaphore(engine, semaphore_names[SEMAPHORE_COUNTING],
                                &semaphore);
    ledger_settle(&play->ledger, semaphore.available);
}

bool play_seed(uint64_t seed, uint64_t steps, enum stage_voice voice,
               struct play_counts *counts)
{
    struct play *play = calloc(1, sizeof(*play));
    uint64_t last = counts->steps + steps;
    bool has_passed;

    if (play == NULL) {
        return false;
    }
    play->counts = counts;
    play->stage.seed = seed;
    play->stage.voice = voice;
    play->stage.random.state = random_mix(seed);
    if (!set_up(play)) {
        stage_fail(&play->stage, "no memory");
    }
    while (!play->stage.has_failed && counts->steps < last) {
        if (!step(play, play->fault_ns)) {
            play->stage.now_ns = play->fault_ns;
            fault(play);
            plan_fault(play);
            forget_due(play);
        }
    }
    if (!play->stage.has_failed) {
        calm_down(play);
    }
    if (!play->stage.has_failed) {
        end(play);
    }
    has_passed = !play->stage.has_failed;
    counts->ms += (uint64_t)(play->stage.now_ns / STAGE_MS);
    counts->sessions += play->ledger.sessions_count;
    counts->requests += play->ledger.requests_total;
    for (int i = 0; i < play->clients_count; i++) {
        sim_client_destroy(play->clients[i]);
    }
    sim_server_destroy(play->server);
    ledger_deinit(&play->ledger);
    free(play);
    return has_passed;
}
