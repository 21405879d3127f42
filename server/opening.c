/* SPDX-License-Identifier: MIT */
/* Hello: who opens a session, goes on with a former one, or ends it first. */
#include "session_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GRANTS_AT_ONCE 32

/* Keeps what the client says of itself. Returns false without memory. */
static bool keep_texts(struct session *session, const struct wire_hello *hello)
{
    size_t name = strlen(hello->name) + 1;
    size_t host = strlen(hello->host) + 1;
    size_t purpose = strlen(hello->purpose) + 1;

    session->texts = malloc(name + host + purpose);
    if (session->texts == NULL) {
        return false;
    }
    session->name = memcpy(session->texts, hello->name, name);
    session->host = memcpy(session->texts + name, hello->host, host);
    session->purpose =
        memcpy(session->texts + name + host, hello->purpose, purpose);
    session->pid = hello->pid;
    return true;
}

/* Looks at every byte, so that the time it takes tells nothing. */
static bool is_secret(const struct session *session,
                      const struct wire_bytes *secret)
{
    uint8_t differs = 0;

    if (secret->length != sizeof(session->secret)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(session->secret); i++) {
        differs |= (uint8_t)(session->secret[i] ^ secret->data[i]);
    }
    return differs == 0;
}

/* Sets *ret_id to a former session, 0 if it is not there. Returns false if the
 * secret is another's. */
static bool find_former(const struct sessions *sessions, bool has_key,
                        const struct wire_session_key *key, uint64_t *ret_id)
{
    const struct session *former =
        has_key ? session_find(sessions, key->id) : NULL;

    *ret_id = former == NULL ? 0 : former->id;
    return former == NULL || is_secret(former, &key->secret);
}

/* Fills the event, and the session. Returns PERMIT_OK, or why not. */
static enum permit_status prepare(struct session *session,
                                  const struct wire_client_message *message,
                                  struct engine_event *event,
                                  const char **ret_detail)
{
    const struct sessions *sessions = session->all;
    const struct sessions_options *options = &sessions->options;
    const struct wire_hello *hello = &message->hello;

    if (message->status != PERMIT_OK) {
        *ret_detail = message->detail;
        return message->status;
    }
    if (!find_former(sessions, hello->has_resume, &hello->resume,
                     &event->session_open.resume_id) ||
        !find_former(sessions, hello->has_end, &hello->end,
                     &event->session_open.end_id)) {
        *ret_detail = "the session has another secret";
        return PERMIT_E_DENIED;
    }
    if (options->random(session->secret, sizeof(session->secret)) !=
            PERMIT_OK ||
        !keep_texts(session, hello)) {
        *ret_detail =
            "the daemon has no memory or no randomness: come back later";
        return PERMIT_E_UNAVAILABLE;
    }
    event->session_open.timeout_ms = options->session_timeout_ms;
    event->session_open.linger_ms = hello->linger_ms < options->linger_max_ms
                                        ? hello->linger_ms
                                        : options->linger_max_ms;
    return PERMIT_OK;
}

void session_open(struct session *session,
                  const struct wire_client_message *message)
{
    struct engine_event event = {.type = ENGINE_SESSION_OPEN,
                                 .now_ns = session->all->now_ns,
                                 .request_id = message->id};
    enum permit_status status;
    const char *detail;

    if (message->type != WIRE_HELLO) {
        session_goaway(session, WIRE_GOAWAY_PROTOCOL, 0,
                       "the first message must be Hello");
        return;
    }
    status = prepare(session, message, &event, &detail);
    if (status != PERMIT_OK) {
        session_refuse(session, message->id, status, detail);
        session_close(session, "denied");
        return;
    }
    session->answered_below = message->answered_below;
    session->all->opening = session;
    sessions_do(session->all, &event); /* Its answer sends Welcome. */
}

/* ------------------------------------------------------------------ Welcome */

/* Goes on with what a former session has, whose line, if it has one, has
 * nothing more to say. */
static void take_over(struct session *session, struct session *former)
{
    uint64_t id = former->id;

    session_leave(former);
    session->id = id;
    memcpy(session->secret, former->secret, sizeof(session->secret));
    session->answers = former->answers;
    answers_init(&former->answers, 0, 0);
    answers_forget(&session->answers, session->answered_below);
    session->labels = former->labels;
    former->labels = (struct labels){0};
    takes_trust(&former->takes);
    session->takes = former->takes;
    session->settles = former->settles;
    former->takes = (struct takes){0};
    if (former->connection_id == 0) {
        session_free(former);
    } else {
        session_goaway(former, WIRE_GOAWAY_SUPERSEDED, 0,
                       "the session has a newer line");
    }
}

/* Live grants of one message, with room for one too many. */
struct live_page {
    struct wire_live_grant rows[WIRE_GRANTS_PARTS_MAX];
    struct permit_part_info parts[WIRE_GRANTS_PARTS_MAX + LIMIT_PARTS_MAX];
    uint32_t slots[WIRE_GRANTS_SLOTS_MAX + LIMIT_PARTS_MAX * LIMIT_SLOTS_MAX];
    uint32_t count;
    uint32_t parts_count;
    uint32_t slots_count;
};

/* Returns false if there is no room for it: it is the first of the next page.
 */
static bool add_grant(const struct session *session, struct live_page *page,
                      const struct engine_grant_view *view)
{
    struct permit_part_info *parts = page->parts + page->parts_count;

    page->parts_count += view->parts_count;
    page->slots_count += session_fill_parts(session->all, view, parts,
                                            page->slots + page->slots_count);
    if (page->parts_count > WIRE_GRANTS_PARTS_MAX ||
        page->slots_count > WIRE_GRANTS_SLOTS_MAX) {
        return false;
    }
    page->rows[page->count++] =
        (struct wire_live_grant){.acquire_id = view->acquire_id,
                                 .grant_id = view->grant_id,
                                 .fence = view->grant_id,
                                 .parts = parts,
                                 .parts_count = view->parts_count};
    return true;
}

/* Fills a page of live grants from row *offset on, which moves behind it. */
static void fill_grants(const struct session *session, size_t *offset,
                        struct live_page *page,
                        struct wire_live_grants *ret_page)
{
    struct engine_grant_view views[GRANTS_AT_ONCE];
    size_t total;
    size_t count;
    bool has_room = true;

    page->count = page->parts_count = page->slots_count = 0;
    do {
        count = engine_view_session_grants(session->all->options.engine,
                                           session->id, *offset, views,
                                           GRANTS_AT_ONCE, &total);
        for (size_t i = 0; i < count; i++) {
            /* What is lost is believed in no more. */
            has_room = views[i].lost || add_grant(session, page, &views[i]);
            if (!has_room) {
                break;
            }
            (*offset)++;
        }
    } while (has_room && count == GRANTS_AT_ONCE);
    *ret_page = (struct wire_live_grants){
        .rows = page->rows, .count = page->count, .more = *offset < total};
}

static void say_welcome(struct session *session, uint64_t request_id,
                        bool is_resumed)
{
    const struct sessions_options *options = &session->all->options;
    struct wire_server_message message = {.id = request_id,
                                          .type = WIRE_WELCOME};
    struct wire_welcome *welcome = &message.welcome;
    struct live_page page;
    struct engine_session_view view = {0};
    size_t offset = 0;
    bool more;

    (void)engine_view_session(options->engine, session->id, &view);
    welcome->session_id = session->id;
    memcpy(welcome->secret, session->secret, sizeof(welcome->secret));
    welcome->boot_id = options->boot_id;
    welcome->heartbeat_ms = options->heartbeat_ms;
    welcome->session_timeout_ms = options->session_timeout_ms;
    welcome->linger_ms = view.linger_ms;
    welcome->grants_survive_restart = options->grants_survive_restart;
    welcome->resumed = is_resumed;
    welcome->server = options->server;
    if (is_resumed) {
        fill_grants(session, &offset, &page, &welcome->grants);
    }
    more = welcome->grants.more;
    session_send(session, &message, true);
    while (more) {
        message =
            (struct wire_server_message){.id = request_id, .type = WIRE_GRANTS};
        fill_grants(session, &offset, &page, &message.grants);
        more = message.grants.more;
        session_send(session, &message, false);
    }
}

void session_carry_out_opening(struct sessions *sessions,
                               const struct engine_effect *effect)
{
    struct session *session = sessions->opening;
    struct session *former = session_find(sessions, effect->session_id);

    assert(session != NULL);
    sessions->opening = NULL;
    if (effect->answer.status != PERMIT_OK) {
        session_refuse(session, effect->request_id, effect->answer.status,
                       effect->answer.detail);
        session_close(session, "denied");
        return;
    }
    if (former != NULL) {
        take_over(session, former);
    } else {
        session->id = effect->session_id;
    }
    session->stage = SESSION_STAGE_READY;
    session_enter(session);
    say_welcome(session, effect->request_id, former != NULL);
}
