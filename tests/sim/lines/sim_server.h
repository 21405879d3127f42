/* SPDX-License-Identifier: MIT */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

/* The server's half over lines instead of sockets: the daemon's own clock, and
 * engine, gate and sessions, which are the real ones. It stands for
 * connection.c, connections.c and server.c, whose turns it has.
 *
 * Law: a turn reads every line, then lets time pass, then obeys. */

#include "engine/engine.h"
#include "line.h"
#include "stage.h"

struct sim_server;

struct sim_server_options {
    struct stage *stage;
    int64_t session_timeout_ms;
    int64_t linger_max_ms;
    uint32_t in_flight_max;
    void (*on_record)(void *arg, const struct engine_record *record);
    void *arg;
};

/* Returns NULL without memory. */
struct sim_server *sim_server_create(const struct sim_server_options *options);

/* Accepts NULL. */
void sim_server_destroy(struct sim_server *server);

/* A client has connected. */
void sim_server_accept(struct sim_server *server, struct line *line);

void sim_server_turn(struct sim_server *server);

/* When it has something to do. */
int64_t sim_server_wake_ns(const struct sim_server *server);

/* Its engine, when nothing is left to be done in it; else NULL. */
const struct engine *sim_server_engine(const struct sim_server *server);

#endif
