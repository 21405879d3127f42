/* SPDX-License-Identifier: MIT */
#include "conversation.h"

#include <assert.h>
#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "frame.h"

const uint8_t conversation_secret[WIRE_SECRET_BYTES] = "not so secret ..";

static enum permit_status not_random(void *bytes, size_t length)
{
    assert(length == sizeof(conversation_secret));
    memcpy(bytes, conversation_secret, length);
    return PERMIT_OK;
}

struct conversation *conversation_create(bool is_late,
                                         const struct session_limits *limits)
{
    static const struct session_limits limits_default = SESSION_LIMITS_DEFAULT;
    static const struct engine_limits engine_default = {
        .max_sessions = 100,
        .max_semaphores = 100,
        .max_semaphores_with_slots = 20,
        .max_semaphores_with_estimates = 20,
        .max_templated = 20,
        .max_templated_per_session = 10,
        .max_waiters = 20000,
        .max_grants = 20000,
        .max_lost = 100,
        .max_waiters_per_session = 1024,
        .max_grants_per_session = 20000};
    static const uint8_t secret[ENGINE_HASH_SECRET_BYTES] = {1, 2, 3};
    struct conversation *conversation = calloc(1, sizeof(*conversation));
    struct sessions_options options = {.boot_id = "boot",
                                       .server = "permitd/test",
                                       .heartbeat_ms = 5000,
                                       .session_timeout_ms = 15000,
                                       .linger_max_ms = 60000,
                                       .grace_ms = 5000,
                                       .random = not_random};

    if (conversation == NULL) {
        return NULL;
    }
    conversation->limits = limits == NULL ? limits_default : *limits;
    conversation->limits.max_connections = 16;
    conversation->engine_limits = engine_default;
    conversation->ids_rise = true;
    conversation->now_ns = 1000 * NS_PER_MS;
    fault_begin();
    conversation->engine =
        engine_create(&conversation->engine_limits, 1000, secret);
    if (is_late) {
        conversation->late = late_store_create();
    }
    conversation->store = !is_late ? store_memory_create()
                          : conversation->late == NULL
                              ? NULL
                              : late_store_as_store(conversation->late);
    if (conversation->store != NULL) {
        conversation->gate = gate_create(conversation->store);
    }
    options.engine = conversation->engine;
    options.gate = conversation->gate;
    options.limits = &conversation->limits;
    if (conversation->engine != NULL && conversation->gate != NULL) {
        conversation->sessions = sessions_create(&options);
    }
    fault_end();
    if (conversation->sessions == NULL) {
        conversation_destroy(conversation);
        return NULL;
    }
    return conversation;
}

void conversation_destroy(struct conversation *conversation)
{
    struct engine_totals totals;

    if (conversation->sessions != NULL) {
        for (int i = 1; i <= CLIENTS_MAX; i++) {
            if (conversation->clients[i] != NULL) {
                conversation_end(conversation, i, SESSION_DISCONNECT_BY_CLIENT);
            }
        }
        /* What was closed by the server ends by its silence. */
        conversation->length = 0;
        conversation_advance(conversation, 1000000);
        engine_get_totals(conversation->engine, &totals);
        ck_assert_uint_eq(totals.sessions, 0);
        ck_assert_uint_eq(totals.grants, 0);
        ck_assert_uint_eq(totals.waiters, 0);
    }
    sessions_destroy(conversation->sessions);
    gate_destroy(conversation->gate);
    if (conversation->store != NULL) {
        conversation->store->destroy(conversation->store);
    }
    engine_destroy(conversation->engine);
    free(conversation);
}

/* ---------------------------------------------------------------- transcript
 */

__attribute__((format(printf, 2, 3))) static void
add(struct conversation *conversation, const char *format, ...)
{
    size_t room = TRANSCRIPT_BYTES - conversation->length;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(conversation->transcript + conversation->length, room,
                       format, arguments);
    va_end(arguments);
    ck_assert(length >= 0 && (size_t)length < room);
    conversation->length += (size_t)length;
}

static const char *const goaway_names[] = {
#define X(name, value, text) [value] = (text),
    WIRE_GOAWAY_MAP(X)
#undef X
};

/* "[0,2-4]", if there are any. */
static void add_slots(struct conversation *conversation, const uint32_t *slots,
                      uint32_t count)
{
    uint32_t last;

    for (uint32_t i = 0; i < count; i = last + 1) {
        last = i;
        while (last + 1 < count && slots[last + 1] == slots[last] + 1) {
            last++;
        }
        add(conversation, "%s%" PRIu32, i == 0 ? "[" : ",", slots[i]);
        if (last > i) {
            add(conversation, "-%" PRIu32, slots[last]);
        }
    }
    add(conversation, "%s", count > 0 ? "]" : "");
}

static void add_grants(struct conversation *conversation,
                       const struct wire_live_grants *grants)
{
    if (grants->count > 4) {
        add(conversation, " %" PRIu32 " grants", grants->count);
    }
    for (uint32_t i = 0; grants->count <= 4 && i < grants->count; i++) {
        const struct wire_live_grant *row = &grants->rows[i];

        ck_assert_uint_eq(row->fence, row->grant_id);
        add(conversation, " #%" PRIu64, row->acquire_id);
        for (uint32_t j = 0; j < row->parts_count; j++) {
            add(conversation, "%c%s*%" PRIu32, j == 0 ? ':' : '+',
                row->parts[j].semaphore, row->parts[j].permits);
            add_slots(conversation, row->parts[j].slots,
                      row->parts[j].slots_count);
        }
    }
    if (grants->more) {
        add(conversation, " more");
    }
}

static void add_message(struct conversation *conversation, int number,
                        const struct wire_server_message *message)
{
    static const char *const names[] = {
        [WIRE_WELCOME] = "welcome", [WIRE_PONG] = "pong",
        [WIRE_GRANTED] = "granted", [WIRE_DONE] = "done",
        [WIRE_REFUSED] = "refused", [WIRE_CANCELLED] = "cancelled",
        [WIRE_POSTED] = "posted",   [WIRE_RENEWED] = "renewed",
        [WIRE_GRANTS] = "grants",   [WIRE_SEMAPHORE] = "semaphore",
        [WIRE_PAGE] = "page",       [WIRE_WAITING] = "waiting",
        [WIRE_LOST] = "lost",       [WIRE_GOAWAY] = "goaway",
        [WIRE_JOINED] = "joined",   [WIRE_SERVER_UNKNOWN] = "unknown"};

    add(conversation, "c%d #%" PRIu64 " %s", number, message->id,
        names[message->type]);
    if (message->type == WIRE_REFUSED) {
        add(conversation, " %s", permit_status_reason(message->refused.reason));
    } else if (message->type == WIRE_GRANTED) {
        for (uint32_t i = 0; i < message->granted.parts_count; i++) {
            add(conversation, " %s", message->granted.parts[i].semaphore);
            add_slots(conversation, message->granted.parts[i].slots,
                      message->granted.parts[i].slots_count);
        }
        if (message->granted.taken != 0) {
            add(conversation, " taken %" PRIx32, message->granted.taken);
        }
    } else if (message->type == WIRE_JOINED) {
        add(conversation, " %.*s", (int)message->joined.outcome.length,
            (const char *)message->joined.outcome.data);
    } else if (message->type == WIRE_WELCOME) {
        conversation->session_ids[number] = message->welcome.session_id;
        ck_assert_mem_eq(message->welcome.secret, conversation_secret,
                         sizeof(conversation_secret));
        add(conversation, "%s", message->welcome.resumed ? " resumed" : "");
        add_grants(conversation, &message->welcome.grants);
    } else if (message->type == WIRE_GRANTS) {
        add_grants(conversation, &message->grants);
    } else if (message->type == WIRE_RENEWED) {
        add(conversation, " %" PRId64, message->renewed.hold_ms);
    } else if (message->type == WIRE_POSTED) {
        add(conversation, " %" PRIu64, message->posted.available);
    } else if (message->type == WIRE_CANCELLED) {
        add(conversation, " %d", (int)message->cancelled);
    } else if (message->type == WIRE_LOST) {
        add(conversation, " %s", permit_loss_name(message->lost.reason));
    } else if (message->type == WIRE_GOAWAY) {
        add(conversation, " %s", goaway_names[message->goaway.reason]);
    } else if (message->type == WIRE_WAITING) {
        add(conversation, " %" PRIu64 " of %" PRIu64 " held %" PRIu64,
            message->waiting.position, message->waiting.queue_length,
            message->waiting.held);
    } else if (message->type == WIRE_PAGE) {
        add(conversation, " %" PRIu32 " of %" PRIu64, message->page.count,
            message->page.total);
    }
    add(conversation, "\n");
    if (message->type != WIRE_WAITING && message->type != WIRE_LOST &&
        message->type != WIRE_GOAWAY && message->type != WIRE_GRANTS) {
        conversation->answers[number]++;
        conversation->ids_rise = conversation->ids_rise &&
                                 message->id > conversation->last_id[number];
        conversation->last_id[number] = message->id;
    }
}

static void hear(struct conversation *conversation,
                 const struct gate_chunk *chunk)
{
    int number = (int)chunk->connection_id;
    uint32_t before = conversation->answers[number];
    size_t at = 0;

    if (conversation->is_plugged[number]) {
        if (conversation->clients[number] != NULL) {
            session_answered(conversation->clients[number], chunk, 1, 1);
        }
        return;
    }
    while (at < chunk->length) {
        struct wire_arena arena = {.bytes = conversation->arena,
                                   .capacity = sizeof(conversation->arena)};
        struct wire_server_message message;
        struct frame frame;
        int64_t used;

        if (frame_read_preface(chunk->bytes + at, chunk->length - at) > 0) {
            add(conversation, "c%d preface\n", number);
            at += FRAME_PREFACE_BYTES;
            continue;
        }
        used = frame_parse(chunk->bytes + at, chunk->length - at,
                           FRAME_BYTES_MAX, &frame);
        ck_assert_int_gt(used, 0);
        ck_assert_int_eq(wire_decode_server(frame.message, frame.message_bytes,
                                            &arena, &message),
                         PERMIT_OK);
        add_message(conversation, number, &message);
        at += (size_t)used;
    }
    ck_assert_uint_eq(conversation->answers[number] - before, chunk->answers);
    if (conversation->clients[number] != NULL) {
        session_answered(conversation->clients[number], chunk, 0, 1);
    }
}

static void finish_work(struct conversation *conversation)
{
    fault_begin();
    while (sessions_have_work(conversation->sessions)) {
        sessions_continue(conversation->sessions);
    }
    fault_end();
}

void conversation_turn(struct conversation *conversation)
{
    struct gate_chunk chunk;

    bool has_chunk;

    finish_work(conversation);
    fault_begin();
    (void)gate_flush(conversation->gate);
    fault_end();
    do {
        fault_begin();
        has_chunk = gate_next(conversation->gate, &chunk);
        fault_end();
        if (has_chunk) {
            hear(conversation, &chunk);
        }
    } while (has_chunk);
}

void conversation_advance(struct conversation *conversation, uint64_t ms)
{
    struct engine_event tick = {.type = ENGINE_TICK};

    conversation->now_ns += ms * NS_PER_MS;
    tick.now_ns = conversation->now_ns;
    finish_work(conversation);
    fault_begin();
    sessions_apply(conversation->sessions, &tick);
    fault_end();
    conversation_turn(conversation);
}

void conversation_expect(struct conversation *conversation,
                         const char *expected)
{
    conversation_turn(conversation);
    conversation->transcript[conversation->length] = '\0';
    ck_assert_str_eq(conversation->transcript, expected);
    conversation->length = 0;
}

/* ------------------------------------------------------------------- clients
 */

bool conversation_connect(struct conversation *conversation, int number)
{
    conversation->clients[number] =
        session_create(conversation->sessions, (uint64_t)number, "127.0.0.1:1");
    return conversation->clients[number] != NULL;
}

size_t conversation_say_bytes(struct conversation *conversation, int number,
                              const uint8_t *bytes, size_t length)
{
    /* A copy of its own, so that a sanitizer sees a read past it. */
    uint8_t *copy = malloc(length == 0 ? 1 : length);
    size_t used;

    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, bytes, length);
    fault_begin();
    session_heard(conversation->clients[number], conversation->now_ns);
    used = session_feed(conversation->clients[number], copy, length,
                        conversation->now_ns);
    fault_end();
    free(copy);
    return used;
}

size_t append_message(uint8_t *bytes, size_t length, size_t capacity,
                      const struct wire_client_message *message)
{
    size_t added =
        wire_encode_client(message, bytes + length, capacity - length);

    ck_assert_uint_gt(added, 0);
    return length + added;
}

void conversation_say(struct conversation *conversation, int number,
                      const struct wire_client_message *message)
{
    uint8_t bytes[8192];
    size_t length = append_message(bytes, 0, sizeof(bytes), message);

    (void)conversation_say_bytes(conversation, number, bytes, length);
}

bool conversation_hello(struct conversation *conversation, int number)
{
    return conversation_return(conversation, number, 0, 0, 0);
}

bool conversation_return(struct conversation *conversation, int number,
                         int64_t linger_ms, int resumed, int ended)
{
    struct wire_bytes secret = {conversation_secret,
                                sizeof(conversation_secret)};
    struct wire_hello hello = {
        .name = "name",
        .host = "host",
        .purpose = "purpose",
        .client = "client",
        .linger_ms = linger_ms,
        .has_resume = resumed != 0,
        .has_end = ended != 0,
        .resume = {conversation->session_ids[resumed], secret},
        .end = {conversation->session_ids[ended], secret}};

    return conversation_greet(conversation, number, &hello);
}

bool conversation_greet(struct conversation *conversation, int number,
                        const struct wire_hello *said)
{
    struct wire_client_message hello = {
        .id = 1, .type = WIRE_HELLO, .hello = *said};

    conversation->is_plugged[number] = false;
    conversation->last_id[number] = 0;
    if (!conversation_connect(conversation, number)) {
        return false;
    }
    (void)conversation_say_bytes(conversation, number, frame_preface,
                                 FRAME_PREFACE_BYTES);
    conversation_say(conversation, number, &hello);
    return true;
}

void conversation_plug(struct conversation *conversation, int number)
{
    conversation->is_plugged[number] = true;
}

void conversation_cut(struct conversation *conversation, int number,
                      enum session_disconnect how)
{
    finish_work(conversation);
    session_cut(conversation->clients[number], 1);
    conversation_end(conversation, number, how);
}

void conversation_end(struct conversation *conversation, int number,
                      enum session_disconnect how)
{
    struct session *session = conversation->clients[number];

    finish_work(conversation);
    conversation->clients[number] = NULL;
    fault_begin();
    session_disconnect(session, how, conversation->now_ns);
    fault_end();
    gate_forget(conversation->gate, (uint64_t)number);
}

void say_define(struct conversation *conversation, int number, uint64_t id,
                const char *semaphore, uint32_t permits)
{
    struct wire_client_message message = {.id = id, .type = WIRE_DEFINE};

    message.define.semaphore = semaphore;
    message.define.fields = WIRE_FIELD_PERMITS;
    message.define.permits = permits;
    conversation_say(conversation, number, &message);
}

void say_acquire(struct conversation *conversation, int number, uint64_t id,
                 const char *semaphore, uint32_t permits, int64_t wait_ms)
{
    struct wire_client_message message = {.id = id, .type = WIRE_ACQUIRE};

    message.acquire.parts[0].semaphore = semaphore;
    message.acquire.parts[0].permits = permits;
    message.acquire.parts_count = 1;
    message.acquire.wait_ms = wait_ms;
    conversation_say(conversation, number, &message);
}

void say_release(struct conversation *conversation, int number, uint64_t id,
                 uint64_t acquire_id)
{
    struct wire_client_message message = {.id = id, .type = WIRE_RELEASE};

    message.release.acquire_id = acquire_id;
    conversation_say(conversation, number, &message);
}
