/* SPDX-License-Identifier: MIT */
#include "client_story.h"

#include <netdb.h>
#include <string.h>
#include <time.h>

#include "broken_calls.h"
#include "permit/adapter/poll.h"
#include "permit/async.h"

struct life {
    struct story *story;
    struct permit_async *client;
    struct permit_poll tie;
    struct permit_grant *grant;
    unsigned taken;
    unsigned ended;
    uint64_t waiting_id;
    bool is_ending;
    enum permit_status status; /* Of the latest end. */
};

/* --------------------------------------------------------------- the answers
 */

static void end_one(void *arg, const struct permit_answer *answer)
{
    struct life *life = arg;

    life->ended++;
    life->status = answer->status;
    if (answer->status != PERMIT_E_CLOSED || !life->is_ending) {
        story_check(life->story, "answer", answer->status, answer->text);
    }
    if (answer->list != NULL) {
        story_read_list(answer->list);
    }
    if (answer->grant == NULL) {
        return;
    }
    if (life->grant == NULL) {
        life->grant = answer->grant;
        story_look_at(life->story, answer->grant);
    } else {
        permit_grant_destroy(answer->grant);
    }
}

static void note_loss(void *arg, struct permit_grant *grant,
                      enum permit_loss loss)
{
    struct life *life = arg;

    if (permit_grant_is_valid(grant) || loss == 0) {
        story_note(life->story, "on_lost", "the grant is valid");
    }
}

static void go(void *arg, const struct permit_waiting *waiting)
{
    struct life *life = arg;

    (void)waiting;
    (void)permit_async_cancel(life->client, life->waiting_id);
}

/* One that is refused is not heard of again. */
static void asked(struct life *life, const char *where,
                  enum permit_status status)
{
    char text[512];

    permit_async_last_error(life->client, text, sizeof(text));
    story_check(life->story, where, status, text);
    life->taken += status == PERMIT_OK;
}

/* Each of those that were taken ends. */
static void run(struct life *life)
{
    while (life->ended < life->taken) {
        (void)permit_poll_tick(&life->tie, 1000);
    }
    if (life->ended != life->taken) {
        story_note(life->story, "run", "a request ended twice");
    }
}

/* ----------------------------------------------------------------- the asking
 */

static void acquire(struct life *life, uint32_t permits, int64_t hold_ms)
{
    static const struct permit_label label = {"reason", "story"};
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    request.semaphore = "jobs";
    request.permits = permits;
    request.wait_ms = 100;
    request.hold_ms = hold_ms;
    request.labels = &label;
    request.labels_count = 1;
    request.on_lost = note_loss;
    request.on_lost_arg = life;
    request.on_waiting = go;
    request.on_waiting_arg = life;
    asked(life, "acquire",
          permit_async_acquire(life->client, &request, end_one, life,
                               &life->waiting_id));
}

static void give_back(struct life *life)
{
    enum permit_status status;

    if (life->grant != NULL) {
        status = permit_async_renew(life->grant, 10000, end_one, life);
        story_check(life->story, "renew", status, "-");
        life->taken += status == PERMIT_OK;
        asked(life, "verify",
              permit_async_verify(life->client, permit_grant_id(life->grant),
                                  permit_grant_fence(life->grant), end_one,
                                  life));
        run(life);
        story_check_grant(life->story, "renew", life->grant);
        status = permit_async_release(life->grant, 0, end_one, life);
        story_check(life->story, "release", status, "-");
        life->taken += status == PERMIT_OK;
        run(life);
        story_check_grant(life->story, "release", life->grant);
        permit_grant_destroy(life->grant);
        life->grant = NULL;
    }
}

/* The hold is over as soon as it has begun, and the next answer finds that. */
static void lose_grant(struct life *life)
{
    acquire(life, 1, 1);
    run(life);
    if (life->grant != NULL) {
        while (permit_grant_is_valid(life->grant)) {
            (void)permit_poll_tick(&life->tie, 1);
        }
        permit_grant_destroy(life->grant);
        life->grant = NULL;
    }
}

static void ask_all(struct life *life)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct permit_async *client = life->client;

    asked(life, "define",
          permit_async_define(client, "scratch", &definition, end_one, life));
    asked(life, "delete",
          permit_async_delete(client, "scratch", true, end_one, life));
    asked(life, "post", permit_async_post(client, "signal", 1, end_one, life));
    request.semaphore = "signal";
    request.consume = true;
    request.wait_ms = 0;
    asked(life, "consume",
          permit_async_acquire(client, &request, end_one, life, NULL));
    asked(life, "why", permit_async_why(client, &request, end_one, life));
    asked(life, "ping", permit_async_ping(client, end_one, life));
    asked(life, "query", permit_async_query(client, "jobs", end_one, life));
    asked(life, "list_semaphores",
          permit_async_list_semaphores(client, "", end_one, life));
    asked(life, "list_holders",
          permit_async_list_holders(client, "jobs", end_one, life));
    asked(life, "list_waiters",
          permit_async_list_waiters(client, "jobs", end_one, life));
}

static void use_client(struct life *life)
{
    struct permit_counters counters = PERMIT_COUNTERS_INIT;

    acquire(life, 1, 0);
    run(life);
    acquire(life, 2, 0); /* It waits while there is the first. */
    run(life);
    if (life->grant != NULL) {
        story_check_grant(life->story, "wait", life->grant);
    }
    ask_all(life);
    run(life);
    give_back(life);
    lose_grant(life);
    acquire(life, 1, 0);
    run(life);
    (void)permit_async_session_id(life->client);
    story_check(life->story, "counters",
                permit_async_counters(life->client, &counters), "");
}

/* The first ones may meet what broke before, or be told of it at once. */
static void use_healed(struct life *life)
{
    life->status = PERMIT_E_DISCONNECTED;
    for (time_t end = time(NULL) + HEALED_S;
         life->status != PERMIT_OK && time(NULL) < end;) {
        permit_grant_destroy(life->grant);
        life->grant = NULL;
        acquire(life, 1, 0);
        run(life);
    }
    if (life->grant == NULL || !permit_grant_is_valid(life->grant)) {
        story_note(life->story, "healed", permit_status_name(life->status));
        return;
    }
    story_check_grant(life->story, "healed", life->grant);
    give_back(life);
    if (life->status != PERMIT_OK) {
        story_note(life->story, "healed release",
                   permit_status_name(life->status));
    }
}

static void resolve(void *arg, struct permit_async *client, uint64_t lookup_id,
                    const char *host, const char *port)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;

    (void)arg;
    if (getaddrinfo(host, port, &hints, &addresses) != 0) {
        addresses = NULL;
    }
    permit_async_resolved(client, lookup_id, addresses);
    if (addresses != NULL) {
        freeaddrinfo(addresses);
    }
}

/* What it asked last ends with it, and what it holds goes with it. */
static void live(struct life *life)
{
    story_check(life->story, "attach",
                permit_poll_attach(life->client, &life->tie), "");
    story_check(life->story, "set_resolver",
                permit_async_set_resolver(life->client, resolve, NULL), "");
    use_client(life);
    if (life->story->heal()) {
        use_healed(life);
    }
    asked(life, "ping", permit_async_ping(life->client, end_one, life));
    life->is_ending = true;
    permit_async_destroy(life->client);
    if (life->ended != life->taken || life->tie.client != NULL) {
        story_note(life->story, "destroy", "a request did not end");
    }
    if (life->grant != NULL && permit_grant_is_valid(life->grant)) {
        story_note(life->story, "destroy", "a grant outlived its client");
    }
    permit_grant_destroy(life->grant);
}

void story_async(struct story *story)
{
    struct permit_options options = story_options(story);
    struct life life = {.story = story};
    enum permit_status status;
    char error[512] = "";

    calls_begin();
    status = permit_async_create(&options, &life.client, error, sizeof(error));
    story_check(story, "create", status, error);
    if (status == PERMIT_OK) {
        live(&life);
    }
    calls_end();
    story_check_left(story);
}
