/* SPDX-License-Identifier: MIT */
#include "client_story.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "broken_calls.h"

/* ----------------------------------------------------------- what was wrong */

void story_note(struct story *story, const char *where, const char *what)
{
    if (story->wrong[0] == '\0') {
        (void)snprintf(story->wrong, sizeof(story->wrong), "%.64s: %.400s",
                       where, what);
    }
}

void story_check(struct story *story, const char *where,
                 enum permit_status status, const char *text)
{
    switch ((int)status) {
    case PERMIT_OK:
        return;
    /* What fails. */
    case PERMIT_E_NOMEM:
    case PERMIT_E_DISCONNECTED:
    case PERMIT_E_NO_ANSWER:
    case PERMIT_E_OUTCOME_UNKNOWN:
    /* What follows from what failed before. */
    case PERMIT_E_WOULD_BLOCK:
    case PERMIT_E_TIMEOUT:
    case PERMIT_E_NOT_FOUND:
    case PERMIT_E_CANCELLED:
    case PERMIT_E_NOT_HELD:
    case PERMIT_E_EXPIRED:
    case PERMIT_E_LOST:
        if (*text == '\0') {
            story_note(story, where, "it failed without a text");
        }
        return;
    default:
        story_note(story, where, permit_status_name(status));
        story_note(story, where, text);
    }
}

/* --------------------------------------------------------------- the witness
 */

/* Does the daemon know of this grant? */
static bool is_held(struct story *story, uint64_t grant_id)
{
    struct permit_list *list;
    bool is_there = false;
    bool was_on = calls_are_on();

    calls_end();
    ck_assert_int_eq(permit_list_holders(story->witness, "jobs", &list),
                     PERMIT_OK);
    for (size_t i = 0; i < permit_list_count(list); i++) {
        is_there |= permit_list_holder(list, i)->grant_id == grant_id;
    }
    permit_list_destroy(list);
    if (was_on) {
        calls_begin();
    }
    return is_there;
}

void story_check_grant(struct story *story, const char *where,
                       const struct permit_grant *grant)
{
    if (permit_grant_is_valid(grant) &&
        !is_held(story, permit_grant_id(grant)) &&
        permit_grant_is_valid(grant)) {
        story_note(story, where, "a grant is valid that the daemon has not");
    }
}

/* What a session held that ended without a word is free as soon as the daemon
 * sees it. */
void story_check_left(struct story *story)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    struct permit_list *list;
    uint64_t held = 1;

    for (int i = 0; held > 0 && i < 5000; i++) {
        if (i > 0) {
            (void)nanosleep(&moment, NULL);
        }
        ck_assert_int_eq(permit_query(story->witness, "jobs", &list),
                         PERMIT_OK);
        held = permit_list_semaphore(list, 0)->held +
               permit_list_semaphore(list, 0)->waiters;
        permit_list_destroy(list);
    }
    if (held > 0) {
        story_note(story, "the daemon", "something is still held");
    }
}

/* As many permits as tokens. */
static void define(struct permit_client *client, const char *semaphore,
                   enum permit_kind kind, uint32_t permits)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;

    definition.fields = PERMIT_DEFINE_KIND | PERMIT_DEFINE_PERMITS;
    if (kind == PERMIT_RATE) {
        definition.fields = PERMIT_DEFINE_KIND | PERMIT_DEFINE_RATE |
                            PERMIT_DEFINE_PER | PERMIT_DEFINE_BURST;
    }
    definition.kind = kind;
    definition.permits = permits;
    definition.rate = definition.burst = permits;
    definition.per_ms = 1;
    ck_assert_int_eq(permit_define(client, semaphore, &definition), PERMIT_OK);
}

void story_begin(struct story *story, const char *server)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;

    options.server = server;
    ck_assert_int_eq(permit_client_create(&options, &story->witness, NULL, 0),
                     PERMIT_OK);
    define(story->witness, "jobs", PERMIT_BOUNDED, 2);
    define(story->witness, "signal", PERMIT_COUNTING, 0);
    define(story->witness, "api", PERMIT_RATE, 1000);
}

void story_end(struct story *story)
{
    permit_client_destroy(story->witness);
}

/* --------------------------------------------------------------- to look at
 */

void story_look_at(struct story *story, struct permit_grant *grant)
{
    int fd = permit_grant_event_fd(grant);

    story_check_grant(story, "acquire", grant);
    if (fd != -1 && fd != permit_grant_event_fd(grant)) {
        story_note(story, "event_fd", "it is another one");
    }
    if (permit_grant_id(grant) == 0 || permit_grant_fence(grant) == 0 ||
        permit_grant_permits(grant) == 0 || permit_grant_waited_ms(grant) < 0) {
        story_note(story, "acquire", "a grant without its numbers");
    }
    if (permit_grant_left_ms(grant) > 0 && permit_grant_get_loss(grant) != 0) {
        story_note(story, "grant", "it is lost and has time left");
    }
    (void)permit_grant_grace_ms(grant);
}

void story_read_list(struct permit_list *list)
{
    for (size_t i = 0; i < permit_list_count(list); i++) {
        (void)permit_list_semaphore(list, i);
        (void)permit_list_holder(list, i);
        (void)permit_list_waiter(list, i);
    }
    permit_list_destroy(list);
}

/* -------------------------------------------------------------- the blocking
 * face */

static void check(struct story *story, struct permit_client *client,
                  const char *where, enum permit_status status)
{
    char text[512];

    permit_client_last_error(client, text, sizeof(text));
    story_check(story, where, status, text);
}

struct permit_options story_options(const struct story *story)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;

    options.server = story->servers;
    options.purpose = "a story";
    options.allocator = story->allocator;
    options.connect_timeout_ms = 1000;
    options.answer_timeout_ms = 300;
    return options;
}

/* Somebody waits, so he goes; the pipe is not the library's. */
static void go(void *arg, const struct permit_waiting *waiting)
{
    (void)waiting;
    while (write(*(int *)arg, "", 1) != 1) {
    }
}

static void use_grant(struct story *story, struct permit_client *client,
                      struct permit_grant *grant)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_refusal refusal;
    struct permit_grant *other = NULL;
    enum permit_status status;
    int fds[2];

    story_look_at(story, grant);
    if (pipe(fds) < 0) {
        story_note(story, "pipe", "no descriptors");
        return;
    }
    request.semaphore = "jobs";
    request.permits = 2; /* It has one of them. */
    request.wait_ms = 100;
    request.cancel_fd = fds[0];
    request.on_waiting = go;
    request.on_waiting_arg = &fds[1];
    request.ret_refusal = &refusal;
    status = permit_acquire(client, &request, &other);
    check(story, client, "wait", status);
    permit_grant_destroy(other);
    (void)close(fds[0]);
    (void)close(fds[1]);
    story_check_grant(story, "wait", grant);
    check(story, client, "renew", permit_grant_renew(grant, 10000));
    story_check_grant(story, "renew", grant);
    check(story, client, "verify",
          permit_verify(client, permit_grant_id(grant),
                        permit_grant_fence(grant)));
    check(story, client, "release", permit_grant_release(grant, 0));
    story_check_grant(story, "release", grant);
}

static void lose_grant(struct story *story, struct permit_client *client)
{
    static const struct permit_label label = {"reason", "story"};
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = NULL;
    enum permit_loss loss = 0;
    enum permit_status status;

    request.semaphore = "jobs";
    request.wait_ms = 0;
    request.hold_ms = 1;
    request.labels = &label;
    request.labels_count = 1;
    status = permit_acquire(client, &request, &grant);
    check(story, client, "hold", status);
    if (status != PERMIT_OK) {
        return;
    }
    (void)permit_grant_event_fd(grant);
    status = permit_grant_wait_lost(grant, 1000, &loss);
    story_check(story, "wait_lost", status, "-");
    if (permit_grant_is_valid(grant)) {
        story_note(story, "wait_lost", "a grant outlived its hold");
    }
    permit_grant_destroy(grant);
}

static void use_parts(struct story *story, struct permit_client *client)
{
    static const struct permit_acquire_part also = {.semaphore = "api",
                                                    .permits = 2};
    static const struct permit_part used = {"api", 1};
    static const struct permit_part held = {"jobs", 1};
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = NULL;

    request.semaphore = "jobs";
    request.permits = 2;
    request.wait_ms = 0;
    request.also = &also;
    request.also_count = 1;
    request.settle = true;
    check(story, client, "why", permit_why(client, &request));
    check(story, client, "parts", permit_acquire(client, &request, &grant));
    if (grant != NULL) {
        story_look_at(story, grant);
        check(story, client, "settle", permit_grant_settle(grant, &used, 1));
        story_check_grant(story, "settle", grant);
        check(story, client, "part",
              permit_grant_release_parts(grant, &held, 1));
        check(story, client, "outcome",
              permit_grant_release_outcome(grant, "done", 4));
        story_check_grant(story, "outcome", grant);
        permit_grant_destroy(grant);
    }
}

static void use_semaphores(struct story *story, struct permit_client *client)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct permit_counters counters = PERMIT_COUNTERS_INIT;
    uint64_t available;

    check(story, client, "define",
          permit_define(client, "scratch", &definition));
    check(story, client, "delete", permit_delete(client, "scratch", true));
    check(story, client, "post", permit_post(client, "signal", 1, &available));
    request.semaphore = "signal";
    request.consume = true;
    request.wait_ms = 0;
    check(story, client, "consume", permit_acquire(client, &request, NULL));
    check(story, client, "ping", permit_ping(client));
    (void)permit_client_session_id(client);
    (void)close(permit_client_fd(client)); /* -1 does no harm. */
    (void)permit_client_deadline_ms(client);
    (void)permit_client_heartbeat_ms(client);
    story_check(story, "counters", permit_client_counters(client, &counters),
                "");
}

static void read_lists(struct story *story, struct permit_client *client)
{
    struct permit_list *lists[4] = {NULL, NULL, NULL, NULL};

    check(story, client, "query", permit_query(client, "jobs", &lists[0]));
    check(story, client, "list_semaphores",
          permit_list_semaphores(client, "", &lists[1]));
    check(story, client, "list_holders",
          permit_list_holders(client, "jobs", &lists[2]));
    check(story, client, "list_waiters",
          permit_list_waiters(client, "jobs", &lists[3]));
    for (size_t i = 0; i < 4; i++) {
        if (lists[i] != NULL) {
            story_read_list(lists[i]);
        }
    }
}

static void use_client(struct story *story, struct permit_client *client)
{
    struct permit_grant *grant = NULL;

    check(story, client, "try", permit_try(client, "jobs", 1, &grant));
    if (grant != NULL) {
        use_grant(story, client, grant);
        permit_grant_destroy(grant);
    }
    grant = NULL;
    lose_grant(story, client);
    use_parts(story, client);
    use_semaphores(story, client);
    read_lists(story, client);
    check(story, client, "try", permit_try(client, "jobs", 1, &grant));
    permit_grant_destroy(grant); /* Which gives it back. */
}

/* The first calls may meet what broke before, or be told of it at once. */
static void use_healed(struct story *story, struct permit_client *client)
{
    struct permit_grant *grant = NULL;
    enum permit_status status = PERMIT_E_DISCONNECTED;
    char text[512];

    for (time_t end = time(NULL) + HEALED_S;
         status != PERMIT_OK && time(NULL) < end;) {
        status = permit_try(client, "jobs", 1, &grant);
    }
    if (status != PERMIT_OK) {
        permit_client_last_error(client, text, sizeof(text));
        story_note(story, "healed", text);
        return;
    }
    if (!permit_grant_is_valid(grant)) {
        story_note(story, "healed", "a grant that is not valid");
    }
    story_check_grant(story, "healed", grant);
    status = permit_grant_release(grant, 1);
    if (status != PERMIT_OK) {
        story_note(story, "healed release", permit_status_name(status));
    }
    permit_grant_destroy(grant);
}

void story_blocking(struct story *story)
{
    struct permit_options options = story_options(story);
    struct permit_client *client;
    enum permit_status status;
    char error[512] = "";

    calls_begin();
    status = permit_client_create(&options, &client, error, sizeof(error));
    story_check(story, "create", status, error);
    if (status == PERMIT_OK) {
        use_client(story, client);
        if (story->heal()) {
            use_healed(story, client);
        }
        permit_client_destroy(client);
    }
    calls_end();
    story_check_left(story);
}
