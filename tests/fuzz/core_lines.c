/* SPDX-License-Identifier: MIT */
/* A session over several lines: what a server may say of it, and what the core
 * may say on each. */
#include "core_run.h"

#include <assert.h>
#include <string.h>

#include "frame.h"
#include "wire.h"

static uint8_t frame_bytes[FRAME_HEADER_BYTES + FRAME_BYTES_MAX];
static uint8_t said[4 * WIRE_REQUEST_BYTES_MAX];

/* ------------------------------------------------------------ what it says */

static void check_message(struct run *run,
                          const struct wire_client_message *message)
{
    assert(message->status == PERMIT_OK && message->id > 0);
    if (message->id < IDS) {
        assert(run->put_on[message->id] != run->line);
        run->put_on[message->id] = run->line;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        assert(!run->slots[i].is_pending ||
               run->slots[i].id >= message->answered_below);
    }
}

void check_said(struct run *run, const uint8_t *bytes, size_t length)
{
    static _Alignas(16) uint8_t memory[WIRE_ARENA_BYTES];
    struct wire_client_message message;
    struct frame frame;
    size_t at = 0;
    int64_t used = 1;

    assert(length <= sizeof(said) - run->said_bytes);
    memcpy(said + run->said_bytes, bytes, length);
    run->said_bytes += length;
    if (!run->has_greeted && run->said_bytes >= FRAME_PREFACE_BYTES) {
        assert(memcmp(said, frame_preface, FRAME_PREFACE_BYTES) == 0);
        run->has_greeted = true;
        at = FRAME_PREFACE_BYTES;
    }
    while (run->has_greeted && used > 0) {
        struct wire_arena arena = {.bytes = memory, .capacity = sizeof(memory)};

        used = frame_parse(said + at, run->said_bytes - at, FRAME_BYTES_MAX,
                           &frame);
        assert(used >= 0);
        if (used > 0) {
            assert(wire_decode_client(frame.message, frame.message_bytes,
                                      &arena, &message) == PERMIT_OK);
            check_message(run, &message);
            at += (size_t)used;
        }
    }
    run->said_bytes -= at;
    memmove(said, said + at, run->said_bytes);
}

/* -------------------------------------------------------- what it is told */

static void say(struct run *run, const struct wire_server_message *message)
{
    size_t length =
        wire_encode_server(message, frame_bytes, sizeof(frame_bytes));

    assert(length > 0);
    if (!run->is_greeted) {
        run->is_greeted = true;
        feed(run, frame_preface, FRAME_PREFACE_BYTES);
    }
    feed(run, frame_bytes, length);
}

/* Some of what there may be, or what nobody ever asked for. */
static struct wire_live_grants some_grants(struct run *run)
{
    static struct wire_live_grant rows[SLOTS];
    struct wire_live_grants grants = {.rows = rows};
    uint8_t how = next_byte(run);
    uint8_t first = next_byte(run);

    for (size_t i = 0; i < SLOTS; i++) {
        const struct slot *slot = &run->slots[i];
        bool is_wrong = how > 240 && i == how - 240u;
        bool is_listed = slot->id != 0 && (slot->grant == HOLDS ||
                                           (slot->is_pending && how % 3 == 0));

        if ((is_listed && (first >> i % 8) % 2 == 0) || is_wrong) {
            rows[grants.count++] = (struct wire_live_grant){
                .acquire_id = is_wrong ? next_byte(run) : slot->id,
                .grant_id = slot->id + 1000 + (is_wrong ? how % 2 : 0),
                .fence = 1};
        }
    }
    grants.more = how % 5 == 0;
    return grants;
}

static void say_welcome(struct run *run, bool is_resumed)
{
    struct wire_server_message message = {.id = run->hello_id,
                                          .type = WIRE_WELCOME};
    struct wire_welcome *welcome = &message.welcome;

    welcome->resumed = is_resumed && core_session_id(run->core) != 0;
    welcome->session_id =
        welcome->resumed ? core_session_id(run->core) : 1000 + run->line;
    welcome->boot_id = "";
    welcome->server = "";
    welcome->heartbeat_ms = 1000 + next_byte(run);
    welcome->session_timeout_ms = 1000 * (1 + next_byte(run) % 16);
    welcome->linger_ms = 10000 * (next_byte(run) % 4);
    if (welcome->resumed) {
        welcome->grants = some_grants(run);
    }
    if (welcome->session_timeout_ms > run->timeout_ms) {
        run->timeout_ms = welcome->session_timeout_ms;
    }
    if (welcome->linger_ms > run->linger_ms) {
        run->linger_ms = welcome->linger_ms;
    }
    say(run, &message);
}

static void say_grants(struct run *run)
{
    const struct wire_server_message message = {
        .id = run->hello_id, .type = WIRE_GRANTS, .grants = some_grants(run)};

    say(run, &message);
}

static void say_goaway(struct run *run)
{
    struct wire_server_message message = {.type = WIRE_GOAWAY};

    message.goaway.reason =
        (enum wire_goaway_reason)(1 + next_byte(run) % WIRE_GOAWAY_PROTOCOL);
    message.goaway.retry_after_ms = next_byte(run);
    message.goaway.detail = "";
    say(run, &message);
}

/* ---------------------------------------------------------------- steps */

/* Nobody says anything. */
static void be_silent(struct run *run)
{
    for (int left = 1 + next_byte(run) % 8; left > 0; left--) {
        int64_t due_ns = core_next_deadline(run->core);

        if (due_ns > run->now_ns && due_ns < CORE_NEVER / 4) {
            run->now_ns = due_ns;
        }
        drain(run);
    }
}

static void send_all(struct run *run)
{
    const uint8_t *output;
    size_t length;

    core_advance(run->core, run->now_ns);
    for (output = core_output(run->core, &length); length > 0;
         output = core_output(run->core, &length)) {
        length =
            length < WIRE_REQUEST_BYTES_MAX ? length : WIRE_REQUEST_BYTES_MAX;
        check_said(run, output, length);
        core_sent(run->core, length);
    }
}

void step_line(struct run *run)
{
    switch (next_byte(run) % 8) {
    case 0:
    case 1:
        say_welcome(run, true);
        break;
    case 2:
        say_welcome(run, false);
        break;
    case 3:
        say_grants(run);
        break;
    case 4:
        be_silent(run);
        break;
    case 5:
        say_goaway(run);
        break;
    case 6:
        core_break(run->core, PERMIT_E_DISCONNECTED, "cut");
        drain(run);
        open_line(run);
        break;
    default:
        send_all(run);
        break;
    }
}
