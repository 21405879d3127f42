/* SPDX-License-Identifier: MIT */
/* A connection, as connection.c is one. */
#include "sim_server_private.h"

#include <string.h>

#define READ_BYTES 4096u

void sim_link_end(struct link *link)
{
    link->is_at_end = true;
    link->is_dead = true;
    link->how = SESSION_DISCONNECT_BY_SERVER;
    link->is_pending = false;
    link->is_closing = true;
}

void sim_link_read(struct link *link)
{
    enum line_end end = LINE_GOES_ON;
    size_t room = IN_BYTES - link->in_length;
    size_t length;

    if (link->is_at_end) {
        return;
    }
    room = room < READ_BYTES ? room : READ_BYTES;
    length = room == 0 ? 0
                       : line_read(link->line, LINE_SERVER,
                                   link->in + link->in_length, room, &end);
    link->in_length += length;
    if (length > 0 && link->session != NULL) {
        session_heard(link->session, link->server->now_ns);
        link->is_pending = true;
    }
    if (end != LINE_GOES_ON) {
        link->is_at_end = true;
        link->is_closing = true;
        link->is_dead = end == LINE_RST;
        link->how = SESSION_DISCONNECT_BY_CLIENT;
    }
}

/* Is what is left a frame, so that it can go on without more bytes? */
static bool can_go_on(const struct link *link)
{
    enum session_stage stage = session_get_stage(link->session);
    struct frame frame;

    if (link->in_length == 0 || sessions_have_work(link->server->sessions)) {
        return link->in_length > 0;
    }
    return stage != SESSION_STAGE_PREFACE &&
           frame_parse(link->in, link->in_length,
                       stage == SESSION_STAGE_HELLO
                           ? FRAME_BYTES_MAX_BEFORE_WELCOME
                           : FRAME_BYTES_MAX,
                       &frame) != 0;
}

/* Hello, and a frame that has begun, have their time. */
static void watch_frame(struct link *link, bool used)
{
    struct sim_server *server = link->server;
    bool is_opening = session_get_stage(link->session) < SESSION_STAGE_READY;

    if (is_opening || link->is_shut) {
        return;
    }
    if (link->in_length == 0 || link->is_pending) {
        link->deadline_ns = UINT64_MAX;
        link->is_frame_begun = false;
    } else if (used || !link->is_frame_begun) {
        link->deadline_ns = server->now_ns + server->limits.frame_timeout_ms *
                                                 (uint64_t)STAGE_MS;
        link->is_frame_begun = true;
    }
}

void sim_link_feed(struct link *link)
{
    struct sim_server *server = link->server;
    bool is_high = link->out_length >=
                   server->limits.max_output_buffer / SESSION_FEED_SHARE;
    size_t used;

    link->is_pending = false;
    if (link->session == NULL) {
        link->in_length = 0;
        return;
    }
    used = link->in_length == 0 || is_high
               ? 0
               : session_feed(link->session, link->in, link->in_length,
                              server->now_ns);
    link->in_length -= used;
    memmove(link->in, link->in + used, link->in_length);
    link->is_pending = can_go_on(link);
    server->wants_turn = server->wants_turn || (used > 0 && link->is_pending);
    if (session_get_stage(link->session) == SESSION_STAGE_CLOSING) {
        link->is_closing = true;
    }
    watch_frame(link, used > 0);
}

/* ------------------------------------------------------------------- output
 */

uint64_t sim_link_written(const struct link *link)
{
    return link->out_total - link->out_length;
}

void sim_link_write(struct link *link)
{
    struct sim_server *server = link->server;
    int64_t sent;

    if (link->out_length == 0 || link->is_dead) {
        link->slow_ns = UINT64_MAX;
        return;
    }
    sent = line_write(link->line, LINE_SERVER, link->out, link->out_length);
    if (sent < 0) {
        link->is_at_end = true;
        link->is_dead = true;
        link->is_closing = true;
        link->how = SESSION_DISCONNECT_BY_CLIENT;
        return;
    }
    if (sent > 0 || link->slow_ns == UINT64_MAX) {
        link->slow_ns = server->now_ns + server->limits.slow_client_timeout_ms *
                                             (uint64_t)STAGE_MS;
    }
    link->out_length -= (size_t)sent;
    memmove(link->out, link->out + sent, link->out_length);
}

void sim_link_deliver(struct link *link, const struct gate_chunk *chunk)
{
    struct sim_server *server = link->server;
    uint64_t offset = link->out_total;

    if (link->is_dead) {
        if (link->session != NULL) {
            session_answered(link->session, chunk, UINT64_MAX, 0);
        }
        return;
    }
    if (chunk->length > OUT_BYTES - link->out_length) {
        sim_link_end(link);
        return;
    }
    memcpy(link->out + link->out_length, chunk->bytes, chunk->length);
    link->out_length += chunk->length;
    link->out_total += chunk->length;
    sim_link_write(link);
    if (link->session != NULL) {
        session_answered(link->session, chunk, offset, sim_link_written(link));
    }
    if (link->out_length > server->limits.max_output_buffer) {
        if (link->session != NULL) {
            session_goaway(link->session, WIRE_GOAWAY_SLOW_CONSUMER, 0, "");
        }
        sim_link_end(link);
    }
}
