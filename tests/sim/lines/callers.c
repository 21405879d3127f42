/* SPDX-License-Identifier: MIT */
/* A client's callers: what they ask, are told and believe. */
#include "sim_client_private.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *const type_names[WIRE_CLIENT_TYPE_COUNT] = {
    [WIRE_ACQUIRE] = "ACQUIRE", [WIRE_RELEASE] = "RELEASE",
    [WIRE_RENEW] = "RENEW",     [WIRE_POST] = "POST",
    [WIRE_QUERY] = "QUERY",
};

/* ---------------------------------------------------------------------- live
 */

static bool is_over(const struct sim_client *client, const struct asked *asked)
{
    bool has_handle = asked->type == WIRE_ACQUIRE && !asked->consume &&
                      asked->status == PERMIT_OK && !asked->is_forgotten;

    if (!asked->is_answered || has_handle) {
        return false;
    }
    for (size_t i = 0; i < client->live_count; i++) {
        if (client->live[i]->grant == asked) {
            return false;
        }
    }
    return true;
}

static void drop_over(struct sim_client *client)
{
    for (size_t i = client->live_count; i > 0; i--) {
        if (is_over(client, client->live[i - 1])) {
            client->live[i - 1] = client->live[--client->live_count];
        }
    }
}

/* One of those that hold, or NULL. */
static struct asked *pick_held(struct sim_client *client)
{
    uint32_t count = (uint32_t)client->live_count;
    uint32_t first =
        count == 0 ? 0 : random_below(&client->stage->random, count);

    for (uint32_t i = 0; i < count; i++) {
        struct asked *asked = client->live[(first + i) % count];

        if (asked->is_held) {
            return asked;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------- answers
 */

static void forget(struct sim_client *client, struct asked *grant)
{
    grant->is_held = false;
    grant->is_forgotten = true;
    core_forget(client->core, grant->id);
}

/* Who believes in it: by his own clock, and the session's. */
static bool is_believed(const struct sim_client *client,
                        const struct asked *asked)
{
    int64_t now_ns = sim_client_now_ns(client);

    return asked->is_held && !asked->is_lost && now_ns < asked->until_ns &&
           now_ns < client->belief_until_ns;
}

static void check_belief(struct sim_client *client, const struct asked *asked)
{
    const struct engine *engine = sim_server_engine(client->options.server);
    struct engine_grant_view view;

    if (engine != NULL && is_believed(client, asked) &&
        (!engine_view_grant(engine, asked->session_id, asked->id, &view) ||
         view.lost || view.grant_id != asked->grant_id ||
         view.parts[0].permits < asked->left)) {
        stage_fail(client->stage,
                   "c%d: it believes in #%" PRIu64
                   ", which the server does not keep",
                   client->options.number, asked->id);
    }
}

static void take_granted(struct sim_client *client, struct asked *asked,
                         const struct core_event *event)
{
    stage_note(client->stage,
               "c%d: #%" PRIu64 " waited %" PRId64 " ms, is held for %" PRId64
               " ms, %.3f ms of them are left",
               client->options.number, event->id,
               event->message->granted.waited_ms,
               event->message->granted.hold_ms,
               event->until_ns == CORE_NEVER
                   ? 0
                   : (double)(event->until_ns - sim_client_now_ns(client)) /
                         (double)STAGE_MS);
    asked->is_held = true;
    asked->left = asked->permits;
    asked->until_ns = event->until_ns;
    asked->grant_id = event->message->granted.grant_id;
    asked->session_id = core_session_id(client->core);
    check_belief(client, asked);
}

void sim_client_take_answer(struct sim_client *client,
                            const struct core_event *event)
{
    struct asked *asked = event->arg;

    stage_note(client->stage, "c%d: #%" PRIu64 " %s %s", client->options.number,
               event->id, type_names[asked->type],
               permit_status_reason(event->status));
    if (asked->id != event->id) {
        stage_fail(client->stage, "an answer is another's");
    }
    if (asked->type == WIRE_QUERY) {
        asked->is_answered = true;
        asked->status = event->status;
        return;
    }
    ledger_answer(client->ledger, client->life, asked, event->status);
    if (asked->type == WIRE_ACQUIRE && !asked->consume &&
        event->status == PERMIT_OK) {
        take_granted(client, asked, event);
    }
    if (asked->type == WIRE_RENEW) {
        asked->grant->renewals--;
        if (event->status == PERMIT_OK) {
            asked->grant->until_ns = event->until_ns;
        }
    }
    if (asked->type == WIRE_RELEASE && !asked->grant->is_held) {
        forget(client, asked->grant);
    }
}

void sim_client_check_answers(struct sim_client *client)
{
    int64_t now_ns = sim_client_now_ns(client);

    drop_over(client);
    for (size_t i = 0; i < client->live_count; i++) {
        const struct asked *asked = client->live[i];

        if (!asked->is_answered && asked->answer_by_ns <= now_ns) {
            stage_fail(client->stage, "c%d: #%" PRIu64 " has no answer in time",
                       client->options.number, asked->id);
        }
    }
}

void sim_client_check_ended(struct sim_client *client)
{
    for (size_t i = 0; i < client->live_count; i++) {
        struct asked *asked = client->live[i];

        if (!asked->is_answered || (asked->is_held && !asked->is_lost)) {
            stage_fail(client->stage, "c%d: #%" PRIu64 " outlives its session",
                       client->options.number, asked->id);
        }
        if (asked->is_held) {
            forget(client, asked);
        }
    }
    drop_over(client);
}

/* ----------------------------------------------------------------- asking */

static struct asked *make(enum wire_client_type type)
{
    struct asked *asked = calloc(1, sizeof(*asked));

    if (asked == NULL) {
        abort();
    }
    asked->type = type;
    return asked;
}

/* What was asked is asked; else nothing happened. Returns whether it was. */
static bool enter(struct sim_client *client, struct asked *asked,
                  enum permit_status status)
{
    if (status != PERMIT_OK) {
        free(asked);
        return false;
    }
    if (asked->grant != NULL) {
        stage_note(client->stage,
                   "c%d: asks #%" PRIu64 " %s of #%" PRIu64 ", %u",
                   client->options.number, asked->id, type_names[asked->type],
                   asked->grant->id, asked->permits);
    } else {
        stage_note(client->stage, "c%d: asks #%" PRIu64 " %s of %s, %u%s",
                   client->options.number, asked->id, type_names[asked->type],
                   semaphore_names[asked->semaphore], asked->permits,
                   asked->consume ? " for good" : "");
    }
    client->live[client->live_count++] = asked;
    ledger_ask(client->ledger, client->life, asked);
    return true;
}

/* A short time, or one that is long beside a session's. */
static int64_t some_ms(struct sim_client *client)
{
    uint32_t timeout_ms = (uint32_t)client->options.session_timeout_ms;
    struct random *random = &client->stage->random;

    return random_chance(random, 50)
               ? random_between(random, 1, timeout_ms / 4)
               : random_between(random, timeout_ms / 2, 2 * timeout_ms);
}

static int64_t after_ms(const struct sim_client *client, int64_t ms)
{
    return sim_client_now_ns(client) + ms * STAGE_MS;
}

static bool ask(struct sim_client *client, struct asked *asked,
                struct wire_client_message *message)
{
    struct core_request request = {.message = message,
                                   .answer_by_ns = asked->answer_by_ns,
                                   .arg = asked,
                                   .grant_arg = asked};

    if (core_is_down(client->core) && !core_wants_line(client->core) &&
        client->open_ns <= client->stage->now_ns) {
        sim_client_open(client);
    }
    return enter(client, asked, core_ask(client->core, &request, &asked->id));
}

static void acquire(struct sim_client *client)
{
    static const int64_t waits[] = {0, -1, -1};
    struct random *random = &client->stage->random;
    struct asked *asked = make(WIRE_ACQUIRE);
    struct wire_client_message message = {.type = WIRE_ACQUIRE};
    struct wire_acquire *body = &message.acquire;

    asked->semaphore = random_below(random, SEMAPHORES);
    if (asked->semaphore == SEMAPHORE_WITH_CAP && client->rate_ppm != 0) {
        asked->semaphore = 0;
    }
    asked->permits = random_between(
        random, 1, (semaphore_permits[asked->semaphore] + 1) / 2);
    asked->consume =
        asked->semaphore == SEMAPHORE_COUNTING && random_chance(random, 70);
    body->parts_count = 1;
    body->parts[0].semaphore = semaphore_names[asked->semaphore];
    body->parts[0].permits = asked->permits;
    body->parts[0].consume = asked->consume;
    body->wait_ms = random_chance(random, 50) ? some_ms(client)
                                              : waits[random_below(random, 3)];
    if (client->rate_ppm == 0 && random_chance(random, 40)) {
        body->hold_ms = some_ms(client);
    }
    body->waiting = random_chance(random, 20);
    asked->answer_by_ns =
        body->wait_ms == -1 && random_chance(random, 80)
            ? CORE_NEVER
            : after_ms(client, (body->wait_ms > 0 ? body->wait_ms : 0) +
                                   some_ms(client));
    (void)ask(client, asked, &message);
}

static void post(struct sim_client *client)
{
    struct asked *asked = make(WIRE_POST);
    struct wire_client_message message = {.type = WIRE_POST};

    asked->semaphore = SEMAPHORE_COUNTING;
    asked->permits = random_between(&client->stage->random, 1, 3);
    asked->answer_by_ns = after_ms(client, some_ms(client));
    message.post.semaphore = semaphore_names[SEMAPHORE_COUNTING];
    message.post.permits = asked->permits;
    (void)ask(client, asked, &message);
}

static void query(struct sim_client *client)
{
    struct asked *asked = make(WIRE_QUERY);
    struct wire_client_message message = {.type = WIRE_QUERY};

    asked->answer_by_ns = after_ms(client, some_ms(client));
    message.query.semaphore = semaphore_names[0];
    (void)ask(client, asked, &message);
}

/* Gives back a part, or with 0 all. */
static void release(struct sim_client *client, struct asked *grant,
                    uint32_t permits)
{
    struct asked *asked = make(WIRE_RELEASE);
    struct wire_client_message message = {
        .type = WIRE_RELEASE,
        .release = {.acquire_id = grant->id,
                    .parts = {{.semaphore = semaphore_names[grant->semaphore],
                               .permits = permits}},
                    .parts_count = permits > 0}};
    struct core_request request = {.message = &message, .arg = asked};

    asked->grant = grant;
    asked->permits = permits;
    asked->answer_by_ns = after_ms(client, some_ms(client));
    request.answer_by_ns = asked->answer_by_ns;
    grant->left -= permits == 0 ? grant->left : permits;
    grant->is_held = grant->left > 0;
    if (!enter(client, asked,
               core_release(client->core, &request, &asked->id)) ||
        (!grant->is_held && random_chance(&client->stage->random, 20))) {
        forget(client, grant);
    }
}

/* The hold counts from the sending: a shorter one from now on. */
static void renew(struct sim_client *client, struct asked *grant)
{
    struct asked *asked = make(WIRE_RENEW);
    struct wire_client_message message = {.type = WIRE_RENEW};
    int64_t hold_ms =
        client->rate_ppm != 0 || random_chance(&client->stage->random, 30)
            ? 0
            : some_ms(client);
    int64_t until_ns = after_ms(client, hold_ms) - hold_ms * 1000;

    asked->grant = grant;
    asked->answer_by_ns = after_ms(client, some_ms(client));
    message.renew.acquire_id = grant->id;
    message.renew.hold_ms = hold_ms;
    if (!ask(client, asked, &message)) {
        return;
    }
    grant->renewals++;
    if (hold_ms > 0 && until_ns < grant->until_ns) {
        grant->until_ns = until_ns;
    }
}

static void cancel(struct sim_client *client)
{
    uint32_t i =
        random_below(&client->stage->random, (uint32_t)client->live_count);
    const struct asked *asked = client->live[i];

    if (asked->type == WIRE_ACQUIRE && !asked->is_answered) {
        stage_note(client->stage, "c%d: cancels #%" PRIu64,
                   client->options.number, asked->id);
        if (!core_cancel(client->core, asked->id)) {
            stage_fail(client->stage,
                       "c%d: #%" PRIu64 " is not to be cancelled",
                       client->options.number, asked->id);
        }
    }
}

static void act_on_grant(struct sim_client *client, struct asked *grant)
{
    uint32_t what = random_below(&client->stage->random, 10);

    if (what < 5 || grant->is_lost) {
        release(client, grant, 0);
    } else if (what < 7 && grant->left > 1) {
        release(client, grant, 1);
    } else if (what < 9 && grant->renewals == 0 &&
               sim_client_now_ns(client) < grant->until_ns) {
        renew(client, grant);
    } else {
        stage_note(client->stage, "c%d: forgets #%" PRIu64,
                   client->options.number, grant->id);
        forget(client, grant);
    }
}

void sim_client_act(struct sim_client *client)
{
    struct asked *grant = pick_held(client);
    uint32_t what = random_below(&client->stage->random, 100);

    if (client->live_count == LIVE_MAX || (grant != NULL && what < 35)) {
        if (grant != NULL && client->live_count < LIVE_MAX) {
            act_on_grant(client, grant);
        } else if (client->live_count > 0) {
            cancel(client);
        }
    } else if (what < 45 && client->live_count > 0) {
        cancel(client);
    } else if (what < 55) {
        post(client);
    } else if (what < 58) {
        query(client);
    } else {
        acquire(client);
    }
}

void sim_client_rest(struct sim_client *client)
{
    client->act_ns =
        client->is_hushed
            ? STAGE_NEVER
            : client->stage->now_ns +
                  stage_delay_ns(client->stage,
                                 client->options.session_timeout_ms);
}

void sim_client_hush(struct sim_client *client)
{
    client->is_hushed = true;
    client->act_ns = STAGE_NEVER;
}

/* --------------------------------------------------------------------- laws
 */

void sim_client_check_belief(struct sim_client *client,
                             uint32_t sums[SEMAPHORES])
{
    for (size_t i = 0; i < client->live_count; i++) {
        const struct asked *asked = client->live[i];

        if (is_believed(client, asked)) {
            sums[asked->semaphore] += asked->left;
            check_belief(client, asked);
        }
    }
}

/* Every grant and every waiter of its session is known to its callers. One that
 * a Renew shortened which never left is kept until its handle goes. */
static void check_known(struct sim_client *client, const struct engine *engine)
{
    struct engine_grant_view grants[LIVE_MAX * 2];
    uint64_t session_id = core_session_id(client->core);
    size_t total;
    size_t count = engine_view_session_grants(engine, session_id, 0, grants,
                                              LIVE_MAX * 2, &total);

    for (size_t i = 0; i < count; i++) {
        const struct asked *asked = client->life->by_id[grants[i].acquire_id];

        if (asked == NULL || !asked->is_held ||
            asked->loss == PERMIT_LOSS_SESSION ||
            asked->left != grants[i].parts[0].permits) {
            stage_fail(client->stage, "c%d: #%" PRIu64 " is kept for nobody",
                       client->options.number, grants[i].acquire_id);
        }
    }
}

void sim_client_check_calm(struct sim_client *client,
                           const struct engine *engine)
{
    struct engine_session_view session;
    uint32_t waiting = 0;

    if (client->core == NULL || core_session_id(client->core) == 0) {
        return;
    }
    if (!core_has_line(client->core) ||
        !engine_view_session(engine, core_session_id(client->core), &session) ||
        !session.connected) {
        stage_fail(client->stage, "c%d: its session has no line",
                   client->options.number);
        return;
    }
    check_known(client, engine);
    for (size_t i = 0; i < client->live_count; i++) {
        const struct asked *asked = client->live[i];
        struct engine_waiter_view waiter;
        struct engine_obstacle obstacle;

        if (!asked->is_answered &&
            !engine_view_waiter(engine, core_session_id(client->core),
                                asked->id, &waiter, &obstacle)) {
            stage_fail(client->stage, "c%d: #%" PRIu64 " is forgotten",
                       client->options.number, asked->id);
        }
        waiting += !asked->is_answered;
    }
    if (session.waiters != waiting) {
        stage_fail(client->stage, "c%d: somebody waits for nobody",
                   client->options.number);
    }
}
