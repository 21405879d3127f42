/* SPDX-License-Identifier: MIT */
#include "sim_client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "memory.h"
#include "sim_client_private.h"

#define READS_MAX 16
#define CONNECT_TIMEOUT_MS 2000
#define RATE_PPM_MAX 80000 /* What 0.9 of a session timeout bears. */

int64_t sim_client_now_ns(const struct sim_client *client)
{
    int64_t now_ns = client->stage->now_ns;

    return now_ns + client->offset_ns + now_ns / 1000 * client->rate_ppm / 1000;
}

/* When its clock shows that: a little later, so that it does. */
static int64_t when_ns(const struct sim_client *client, int64_t at_ns)
{
    int64_t left_ns = at_ns - sim_client_now_ns(client);

    if (at_ns == CORE_NEVER) {
        return STAGE_NEVER;
    }
    if (left_ns <= 0) {
        return client->stage->now_ns;
    }
    return client->stage->now_ns +
           left_ns / 1000 * 1000000 / (1000000 + client->rate_ppm) * 1000 +
           2000;
}

/* -------------------------------------------------------- create and destroy
 */

static void be_born(struct sim_client *client)
{
    const struct core_options options = {.name = "sim",
                                         .host = "sim",
                                         .purpose = "",
                                         .answer_timeout_ms =
                                             client->options.session_timeout_ms,
                                         .linger_ms = client->options.linger_ms,
                                         .allocator = &memory_default};

    client->core = core_create(&options);
    if (client->core == NULL) {
        abort();
    }
    client->life = ledger_birth(client->ledger, client->options.number);
    client->belief_until_ns = 0;
    client->session_id = 0;
    client->open_ns = 0;
}

struct sim_client *sim_client_create(const struct sim_client_options *options)
{
    struct sim_client *client = calloc(1, sizeof(*client));

    if (client == NULL) {
        return NULL;
    }
    client->options = *options;
    client->stage = options->stage;
    client->ledger = options->ledger;
    client->connect_ns = STAGE_NEVER;
    client->offset_ns =
        STAGE_MS * random_below(&client->stage->random, 1000000);
    if (random_chance(&client->stage->random, 30)) {
        client->rate_ppm = (int64_t)random_below(&client->stage->random,
                                                 2 * RATE_PPM_MAX + 1) -
                           RATE_PPM_MAX;
    }
    be_born(client);
    sim_client_rest(client);
    return client;
}

static void close_line(struct line **line)
{
    if (*line != NULL) {
        line_close(*line, LINE_CLIENT);
        if (line_is_closed(*line)) {
            line_destroy(*line);
        }
        *line = NULL;
    }
}

void sim_client_destroy(struct sim_client *client)
{
    if (client != NULL) {
        close_line(&client->line);
        close_line(&client->silent_line);
        core_destroy(client->core);
        free(client);
    }
}

/* ------------------------------------------------------------------- events
 */

/* For so long what is lost may have been disturbed before. */
static bool is_disturbed(const struct sim_client *client)
{
    int64_t after_ms =
        2 * (client->options.session_timeout_ms + client->options.linger_ms) +
        5000;

    return client->stage->now_ns <
           client->disturbed_until_ns + after_ms * STAGE_MS;
}

static void take_down(struct sim_client *client, const struct core_event *event)
{
    stage_note(client->stage, "c%d: DOWN %s: %s%s", client->options.number,
               permit_status_reason(event->status), event->text,
               event->is_silent ? " (silent)" : "");
    if (!is_disturbed(client) && !client->is_hushed) {
        stage_fail(client->stage, "c%d: its line broke without a reason",
                   client->options.number);
    }
    if (event->status != PERMIT_E_DISCONNECTED) {
        stage_fail(client->stage, "c%d: its line broke: %s",
                   client->options.number, event->text);
    }
    if (strstr(event->text, "superseded") != NULL) {
        /* A Hello of its own that came late: then it is another's for it. */
        client->session_id = 0;
    }
    client->connect_ns = STAGE_NEVER;
    client->open_ns =
        client->stage->now_ns + stage_delay_ns(client->stage, 500);
    if (event->is_silent) {
        close_line(&client->silent_line);
        client->silent_line = client->line;
        client->line = NULL;
    }
    close_line(&client->line);
}

static void take_lost(struct sim_client *client, const struct core_event *event)
{
    struct asked *asked = event->arg;

    stage_note(client->stage, "c%d: #%" PRIu64 " LOST %s",
               client->options.number, asked->id,
               permit_loss_name(event->loss));
    if (!asked->is_answered || asked->status != PERMIT_OK || asked->is_lost ||
        asked->is_forgotten) {
        stage_fail(client->stage, "c%d: #%" PRIu64 " has nothing to lose",
                   client->options.number, asked->id);
    }
    if (event->loss == PERMIT_LOSS_SESSION && !is_disturbed(client) &&
        !client->is_hushed) {
        stage_fail(client->stage, "c%d: #%" PRIu64 " is lost without a reason",
                   client->options.number, asked->id);
    }
    if (event->loss == PERMIT_LOSS_HOLD &&
        sim_client_now_ns(client) < asked->until_ns) {
        stage_fail(client->stage, "c%d: #%" PRIu64 " is lost before its time",
                   client->options.number, asked->id);
    }
    asked->is_lost = true;
    asked->loss = event->loss;
}

/* A new session has ended the one before: nobody queues behind himself. */
static void take_ready(struct sim_client *client)
{
    const struct engine *engine = sim_server_engine(client->options.server);
    uint64_t session_id = core_session_id(client->core);
    struct engine_session_view view;

    stage_note(client->stage, "c%d: READY %" PRIu64, client->options.number,
               session_id);
    ledger_session(client->ledger, session_id, client->life);
    if (client->session_id != session_id && engine != NULL &&
        engine_view_session(engine, client->session_id, &view)) {
        stage_fail(client->stage, "c%d: its former session is still there",
                   client->options.number);
    }
    client->session_id = session_id;
    if (!client->is_hushed && random_chance(&client->stage->random, 40)) {
        client->act_ns = client->stage->now_ns; /* Before the first write. */
    }
}

static void take_event(struct sim_client *client,
                       const struct core_event *event)
{
    switch (event->type) {
    case CORE_EVENT_READY:
        take_ready(client);
        break;
    case CORE_EVENT_ANSWER:
        sim_client_take_answer(client, event);
        break;
    case CORE_EVENT_WAITING:
        if (((struct asked *)event->arg)->is_answered) {
            stage_fail(client->stage, "an answered acquire waits");
        }
        break;
    case CORE_EVENT_LOST:
        take_lost(client, event);
        break;
    case CORE_EVENT_DOWN:
        take_down(client, event);
        break;
    }
}

/* As io.c does: the belief is published before what it belongs to. */
static void drain(struct sim_client *client)
{
    struct core_event event;
    bool has_event = true;

    while (has_event && !client->stage->has_failed) {
        has_event = core_next_event(client->core, &event);
        client->belief_until_ns = core_believed_until(client->core);
        if (has_event) {
            take_event(client, &event);
        }
    }
    if (core_has_line(client->core) || core_session_id(client->core) == 0) {
        close_line(&client->silent_line);
    }
    if (core_next_deadline(client->core) <= sim_client_now_ns(client)) {
        stage_fail(client->stage, "c%d: it is called again at once, for ever",
                   client->options.number);
    }
}

/* --------------------------------------------------------------------- lines
 */

static void break_line(struct sim_client *client)
{
    core_break(client->core, PERMIT_E_DISCONNECTED, "the line broke");
    drain(client);
}

static void read_line(struct sim_client *client)
{
    uint8_t bytes[1024];
    enum line_end end = LINE_GOES_ON;
    size_t length = 1;

    for (int i = 0; i < READS_MAX && client->line != NULL && length > 0; i++) {
        size_t room = 1 + random_below(&client->stage->random, sizeof(bytes));
        size_t used = 0;

        length = line_read(client->line, LINE_CLIENT, bytes, room, &end);
        while (used < length) {
            used += core_feed(client->core, bytes + used, length - used);
            drain(client);
        }
        if (end != LINE_GOES_ON) {
            break_line(client);
            return;
        }
    }
}

static void write_line(struct sim_client *client)
{
    size_t length;
    const uint8_t *bytes = core_output(client->core, &length);
    int64_t written = 1;

    while (client->line != NULL && length > 0 && written > 0) {
        written = line_write(client->line, LINE_CLIENT, bytes, length);
        if (written > 0) {
            core_sent(client->core, (size_t)written);
            bytes = core_output(client->core, &length);
        }
    }
    if (written < 0) {
        read_line(client); /* What came before it broke. */
        break_line(client);
    }
}

void sim_client_open(struct sim_client *client)
{
    int64_t now_ns = sim_client_now_ns(client);

    stage_note(client->stage, "c%d: opens a line, session %" PRIu64,
               client->options.number, core_session_id(client->core));
    core_open(client->core, now_ns, now_ns + CONNECT_TIMEOUT_MS * STAGE_MS);
    client->connect_ns =
        client->stage->now_ns +
        stage_delay_ns(client->stage, client->options.delay_ms);
}

/* Goes on with connecting, if that is under way. */
static void connect_line(struct sim_client *client)
{
    const struct sim_client_options *options = &client->options;

    if (client->connect_ns > client->stage->now_ns) {
        return;
    }
    client->connect_ns = STAGE_NEVER;
    if (client->stage->now_ns < client->refused_until_ns) {
        core_break(client->core, PERMIT_E_DISCONNECTED, "refused");
        return;
    }
    client->line = line_create(client->stage, options->delay_ms, options->room);
    if (client->line == NULL) {
        abort();
    }
    line_stall(client->line, LINE_CLIENT, 0, client->deaf_until_ns);
    sim_server_accept(options->server, client->line);
}

/* --------------------------------------------------------------------- turns
 */

void sim_client_turn(struct sim_client *client)
{
    int64_t now_ns = client->stage->now_ns;

    if (client->core == NULL) {
        if (now_ns >= client->reborn_ns) {
            be_born(client);
        }
        return;
    }
    connect_line(client);
    core_advance(client->core, sim_client_now_ns(client));
    drain(client);
    read_line(client);
    if (now_ns >= client->act_ns) {
        sim_client_act(client);
        sim_client_rest(client);
    }
    write_line(client);
    if (core_wants_line(client->core) && client->open_ns <= now_ns) {
        sim_client_open(client);
    }
    sim_client_check_answers(client);
}

static int64_t min_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

int64_t sim_client_wake_ns(const struct sim_client *client)
{
    int64_t wake_ns = client->act_ns;
    size_t left;

    if (client->core == NULL) {
        wake_ns = client->reborn_ns;
    } else {
        wake_ns = min_ns(wake_ns, client->connect_ns);
        wake_ns =
            min_ns(wake_ns, when_ns(client, core_next_deadline(client->core)));
        if (core_wants_line(client->core)) {
            wake_ns = min_ns(wake_ns, client->open_ns);
        }
        (void)core_output(client->core, &left);
        if (client->line != NULL) {
            wake_ns = min_ns(wake_ns, line_next_ns(client->line, LINE_CLIENT));
        }
        if (client->line != NULL && left > 0 &&
            line_has_room(client->line, LINE_CLIENT)) {
            wake_ns = client->stage->now_ns;
        }
    }
    return wake_ns > client->paused_until_ns ? wake_ns
                                             : client->paused_until_ns;
}

/* -------------------------------------------------------------------- faults
 */

void sim_client_disturb(struct sim_client *client, int64_t until_ns)
{
    if (client->disturbed_until_ns < until_ns) {
        client->disturbed_until_ns = until_ns;
    }
}

void sim_client_pause(struct sim_client *client, int64_t until_ns)
{
    sim_client_disturb(client, until_ns);
    client->paused_until_ns = until_ns;
}

void sim_client_die(struct sim_client *client, bool is_silent,
                    int64_t reborn_ns)
{
    sim_client_disturb(client, reborn_ns);
    for (int i = 0; is_silent && i < 2; i++) {
        if (client->line != NULL) {
            line_stall(client->line, (enum line_side)i, 0, STAGE_NEVER);
        }
        if (client->silent_line != NULL) {
            line_stall(client->silent_line, (enum line_side)i, 0, STAGE_NEVER);
        }
    }
    close_line(&client->line);
    close_line(&client->silent_line);
    core_destroy(client->core);
    client->core = NULL;
    client->life = NULL;
    client->connect_ns = STAGE_NEVER;
    client->reborn_ns = reborn_ns;
    client->live_count = 0;
}

void sim_client_end(struct sim_client *client)
{
    if (client->core == NULL) {
        return;
    }
    sim_client_disturb(client, client->stage->now_ns);
    core_advance(client->core, sim_client_now_ns(client));
    core_end(client->core, PERMIT_E_DISCONNECTED, "ended");
    drain(client);
    if (!core_is_down(client->core) || core_session_id(client->core) != 0) {
        stage_fail(client->stage, "c%d: it goes on after its end",
                   client->options.number);
    }
    sim_client_check_ended(client);
}

void sim_client_refuse(struct sim_client *client, int64_t until_ns)
{
    sim_client_disturb(client, until_ns);
    client->refused_until_ns = until_ns;
}

void sim_client_deafen(struct sim_client *client, int64_t until_ns)
{
    sim_client_disturb(client, until_ns);
    client->deaf_until_ns = until_ns;
    if (client->line != NULL) {
        line_stall(client->line, LINE_CLIENT, 0, until_ns);
    }
}

struct line *sim_client_line(const struct sim_client *client)
{
    return client->line;
}

bool sim_client_goes_on(const struct sim_client *client)
{
    return client->silent_line != NULL && client->line != NULL;
}

bool sim_client_bears_forgery(const struct sim_client *client)
{
    return client->options.linger_ms >= client->options.session_timeout_ms;
}
