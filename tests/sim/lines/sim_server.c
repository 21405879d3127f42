/* SPDX-License-Identifier: MIT */
#include "sim_server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "ledger.h"
#include "sim_server_private.h"

#define FAREWELL_MS 1000
#define START_NS STAGE_MS /* CLOCK_MONOTONIC is never 0. */

/* -------------------------------------------------------------------- store
 */

static enum permit_status put(struct store *store,
                              const struct engine_record *records, size_t count)
{
    struct sim_server *server = (struct sim_server *)store;

    for (size_t i = 0; i < count; i++) {
        server->durable_seq = records[i].seq;
        server->options.on_record(server->options.arg, &records[i]);
    }
    return PERMIT_OK;
}

static bool is_busy(const struct store *store)
{
    (void)store;
    return false;
}

static uint64_t durable_seq(const struct store *store)
{
    return ((const struct sim_server *)store)->durable_seq;
}

/* -------------------------------------------------------- create and destroy
 */

static uint8_t secrets_made;

static enum permit_status not_random(void *bytes, size_t length)
{
    memset(bytes, ++secrets_made, length);
    return PERMIT_OK;
}

static void define_all(struct sim_server *server)
{
    for (uint32_t i = 0; i < SEMAPHORES; i++) {
        struct engine_event event = {.type = ENGINE_DEFINE,
                                     .now_ns = server->now_ns};
        struct engine_definition *definition = &event.define.definition;

        event.define.semaphore = semaphore_names[i];
        definition->fields =
            ENGINE_FIELD_KIND | ENGINE_FIELD_PERMITS | ENGINE_FIELD_HOLD;
        definition->kind =
            i == SEMAPHORE_COUNTING ? ENGINE_COUNTING : ENGINE_BOUNDED;
        definition->permits = semaphore_permits[i];
        definition->hold_ms =
            i == SEMAPHORE_WITH_CAP ? server->options.session_timeout_ms : 0;
        sessions_apply(server->sessions, &event);
    }
}

static bool create_parts(struct sim_server *server)
{
    static const struct engine_limits limits = {.max_sessions = 256,
                                                .max_semaphores = 16,
                                                .max_waiters = 1024,
                                                .max_grants = 1024,
                                                .max_lost = 256,
                                                .max_waiters_per_session = 128,
                                                .max_grants_per_session = 128};
    static const uint8_t secret[ENGINE_HASH_SECRET_BYTES] = {1, 2, 3};
    struct sessions_options options = {
        .limits = &server->limits,
        .boot_id = "boot",
        .server = "permitd/sim",
        .heartbeat_ms = server->options.session_timeout_ms / 3,
        .session_timeout_ms = server->options.session_timeout_ms,
        .linger_max_ms = server->options.linger_max_ms,
        .grace_ms = 1000,
        .random = not_random};

    server->engine = engine_create(&limits, 1000, secret);
    server->gate = gate_create(&server->store);
    options.engine = server->engine;
    options.gate = server->gate;
    server->sessions = server->engine == NULL || server->gate == NULL
                           ? NULL
                           : sessions_create(&options);
    return server->sessions != NULL;
}

struct sim_server *sim_server_create(const struct sim_server_options *options)
{
    static const struct session_limits limits = SESSION_LIMITS_DEFAULT;
    struct sim_server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        return NULL;
    }
    secrets_made = 0;
    server->store.put = put;
    server->store.is_busy = is_busy;
    server->store.durable_seq = durable_seq;
    server->options = *options;
    server->stage = options->stage;
    server->limits = limits;
    server->limits.max_connections = 16;
    server->limits.max_in_flight = options->in_flight_max;
    server->limits.max_output_buffer = OUT_BYTES / 2;
    server->now_ns = clock_look(&server->clock,
                                (uint64_t)(server->stage->now_ns + START_NS));
    if (!create_parts(server)) {
        sim_server_destroy(server);
        return NULL;
    }
    define_all(server);
    return server;
}

/* A closed line is its client's, or nobody's. */
static void give_line(struct link *link)
{
    line_close(link->line, LINE_SERVER);
    if (line_is_closed(link->line)) {
        line_destroy(link->line);
    }
}

static void destroy(struct link *link)
{
    gate_forget(link->server->gate, link->id);
    DL_DELETE(link->server->links, link);
    give_line(link);
    free(link);
}

void sim_server_destroy(struct sim_server *server)
{
    if (server == NULL) {
        return;
    }
    while (server->links != NULL) {
        while (sessions_have_work(server->sessions)) {
            sessions_continue(server->sessions);
        }
        if (server->links->session != NULL) {
            session_disconnect(server->links->session,
                               SESSION_DISCONNECT_BY_CLIENT, server->now_ns);
        }
        destroy(server->links);
    }
    while (server->sessions != NULL && sessions_have_work(server->sessions)) {
        sessions_continue(server->sessions);
    }
    sessions_destroy(server->sessions);
    gate_destroy(server->gate);
    engine_destroy(server->engine);
    free(server);
}

/* -------------------------------------------------------------------- input
 */

void sim_server_accept(struct sim_server *server, struct line *line)
{
    struct link *link = calloc(1, sizeof(*link));

    if (link != NULL) {
        link->session =
            session_create(server->sessions, ++server->last_id, "sim");
    }
    if (link == NULL || link->session == NULL) {
        abort();
    }
    link->server = server;
    link->line = line;
    link->id = server->last_id;
    link->how = SESSION_DISCONNECT_BY_SERVER;
    link->deadline_ns =
        server->now_ns + server->limits.hello_timeout_ms * (uint64_t)STAGE_MS;
    link->slow_ns = UINT64_MAX;
    DL_APPEND(server->links, link);
}

/* ------------------------------------------------------------------- output
 */

static struct link *find(const struct sim_server *server, uint64_t id)
{
    struct link *link;

    DL_FOREACH(server->links, link)
    {
        if (link->id == id) {
            break;
        }
    }
    return link;
}

static bool is_drained(const struct link *link)
{
    return link->out_length == 0 && !gate_holds(link->server->gate, link->id);
}

static bool can_push(void *arg, uint64_t connection_id)
{
    const struct link *link = find(arg, connection_id);

    return link != NULL && is_drained(link);
}

/* --------------------------------------------------------------------- ends
 */

static void end_sessions(struct sim_server *server)
{
    struct link *link;

    DL_FOREACH(server->links, link)
    {
        if (sessions_have_work(server->sessions)) {
            return;
        }
        if (link->is_closing && link->session != NULL && link->is_at_end &&
            !link->is_pending) {
            struct session *session = link->session;

            if (session_get_stage(session) == SESSION_STAGE_CLOSING) {
                link->how = SESSION_DISCONNECT_BY_SERVER;
            }
            stage_note(server->stage, "   server: line %d of session %d %s",
                       (int)link->id, (int)session_get_id(session),
                       link->how == SESSION_DISCONNECT_BY_CLIENT ? "ends"
                                                                 : "is closed");
            link->session = NULL;
            if (link->is_dead) {
                session_cut(session, sim_link_written(link));
            }
            session_disconnect(session, link->how, server->now_ns);
        }
    }
}

static void finish(struct sim_server *server)
{
    struct link *link;
    struct link *next;

    DL_FOREACH_SAFE(server->links, link, next)
    {
        bool is_done = link->is_dead || is_drained(link);

        if (!link->is_closing || !is_done) {
            continue;
        }
        if (link->session == NULL) {
            destroy(link);
        } else if (!link->is_at_end && !link->is_shut) {
            link->is_shut = true;
            line_shut(link->line, LINE_SERVER);
            link->deadline_ns =
                server->now_ns + FAREWELL_MS * (uint64_t)STAGE_MS;
        }
    }
}

static void take_due(struct sim_server *server)
{
    struct engine_event tick = {.type = ENGINE_TICK, .now_ns = server->now_ns};
    struct link *link;

    if (!sessions_have_work(server->sessions) &&
        engine_next_deadline(server->engine) <= server->now_ns) {
        sessions_apply(server->sessions, &tick);
    }
    DL_FOREACH(server->links, link)
    {
        if (!link->is_at_end && (link->deadline_ns <= server->now_ns ||
                                 link->slow_ns <= server->now_ns)) {
            sim_link_end(link);
        }
    }
}

/* --------------------------------------------------------------------- turn
 */

static void look(struct sim_server *server)
{
    server->turn_ns = server->stage->now_ns;
    server->now_ns =
        clock_look(&server->clock, (uint64_t)(server->turn_ns + START_NS));
    server->clock.polls_due = 0; /* Every line is read in this turn. */
}

void sim_server_turn(struct sim_server *server)
{
    struct gate_chunk chunk;
    struct link *link;
    uint64_t id;

    look(server);
    server->wants_turn = false;
    DL_FOREACH(server->links, link)
    {
        sim_link_read(link);
        sim_link_write(link);
    }
    take_due(server);
    sessions_push_waiting(server->sessions, server->now_ns, can_push, server);
    if (sessions_have_work(server->sessions)) {
        sessions_continue(server->sessions);
    }
    DL_FOREACH(server->links, link)
    {
        if (link->is_pending && !sessions_have_work(server->sessions)) {
            sim_link_feed(link);
        }
    }
    while (sessions_next_closing(server->sessions, &id)) {
        link = find(server, id);
        if (link != NULL) {
            link->is_closing = true;
        }
    }
    end_sessions(server);
    (void)gate_flush(server->gate);
    while (gate_next(server->gate, &chunk)) {
        server->wants_turn = server->wants_turn || chunk.answers > 0;
        link = find(server, chunk.connection_id);
        if (link != NULL) {
            sim_link_deliver(link, &chunk);
        }
    }
    finish(server);
    server->wants_turn =
        server->wants_turn || sessions_have_work(server->sessions);
}

static int64_t min_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* When its clock will show that, unless it pauses. */
static int64_t when_ns(const struct sim_server *server, uint64_t at_ns)
{
    return at_ns > (uint64_t)STAGE_NEVER / 2
               ? STAGE_NEVER
               : (int64_t)(at_ns + server->clock.paused_ns) - START_NS;
}

int64_t sim_server_wake_ns(const struct sim_server *server)
{
    int64_t wake_ns = server->turn_ns + CLOCK_LOOK_MS * STAGE_MS;
    const struct link *link;

    if (server->wants_turn) {
        return server->stage->now_ns;
    }
    wake_ns =
        min_ns(wake_ns, when_ns(server, engine_next_deadline(server->engine)));
    wake_ns =
        min_ns(wake_ns, when_ns(server, sessions_waiting_due(server->sessions,
                                                             server->now_ns)));
    DL_FOREACH(server->links, link)
    {
        if (!link->is_at_end && link->in_length < IN_BYTES) {
            wake_ns = min_ns(wake_ns, line_next_ns(link->line, LINE_SERVER));
        }
        if (link->out_length > 0 && !link->is_dead &&
            line_has_room(link->line, LINE_SERVER)) {
            wake_ns = min_ns(wake_ns, server->stage->now_ns);
        }
    }
    return wake_ns;
}

const struct engine *sim_server_engine(const struct sim_server *server)
{
    return sessions_have_work(server->sessions) ? NULL : server->engine;
}
