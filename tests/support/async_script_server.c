/* SPDX-License-Identifier: MIT */
#include "async_script.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"

#define SESSION_TIMEOUT_MS 15000

void async_script_accept(struct async_script *script)
{
    struct pollfd fd = {.fd = script->listener, .events = POLLIN};

    ck_assert_int_eq(script->line, -1);
    ck_assert_int_eq(poll(&fd, 1, TURN_MS), 1);
    script->line =
        accept4(script->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ck_assert_int_ge(script->line, 0);
}

static void note_heard(struct async_script *script,
                       const struct wire_client_message *message)
{
    static const char *const names[] = {
        [WIRE_HELLO] = "HELLO",   [WIRE_PING] = "PING",
        [WIRE_BYE] = "BYE",       [WIRE_ACQUIRE] = "ACQUIRE",
        [WIRE_CANCEL] = "CANCEL", [WIRE_RELEASE] = "RELEASE",
        [WIRE_POST] = "POST",     [WIRE_QUERY] = "QUERY",
        [WIRE_LIST] = "LIST",     [WIRE_DEFINE] = "DEFINE",
        [WIRE_DELETE] = "DELETE", [WIRE_RENEW] = "RENEW",
        [WIRE_VERIFY] = "VERIFY", [WIRE_SETTLE] = "SETTLE",
        [WIRE_WHY] = "WHY",       [WIRE_UNKNOWN] = "?"};
    uint64_t of = 0;
    bool has_outcome =
        message->type == WIRE_RELEASE && message->release.has_outcome;

    ck_assert_int_eq(message->status, PERMIT_OK);
    if (message->type == WIRE_RELEASE || message->type == WIRE_SETTLE) {
        of = message->release.acquire_id;
    } else if (message->type == WIRE_RENEW) {
        of = message->renew.acquire_id;
    } else if (message->type == WIRE_CANCEL) {
        of = message->cancel.acquire_id;
    } else if (message->type == WIRE_LIST) {
        of = message->list.offset;
    }
    async_script_note(script, "> %" PRIu64 " %s %" PRIu64 "%s%.*s", message->id,
                      names[message->type], of, has_outcome ? " " : "",
                      has_outcome ? (int)message->release.outcome.length : 0,
                      has_outcome ? (const char *)message->release.outcome.data
                                  : "");
}

void async_script_hear(struct async_script *script)
{
    static uint8_t bytes[1 << 20];
    static _Alignas(16) uint8_t room[WIRE_ARENA_BYTES];
    struct wire_arena arena = {.bytes = room, .capacity = sizeof(room)};
    struct wire_client_message message;
    struct frame frame;
    ssize_t length = recv(script->line, bytes, sizeof(bytes), 0);
    ssize_t from = 0;

    if (length >= 4 && bytes[0] == frame_preface[0]) {
        from = FRAME_PREFACE_BYTES;
    }
    while (from < length) {
        int64_t used = frame_parse(bytes + from, (size_t)(length - from),
                                   FRAME_BYTES_MAX, &frame);

        ck_assert_int_gt(used, 0);
        ck_assert_int_eq(wire_decode_client(frame.message, frame.message_bytes,
                                            &arena, &message),
                         PERMIT_OK);
        note_heard(script, &message);
        from += used;
    }
    if (length == 0) {
        async_script_note(script, "> end");
    }
}

void async_script_say_bytes(struct async_script *script, const uint8_t *bytes,
                            size_t length)
{
    async_script_run(script);
    while (length > 0) {
        size_t part = script->split == 0 || script->split > length
                          ? length
                          : script->split;

        if (send(script->line, bytes, part, MSG_NOSIGNAL) != (ssize_t)part) {
            return; /* The client has closed the line. */
        }
        bytes += part;
        length -= part;
        async_script_run(script);
    }
}

void async_script_say(struct async_script *script,
                      const struct wire_server_message *message)
{
    static uint8_t buffer[FRAME_HEADER_BYTES + FRAME_BYTES_MAX];
    size_t length = wire_encode_server(message, buffer, sizeof(buffer));

    ck_assert_uint_gt(length, 0);
    async_script_say_bytes(script, buffer, length);
}

void async_script_welcome(struct async_script *script, uint64_t hello_id)
{
    const struct wire_server_message message = {
        .id = hello_id,
        .type = WIRE_WELCOME,
        .welcome = {.session_id = 7,
                    .boot_id = "b",
                    .heartbeat_ms = SESSION_TIMEOUT_MS / 3,
                    .session_timeout_ms = SESSION_TIMEOUT_MS,
                    .server = "permitd/test"}};

    async_script_say_bytes(script, frame_preface, FRAME_PREFACE_BYTES);
    async_script_say(script, &message);
}

void async_script_granted(struct async_script *script, uint64_t id)
{
    const struct wire_server_message message = {
        .id = id,
        .type = WIRE_GRANTED,
        .granted = {.grant_id = 100 + id, .fence = 1}};

    async_script_say(script, &message);
}

void async_script_refused(struct async_script *script, uint64_t id,
                          enum permit_status reason)
{
    const struct wire_server_message message = {
        .id = id,
        .type = WIRE_REFUSED,
        .refused = {.reason = reason, .detail = "", .position = 3}};

    async_script_say(script, &message);
}

void async_script_say_type(struct async_script *script, uint64_t id,
                           enum wire_server_type type)
{
    static const struct permit_semaphore_info row = {.name = "jobs",
                                                     .kind = PERMIT_BOUNDED};
    struct wire_server_message message = {.id = id, .type = type};

    if (type == WIRE_GOAWAY) {
        message.goaway.reason = WIRE_GOAWAY_SHUTDOWN;
        message.goaway.detail = "";
    } else if (type == WIRE_CANCELLED) {
        message.cancelled = WIRE_CANCEL_CANCELLED;
    } else if (type == WIRE_SEMAPHORE) {
        message.semaphore = row;
    } else if (type == WIRE_WAITING) {
        message.waiting.position = 2;
    } else if (type == WIRE_PAGE) {
        message.page.kind = WIRE_LIST_SEMAPHORES;
        message.page.total = 1;
        message.page.count = 1;
        message.page.semaphores = &row;
    }
    async_script_say(script, &message);
}

void async_script_lost(struct async_script *script, uint64_t id,
                       enum permit_loss loss)
{
    const struct wire_server_message message = {
        .id = id, .type = WIRE_LOST, .lost = {100 + id, loss, 0}};

    async_script_say(script, &message);
}

void async_script_hang_up(struct async_script *script)
{
    if (script->line != -1) {
        (void)close(script->line);
        script->line = -1;
    }
}
