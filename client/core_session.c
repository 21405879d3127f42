/* SPDX-License-Identifier: MIT */
#include "core.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core_private.h"

/* Pings a session timeout, at least: one may be late, and one lost in time. */
#define PINGS_PER_TIMEOUT 3
/* Pages of a Welcome: far more than the grants of CORE_REQUESTS_MAX acquires
 * fill. */
#define PAGES_MAX 65536u

static int64_t min_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static int64_t max_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

/* ------------------------------------------------------------------- belief
 */

/* S + 0.9 of so long. */
static int64_t belief_ns(const struct core *core, int64_t kept_ns)
{
    return core_add_ns(core->alive_ns, kept_ns / 10 * 9);
}

void core_alive(struct core *core, int64_t sent_ns)
{
    if (sent_ns > core->alive_ns) {
        core->alive_ns = sent_ns;
    }
    core->believed_until_ns =
        belief_ns(core, max_ns(core->timeout_ns, core->linger_ns));
    core->is_believed = core->now_ns < core->believed_until_ns;
}

/* The session is over for the client; does the server have to be told? */
static void end_session(struct core *core, bool may_be_kept)
{
    if (may_be_kept && core->session.id != 0) {
        core->former = core->session;
    }
    core->session.id = 0;
    core->is_believed = false;
    core_walk(core, CORE_WALK_ENDED);
}

/* ------------------------------------------------------------ open and break
 */

static struct wire_session_key key_of(const struct permit_session_key *session)
{
    return (struct wire_session_key){
        .id = session->id,
        .secret = {.data = session->secret, .length = WIRE_SECRET_BYTES}};
}

/* Nothing of what is asked is on the new line yet. */
static void take_back_requests(struct core *core)
{
    for (struct id_entry *entry = core->requests.first; entry != NULL;
         entry = entry->next) {
        struct request *request = request_of(entry);

        request->was_sent = core_was_sent(core, request);
        request->offset = CORE_NOT_PUT;
    }
    core->next_put = core->requests.first;
}

static void put_hello(struct core *core)
{
    struct wire_client_message message = {
        .type = WIRE_HELLO, .id = core->next_id++, .hello = core->hello};
    const struct id_entry *oldest = core->requests.first;
    size_t bytes;

    message.answered_below = oldest == NULL ? message.id : oldest->id;
    message.hello.has_resume = core->session.id != 0;
    message.hello.resume = key_of(&core->session);
    message.hello.has_end = core->former.id != 0;
    message.hello.end = key_of(&core->former);
    memcpy(core->output, frame_preface, FRAME_PREFACE_BYTES);
    bytes = wire_encode_client(&message, core->output + FRAME_PREFACE_BYTES,
                               WIRE_REQUEST_BYTES_MAX);
    assert(bytes > 0);
    core->hello_id = message.id;
    core->counters.requests_total++;
    core->output_start = 0;
    core->output_end = FRAME_PREFACE_BYTES + bytes;
    core->output_total = core->output_end;
    core->sent_total = 0;
}

void core_open(struct core *core, int64_t now_ns, int64_t welcome_by_ns)
{
    assert(core_is_down(core));
    core_advance(core, now_ns);
    take_back_requests(core);
    core->state = CORE_STATE_OPENING;
    core->welcome_by_ns = core->session.id == 0 ? welcome_by_ns : CORE_NEVER;
    core->hello_sent_ns = core->now_ns;
    core->unheard_ns = CORE_NEVER;
    core->has_preface = false;
    core->input_start = 0;
    core->input_end = 0;
    core->was_welcome = false;
    core->is_silent = false;
    core->repeats_below = 0;
    core->goaway_text[0] = '\0';
    core->goaway = 0;
    core->retry_after_ms = 0;
    put_hello(core);
    core_fall_due(core, core_line_due(core));
}

/* A Ping proves a line, and goes with it. */
static void drop_pings(struct core *core)
{
    struct id_entry *entry = core->requests.first;

    while (entry != NULL) {
        struct request *request = request_of(entry);

        entry = entry->next;
        if (request->type == WIRE_PING && request->is_silent) {
            core_remove_request(core, request);
        }
    }
}

/* May another line go on with the session? */
static bool may_go_on(const struct core *core, enum permit_status status)
{
    bool is_of_the_line =
        status == PERMIT_E_DISCONNECTED || status == PERMIT_E_TOO_MANY ||
        status == PERMIT_E_UNAVAILABLE || status == PERMIT_E_RECOVERING;

    return core->session.id != 0 && is_of_the_line &&
           core->goaway != WIRE_GOAWAY_KICKED &&
           core->goaway != WIRE_GOAWAY_SUPERSEDED &&
           core->goaway != WIRE_GOAWAY_PROTOCOL;
}

/* The server starts the clock of the linger at a break that both see, also of a
 * line whose Hello it obeyed and nobody heard; of a silent line it does not
 * know. */
static void lose_line(struct core *core, enum permit_status status)
{
    /* Who answers a Hello before it left is believed no longer for that. */
    bool is_known = core->was_welcome || core->sent_total > 0;

    if (!may_go_on(core, status)) {
        end_session(core, core->goaway != WIRE_GOAWAY_SUPERSEDED &&
                              status != PERMIT_E_DENIED);
        return;
    }
    if (is_known && !core->is_silent) {
        core->believed_until_ns =
            min_ns(core->believed_until_ns, belief_ns(core, core->linger_ns));
    }
    if (!core->is_believed || core->now_ns >= core->believed_until_ns) {
        end_session(core, true);
    }
}

static void note_down(struct core *core, enum permit_status status,
                      const char *text)
{
    if (status == PERMIT_E_DISCONNECTED && core->goaway_text[0] != '\0') {
        text = core->goaway_text;
    }
    core->down_status = status;
    (void)snprintf(core->down_text, sizeof(core->down_text), "%s", text);
}

static void break_line(struct core *core, enum permit_status status,
                       const char *text)
{
    core->state = CORE_STATE_BROKEN;
    note_down(core, status, text);
    drop_pings(core);
    lose_line(core, status);
}

void core_break(struct core *core, enum permit_status status, const char *text)
{
    if (core->state != CORE_STATE_DOWN && core->state != CORE_STATE_BROKEN) {
        break_line(core, status, text);
    }
}

void core_break_silent(struct core *core, const char *text)
{
    core->is_silent = core->was_welcome;
    break_line(core, PERMIT_E_DISCONNECTED, text);
}

void core_end(struct core *core, enum permit_status status, const char *text)
{
    core_break(core, status, text);
    if (core->session.id != 0) { /* Its line is down, and it was to go on. */
        note_down(core, status, text);
        end_session(core, true);
    }
}

/* -------------------------------------------------------------------- time */

void core_advance(struct core *core, int64_t now_ns)
{
    if (now_ns > core->now_ns) {
        core->now_ns = now_ns;
    }
}

/* When the answer to a Ping is late, by as much as a third of the session
 * timeout, and nothing else came. */
static int64_t silent_at(const struct core *core)
{
    return core_add_ns(core->unheard_ns, core->timeout_ns / PINGS_PER_TIMEOUT);
}

static int64_t ping_at(const struct core *core)
{
    return core_add_ns(core->ping_sent_ns, core->ping_interval_ns);
}

int64_t core_line_due(const struct core *core)
{
    int64_t due_ns = core->is_believed ? core->believed_until_ns : CORE_NEVER;

    if (core->state == CORE_STATE_OPENING) {
        due_ns = min_ns(due_ns, core->welcome_by_ns);
    } else if (core->state == CORE_STATE_READY) {
        due_ns = min_ns(due_ns, min_ns(silent_at(core), ping_at(core)));
    }
    return due_ns;
}

/* What the session's grants are lost by, they are lost by in the walk. */
void core_take_line_due(struct core *core)
{
    bool is_over = core->is_believed && core->now_ns >= core->believed_until_ns;

    core_walk(core, CORE_WALK_DUE);
    core->is_believed = core->is_believed && !is_over;
    if (is_over && core->state == CORE_STATE_DOWN) {
        end_session(core, true);
    } else if (core->state == CORE_STATE_OPENING &&
               core->now_ns >= core->welcome_by_ns) {
        core_break(core, PERMIT_E_DISCONNECTED, "no answer to Hello in time");
    } else if (core->state == CORE_STATE_READY &&
               (is_over || core->now_ns >= silent_at(core))) {
        core_break_silent(core, "the server was silent for too long");
    } else if (core->state == CORE_STATE_READY &&
               core->now_ns >= ping_at(core)) {
        core_ping(core);
    }
}

/* ------------------------------------------------------------------ Welcome
 */

/* One of the grants that the server has for the session. Returns false if it
 * makes no sense. */
static bool take_row(struct core *core, const struct wire_live_grant *row)
{
    struct held_grant *grant = core_find_grant(core, row->acquire_id);

    if (row->acquire_id == 0 || row->acquire_id >= core->next_id ||
        row->grant_id == 0) {
        return false;
    }
    if (grant == NULL) { /* Nobody knows it any more. */
        if (core_find_request(core, row->acquire_id) != NULL ||
            core->requests_count > 2 * CORE_REQUESTS_MAX) {
            return false;
        }
        core_release_silently(core, row->acquire_id);
        return true;
    }
    if (grant->is_listed ||
        (grant->is_granted && grant->grant_id != row->grant_id)) {
        return false;
    }
    grant->is_listed = true;
    return true;
}

static void take_rows(struct core *core, const struct wire_live_grants *page)
{
    bool is_sound = core->pages++ < PAGES_MAX;

    for (uint32_t i = 0; is_sound && i < page->count; i++) {
        is_sound = take_row(core, &page->rows[i]);
    }
    if (!is_sound) {
        core_break(core, PERMIT_E_PROTOCOL,
                   "the grants that the server lists are not ours");
    } else if (!page->more && core->state == CORE_STATE_LISTING) {
        core->state = CORE_STATE_SETTLING;
        core_walk(core, CORE_WALK_RESUMED);
    }
}

static void resume(struct core *core, const struct wire_live_grants *page)
{
    core->state = CORE_STATE_LISTING;
    core->pages = 0;
    core->repeats_below = core->next_id;
    for (struct id_entry *entry = core->grants.first; entry != NULL;
         entry = entry->next) {
        grant_of(entry)->is_listed = false;
    }
    take_rows(core, page);
}

/* What the former session had is lost before this one is believed in. */
static void replace(struct core *core)
{
    core->is_believed = false;
    core->alive_ns = 0;
    core->state = CORE_STATE_SETTLING;
    (void)snprintf(core->down_text, sizeof(core->down_text),
                   "the server does not know the session any more");
    core_walk(core, CORE_WALK_REPLACED);
}

static bool is_sound_welcome(const struct core *core)
{
    const struct wire_welcome *welcome = &core->message.welcome;

    return core->message.id == core->hello_id && welcome->session_id != 0 &&
           welcome->heartbeat_ms > 0 &&
           core_ns_from_ms(welcome->session_timeout_ms) >= PINGS_PER_TIMEOUT &&
           welcome->resumed == (welcome->session_id == core->session.id);
}

static void take_welcome(struct core *core)
{
    const struct wire_welcome *welcome = &core->message.welcome;

    if (!is_sound_welcome(core)) {
        core_break(core, PERMIT_E_PROTOCOL, "the server's Welcome is broken");
        return;
    }
    core->was_welcome = true;
    core->session.id = welcome->session_id;
    memcpy(core->session.secret, welcome->secret, WIRE_SECRET_BYTES);
    core->former.id = 0;
    core->timeout_ns = core_ns_from_ms(welcome->session_timeout_ms);
    core->linger_ns = core_ns_from_ms(welcome->linger_ms);
    core->ping_interval_ns = min_ns(core_ns_from_ms(welcome->heartbeat_ms),
                                    core->timeout_ns / PINGS_PER_TIMEOUT);
    if (core->heartbeat_ms > 0) {
        core->ping_interval_ns =
            min_ns(core->ping_interval_ns, core_ns_from_ms(core->heartbeat_ms));
    }
    core->counters.reconnects_total += core->had_session && !welcome->resumed;
    core->had_session = true;
    if (welcome->resumed) {
        resume(core, &welcome->grants);
    } else {
        replace(core);
    }
}

/* A Hello that the server was slow to answer proves little: then a Ping does.
 */
void core_settle(struct core *core)
{
    core->state = CORE_STATE_READY;
    core->ping_sent_ns = core->hello_sent_ns;
    core_alive(core, core->hello_sent_ns);
    core_fall_due(core, core_line_due(core));
}

void core_take_opening(struct core *core)
{
    const struct wire_server_message *message = &core->message;

    if (core->state == CORE_STATE_OPENING && message->type == WIRE_WELCOME) {
        take_welcome(core);
    } else if (core->state == CORE_STATE_LISTING &&
               message->type == WIRE_GRANTS && message->id == core->hello_id) {
        take_rows(core, &message->grants);
    } else if (core->state == CORE_STATE_OPENING &&
               message->type == WIRE_REFUSED && message->id == core->hello_id) {
        core_break(core, message->refused.reason,
                   message->refused.detail[0] != '\0'
                       ? message->refused.detail
                       : permit_strerror(message->refused.reason));
    } else {
        core_break(core, PERMIT_E_PROTOCOL,
                   "the server did not answer Hello first");
    }
}

static const char *goaway_name(enum wire_goaway_reason reason)
{
    switch (reason) {
#define X(name, value, text)                                                   \
    case name:                                                                 \
        return text;
        WIRE_GOAWAY_MAP(X)
#undef X
    }
    return "unknown";
}

void core_note_goaway(struct core *core)
{
    core->goaway = core->message.goaway.reason;
    core->retry_after_ms = core->message.goaway.retry_after_ms;
    (void)snprintf(core->goaway_text, sizeof(core->goaway_text),
                   "the server said goodbye (%s)%s%s",
                   goaway_name(core->goaway),
                   core->message.goaway.detail[0] == '\0' ? "" : ": ",
                   core->message.goaway.detail);
}

/* ------------------------------------------------------------------ asking
 */

static bool is_stale(const struct core *core)
{
    return core->is_believed && core->now_ns >= core->believed_until_ns;
}

bool core_has_line(const struct core *core)
{
    return core->state == CORE_STATE_READY;
}

bool core_is_open(const struct core *core)
{
    switch (core->state) {
    case CORE_STATE_OPENING:
    case CORE_STATE_LISTING:
        return true;
    case CORE_STATE_READY:
    case CORE_STATE_DOWN:
    case CORE_STATE_BROKEN:
        return core->session.id != 0 && !is_stale(core);
    case CORE_STATE_SETTLING:
        break;
    }
    return false;
}

bool core_is_down(const struct core *core)
{
    return core->state == CORE_STATE_DOWN && core->walk == CORE_WALK_NONE;
}

bool core_wants_line(const struct core *core)
{
    return core_is_down(core) && core->session.id != 0;
}

int64_t core_believed_until(const struct core *core)
{
    return core->is_believed ? core->believed_until_ns : 0;
}

uint64_t core_session_id(const struct core *core)
{
    return core->session.id;
}

int64_t core_session_timeout_ns(const struct core *core)
{
    return core->timeout_ns;
}

bool core_session_key(const struct core *core,
                      struct permit_session_key *ret_key)
{
    if (core->session.id != 0) {
        *ret_key = core->session;
    }
    return core->session.id != 0;
}

int64_t core_heartbeat_ns(const struct core *core)
{
    return core->ping_interval_ns;
}
