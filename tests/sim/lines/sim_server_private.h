/* SPDX-License-Identifier: MIT */
#ifndef SIM_SERVER_PRIVATE_H
#define SIM_SERVER_PRIVATE_H

/* What sim_server.c, the turns, and sim_link.c, a connection, share. */

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "frame.h"
#include "gate.h"
#include "session.h"
#include "sim_server.h"
#include "store/store.h"

#define IN_BYTES (FRAME_HEADER_BYTES + FRAME_BYTES_MAX)
#define OUT_BYTES 65536u

/* A connection. */
struct link {
    struct sim_server *server;
    struct line *line;
    struct session *session; /* NULL: it was told of the end. */
    uint64_t id;
    uint8_t in[IN_BYTES];
    size_t in_length;
    uint8_t out[OUT_BYTES];
    size_t out_length;
    uint64_t out_total; /* Of all output, what left the gate. */
    bool is_pending;
    bool is_closing;
    bool is_at_end;
    bool is_dead;
    bool is_shut;
    enum session_disconnect how;
    uint64_t deadline_ns; /* For Hello, a frame, or the farewell. */
    bool is_frame_begun;
    uint64_t slow_ns; /* Unsent output makes no progress. */
    struct link *next;
    struct link *prev;
};

struct sim_server {
    struct store store; /* First: it is the store, too. */
    uint64_t durable_seq;
    struct sim_server_options options;
    struct stage *stage;
    struct session_limits limits;
    struct clock clock;
    uint64_t now_ns; /* By that clock. */
    struct engine *engine;
    struct gate *gate;
    struct sessions *sessions;
    struct link *links;
    uint64_t last_id;
    bool wants_turn;
    int64_t turn_ns; /* Of the last turn. */
};

/* Its session is told in this turn or the next, and nobody else. */
void sim_link_end(struct link *link);

void sim_link_read(struct link *link);

/* Obeys what came. */
void sim_link_feed(struct link *link);

void sim_link_write(struct link *link);
void sim_link_deliver(struct link *link, const struct gate_chunk *chunk);

/* Of all output, what the line has. */
uint64_t sim_link_written(const struct link *link);

#endif
