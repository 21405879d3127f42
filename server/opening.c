/* SPDX-License-Identifier: MIT */
/* Hello: who opens a session, goes on with a former one, or ends it first. */
#include "session_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
    answers_init(&former->answers, 0);
    answers_forget(&session->answers, session->answered_below);
    session->labels = former->labels;
    former->labels = (struct labels){0};
    takes_trust(&former->takes);
    session->takes = former->takes;
    former->takes = (struct takes){0};
    if (former->connection_id == 0) {
        session_free(former);
    } else {
        session_goaway(former, WIRE_GOAWAY_SUPERSEDED, 0,
                       "the session has a newer line");
    }
}

/* Live grants of one message, with room for the slots of one too many. */
struct live_page {
    struct wire_live_grant rows[WIRE_GRANTS_PARTS_MAX];
    struct permit_part_info parts[WIRE_GRANTS_PARTS_MAX];
    uint32_t slots[WIRE_GRANTS_SLOTS_MAX + LIMIT_SLOTS_MAX];
};

/* Fills a page of live grants from row *offset on, which moves behind it. */
static void fill_grants(const struct session *session, size_t *offset,
                        struct live_page *page,
                        struct wire_live_grants *ret_page)
{
    struct engine_grant_view views[WIRE_GRANTS_PARTS_MAX];
    size_t total;
    size_t count = engine_view_session_grants(session->all->options.engine,
                                              session->id, *offset, views,
                                              WIRE_GRANTS_PARTS_MAX, &total);
    uint32_t filled = 0;
    uint32_t slots_count = 0;

    for (size_t i = 0; i < count; i++, (*offset)++) {
        struct wire_live_grant *row = &page->rows[filled];

        if (views[i].lost) {
            continue; /* It is believed in no more. */
        }
        *row = session_live_grant(session->all, &views[i], &page->parts[filled],
                                  page->slots + slots_count);
        slots_count += row->parts[0].slots_count;
        if (slots_count > WIRE_GRANTS_SLOTS_MAX) {
            break; /* The first of the next page. */
        }
        filled++;
    }
    *ret_page = (struct wire_live_grants){
        .rows = page->rows, .count = filled, .more = *offset < total};
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
