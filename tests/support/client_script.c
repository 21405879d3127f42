/* SPDX-License-Identifier: MIT */
#include "client_script.h"

#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "memory.h"

#define NS_PER_MS INT64_C(1000000)
#define ANSWER_TIMEOUT_MS 1000

__attribute__((format(printf, 2, 3))) static void
note(struct client_script *script, const char *format, ...)
{
    va_list arguments;
    size_t left = sizeof(script->transcript) - script->length;
    int bytes = snprintf(script->transcript + script->length, left,
                         "[%4" PRId64 "] ", script->now_ms);

    script->length += (size_t)bytes;
    left -= (size_t)bytes;
    va_start(arguments, format);
    bytes =
        vsnprintf(script->transcript + script->length, left, format, arguments);
    va_end(arguments);
    ck_assert_int_lt(bytes, (int)left - 1);
    script->length += (size_t)bytes;
    script->transcript[script->length++] = '\n';
    script->transcript[script->length] = '\0';
}

/* ------------------------------------------------------------ what was sent */

static const char *const type_names[] = {
    [WIRE_HELLO] = "HELLO",   [WIRE_PING] = "PING",
    [WIRE_BYE] = "BYE",       [WIRE_ACQUIRE] = "ACQUIRE",
    [WIRE_CANCEL] = "CANCEL", [WIRE_RELEASE] = "RELEASE",
    [WIRE_POST] = "POST",     [WIRE_QUERY] = "QUERY",
    [WIRE_LIST] = "LIST",     [WIRE_DEFINE] = "DEFINE",
    [WIRE_DELETE] = "DELETE", [WIRE_RENEW] = "RENEW",
    [WIRE_VERIFY] = "VERIFY", [WIRE_SETTLE] = "SETTLE",
    [WIRE_WHY] = "WHY",       [WIRE_UNKNOWN] = "?"};

static void note_sent(struct client_script *script,
                      const struct wire_client_message *message)
{
    const char *name = type_names[message->type];

    ck_assert_int_eq(message->status, PERMIT_OK);
    if (message->type == WIRE_HELLO) {
        script->hello_id = message->id;
    }
    if (script->shows_more && message->type == WIRE_ACQUIRE) {
        note(script, "> %" PRIu64 " ACQUIRE %" PRId64, message->id,
             message->acquire.wait_ms);
    } else if (script->shows_more && message->type == WIRE_HELLO) {
        note(script,
             "> %" PRIu64 " HELLO resume %" PRIu64 " end %" PRIu64
             " below %" PRIu64,
             message->id, message->hello.resume.id, message->hello.end.id,
             message->answered_below);
    } else if (message->type == WIRE_ACQUIRE) {
        note(script, "> %" PRIu64 " ACQUIRE %s", message->id,
             message->acquire.parts[0].semaphore);
    } else if (message->type == WIRE_RELEASE) {
        note(script, "> %" PRIu64 " RELEASE %" PRIu64 " %u", message->id,
             message->release.acquire_id,
             message->release.parts_count == 0
                 ? 0
                 : message->release.parts[0].permits);
    } else if (message->type == WIRE_CANCEL) {
        note(script, "> %" PRIu64 " CANCEL %" PRIu64, message->id,
             message->cancel.acquire_id);
    } else if (message->type == WIRE_POST) {
        note(script, "> %" PRIu64 " POST %s %u", message->id,
             message->post.semaphore, message->post.permits);
    } else {
        note(script, "> %" PRIu64 " %s", message->id, name);
    }
}

static void note_output(struct client_script *script)
{
    static _Alignas(16) uint8_t bytes[WIRE_ARENA_BYTES];
    struct wire_arena arena = {.bytes = bytes, .capacity = sizeof(bytes)};
    struct wire_client_message message;
    struct frame frame;
    size_t length;
    const uint8_t *output = core_output(script->core, &length);

    if (script->is_stuck || length == 0) {
        return;
    }
    if (output[0] == frame_preface[0]) {
        core_sent(script->core, FRAME_PREFACE_BYTES);
        output = core_output(script->core, &length);
    }
    while (length > 0) {
        int64_t used = frame_parse(output, length, FRAME_BYTES_MAX, &frame);

        ck_assert_int_gt(used, 0);
        ck_assert_int_eq(wire_decode_client(frame.message, frame.message_bytes,
                                            &arena, &message),
                         PERMIT_OK);
        note_sent(script, &message);
        core_sent(script->core, (size_t)used);
        output = core_output(script->core, &length);
    }
}

/* ------------------------------------------------------------ what happened */

static void note_event(struct client_script *script,
                       const struct core_event *event)
{
    const char *name = event->arg != NULL ? event->arg : "?";

    switch (event->type) {
    case CORE_EVENT_READY:
        note(script, "READY %" PRIu64, core_session_id(script->core));
        break;
    case CORE_EVENT_ANSWER:
        if (event->until_ns != CORE_NEVER) {
            note(script, "%s OK until %.3f", name,
                 (double)event->until_ns / (double)NS_PER_MS);
        } else {
            note(script, "%s %s", name, permit_status_reason(event->status));
        }
        break;
    case CORE_EVENT_WAITING:
        note(script, "%s waits, %" PRIu64, name,
             event->message->waiting.position);
        break;
    case CORE_EVENT_LOST:
        note(script, "%s LOST %s", name, permit_loss_name(event->loss));
        break;
    case CORE_EVENT_DOWN:
        note(script, "DOWN %s: %s%s", permit_status_reason(event->status),
             event->text, event->is_silent ? " (silent)" : "");
        break;
    }
}

void client_script_go_on(struct client_script *script)
{
    struct core_event event;

    core_advance(script->core, script->now_ms * NS_PER_MS);
    while (!script->is_deaf && core_next_event(script->core, &event)) {
        note_event(script, &event);
    }
    note_output(script);
}

void client_script_at(struct client_script *script, int64_t now_ms)
{
    script->now_ms = now_ms;
    client_script_go_on(script);
}

void client_script_expect(struct client_script *script, const char *expected)
{
    ck_assert_str_eq(script->transcript, expected);
    script->length = 0;
    script->transcript[0] = '\0';
}

/* --------------------------------------------------------- what the server
 * says
 */

void client_script_say_bytes(struct client_script *script, const uint8_t *bytes,
                             size_t length)
{
    while (length > 0) {
        size_t part = script->split == 0 || script->split > length
                          ? length
                          : script->split;
        size_t used = core_feed(script->core, bytes, part);

        ck_assert_uint_gt(used, 0);
        bytes += used;
        length -= used;
        client_script_go_on(script);
    }
}

void client_script_say(struct client_script *script,
                       const struct wire_server_message *message)
{
    static uint8_t buffer[FRAME_HEADER_BYTES + FRAME_BYTES_MAX];
    size_t length = wire_encode_server(message, buffer, sizeof(buffer));

    ck_assert_uint_gt(length, 0);
    client_script_say_bytes(script, buffer, length);
}

static struct wire_server_message welcome(const struct client_script *script,
                                          uint64_t hello_id)
{
    return (struct wire_server_message){
        .id = hello_id,
        .type = WIRE_WELCOME,
        .welcome = {.session_id = 7,
                    .boot_id = "b",
                    .heartbeat_ms = (int64_t)script->heartbeat_ms,
                    .session_timeout_ms = (int64_t)script->session_timeout_ms,
                    .linger_ms = script->linger_ms,
                    .server = "permitd/test"}};
}

void client_script_welcome(struct client_script *script)
{
    struct wire_server_message message = welcome(script, 1);

    client_script_say_bytes(script, frame_preface, FRAME_PREFACE_BYTES);
    client_script_say(script, &message);
}

void client_script_break(struct client_script *script)
{
    core_break(script->core, PERMIT_E_DISCONNECTED, "cut");
    client_script_go_on(script);
}

uint64_t client_script_reopen(struct client_script *script)
{
    core_open(script->core, script->now_ms * NS_PER_MS,
              (script->now_ms + ANSWER_TIMEOUT_MS) * NS_PER_MS);
    client_script_go_on(script);
    client_script_say_bytes(script, frame_preface, FRAME_PREFACE_BYTES);
    return script->hello_id;
}

static struct wire_live_grants list(const uint64_t *acquire_ids, uint32_t count,
                                    bool more)
{
    static const struct permit_part_info part = {.semaphore = "jobs",
                                                 .permits = 3};
    static struct wire_live_grant rows[WIRE_GRANTS_PARTS_MAX];

    for (uint32_t i = 0; i < count; i++) {
        rows[i] = (struct wire_live_grant){.acquire_id = acquire_ids[i],
                                           .grant_id = 100 + acquire_ids[i],
                                           .fence = 1,
                                           .parts = &part,
                                           .parts_count = 1};
    }
    return (struct wire_live_grants){
        .rows = rows, .count = count, .more = more};
}

void client_script_resumed(struct client_script *script, uint64_t hello_id,
                           const uint64_t *acquire_ids, uint32_t count,
                           bool more)
{
    struct wire_server_message message = welcome(script, hello_id);

    message.welcome.resumed = true;
    message.welcome.grants = list(acquire_ids, count, more);
    client_script_say(script, &message);
}

void client_script_grants(struct client_script *script, uint64_t hello_id,
                          const uint64_t *acquire_ids, uint32_t count,
                          bool more)
{
    client_script_say(script, &(const struct wire_server_message){
                                  .id = hello_id,
                                  .type = WIRE_GRANTS,
                                  .grants = list(acquire_ids, count, more)});
}

void client_script_replaced(struct client_script *script, uint64_t hello_id)
{
    struct wire_server_message message = welcome(script, hello_id);

    message.welcome.session_id = 9;
    client_script_say(script, &message);
}

void client_script_granted(struct client_script *script, uint64_t id,
                           int64_t waited_ms, int64_t hold_ms)
{
    const struct wire_server_message message = {
        .id = id,
        .type = WIRE_GRANTED,
        .granted = {.grant_id = 100 + id,
                    .fence = 1,
                    .waited_ms = waited_ms,
                    .hold_ms = hold_ms}};

    client_script_say(script, &message);
}

void client_script_refused(struct client_script *script, uint64_t id,
                           enum permit_status reason)
{
    const struct wire_server_message message = {
        .id = id,
        .type = WIRE_REFUSED,
        .refused = {.reason = reason, .detail = ""}};

    client_script_say(script, &message);
}

void client_script_say_type(struct client_script *script, uint64_t id,
                            enum wire_server_type type)
{
    struct wire_server_message message = {.id = id, .type = type};

    if (type == WIRE_GOAWAY) {
        message.goaway.reason = WIRE_GOAWAY_SHUTDOWN;
        message.goaway.detail = "";
    } else if (type == WIRE_CANCELLED) {
        message.cancelled = WIRE_CANCEL_NOT_FOUND;
    } else if (type == WIRE_SEMAPHORE) {
        message.semaphore.name = "jobs";
        message.semaphore.kind = PERMIT_BOUNDED;
    } else if (type == WIRE_WAITING) {
        message.waiting.position = 2;
    }
    client_script_say(script, &message);
}

void client_script_lost(struct client_script *script, uint64_t id,
                        uint64_t grant_id, enum permit_loss loss)
{
    const struct wire_server_message message = {
        .id = id, .type = WIRE_LOST, .lost = {grant_id, loss, 0}};

    client_script_say(script, &message);
}

void client_script_renewed(struct client_script *script, uint64_t id,
                           int64_t hold_ms)
{
    client_script_say(
        script,
        &(const struct wire_server_message){
            .id = id, .type = WIRE_RENEWED, .renewed = {.hold_ms = hold_ms}});
}

/* -------------------------------------------------------------- what is asked
 */

uint64_t client_script_ask_message(struct client_script *script,
                                   const char *name,
                                   struct wire_client_message *message,
                                   int64_t wait_ms)
{
    const struct core_request request = {
        .message = message,
        .answer_by_ns =
            wait_ms < 0
                ? CORE_NEVER
                : (script->now_ms + wait_ms + ANSWER_TIMEOUT_MS) * NS_PER_MS,
        .arg = (void *)(uintptr_t)name,
        .grant_arg = (void *)(uintptr_t)name};
    uint64_t id = 0;
    enum permit_status status = core_ask(script->core, &request, &id);

    if (status != PERMIT_OK) {
        note(script, "%s not asked: %s", name, permit_status_reason(status));
    }
    client_script_go_on(script);
    return id;
}

uint64_t client_script_acquire(struct client_script *script, const char *name,
                               int64_t wait_ms, int64_t hold_ms, bool consume)
{
    struct wire_client_message message = {
        .type = WIRE_ACQUIRE,
        .acquire = {
            .parts = {{.semaphore = "jobs", .permits = 3, .consume = consume}},
            .parts_count = 1,
            .wait_ms = wait_ms,
            .hold_ms = hold_ms}};

    return client_script_ask_message(script, name, &message, wait_ms);
}

uint64_t client_script_ask(struct client_script *script, const char *name,
                           enum wire_client_type type)
{
    struct wire_client_message message = {.type = type};

    if (type == WIRE_POST) {
        message.post.semaphore = "jobs";
        message.post.permits = 1;
    } else if (type == WIRE_QUERY) {
        message.query.semaphore = "jobs";
    } else if (type == WIRE_DEFINE) {
        message.define.semaphore = "jobs";
    } else if (type == WIRE_DELETE) {
        message.delete.semaphore = "jobs";
    } else if (type == WIRE_LIST) {
        message.list.kind = WIRE_LIST_SEMAPHORES;
        message.list.name = "";
    }
    return client_script_ask_message(script, name, &message, 0);
}

uint64_t client_script_renew(struct client_script *script, const char *name,
                             uint64_t acquire_id, int64_t hold_ms)
{
    struct wire_client_message message = {
        .type = WIRE_RENEW,
        .renew = {.acquire_id = acquire_id, .hold_ms = hold_ms}};

    return client_script_ask_message(script, name, &message, 0);
}

enum permit_status client_script_release(struct client_script *script,
                                         const char *name, uint64_t acquire_id,
                                         uint32_t permits)
{
    struct wire_client_message message = {
        .type = WIRE_RELEASE,
        .release = {.acquire_id = acquire_id,
                    .parts = {{.semaphore = "jobs", .permits = permits}},
                    .parts_count = permits > 0}};

    return client_script_give(script, name, &message);
}

enum permit_status client_script_give(struct client_script *script,
                                      const char *name,
                                      struct wire_client_message *message)
{
    const struct core_request request = {
        .message = message,
        .answer_by_ns = (script->now_ms + ANSWER_TIMEOUT_MS) * NS_PER_MS,
        .arg = (void *)(uintptr_t)name};
    enum permit_status status;
    uint64_t id;

    core_advance(script->core, script->now_ms * NS_PER_MS);
    status = core_release(script->core, &request, &id);
    client_script_go_on(script);
    return status;
}

/* ------------------------------------------------------------ start and stop
 */

static void start(struct client_script *script, int64_t linger_ms)
{
    const struct core_options options = {.name = "test",
                                         .host = "here",
                                         .purpose = "",
                                         .pid = 1,
                                         .answer_timeout_ms = ANSWER_TIMEOUT_MS,
                                         .linger_ms = linger_ms,
                                         .allocator = &memory_default};

    memset(script, 0, sizeof(*script));
    script->session_timeout_ms = 15000;
    script->heartbeat_ms = 5000;
    script->linger_ms = linger_ms;
    script->core = core_create(&options);
    ck_assert_ptr_nonnull(script->core);
    core_open(script->core, 0, ANSWER_TIMEOUT_MS * NS_PER_MS);
    client_script_go_on(script);
    client_script_expect(script, "[   0] > 1 HELLO\n");
}

void client_script_open(struct client_script *script)
{
    start(script, 0);
}

void client_script_start_lingering(struct client_script *script,
                                   int64_t linger_ms)
{
    start(script, linger_ms);
    client_script_welcome(script);
    client_script_expect(script, "[   0] READY 7\n");
    script->shows_more = true;
}

void client_script_start(struct client_script *script)
{
    client_script_start_lingering(script, 0);
    script->shows_more = false;
}

void client_script_stop(struct client_script *script)
{
    core_destroy(script->core);
}
