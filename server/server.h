/* SPDX-License-Identifier: MIT */
#ifndef SERVER_H
#define SERVER_H

/* The daemon as a whole: one loop over listeners, connections, timers and
 * signals, around one engine and its store.
 *
 * It decides nothing about permits. Law: after everything that a turn of the
 * loop read, the gate is flushed once, and one timer is armed for whatever is
 * due next. */

#include "config.h"

#define SERVER_NAME "permitd"
#define SERVER_VERSION "0.1.0"
#define SERVER_ERROR_BYTES 256

struct server;

/* Why server_run() came back, as the daemon's exit code. */
enum server_exit {
    SERVER_EXIT_STOPPED = 0,  /* SIGTERM, or drained. */
    SERVER_EXIT_ADDRESS = 69, /* An address is not to be had. */
    SERVER_EXIT_SYSTEM = 71,  /* No memory, or no randomness. */
    SERVER_EXIT_STORE = 74,   /* The store has failed. */
    SERVER_EXIT_CONFIG = 78
};

/* Makes a server that listens. Takes *config over, also when it fails; flags
 * are borrowed for reloads. Returns SERVER_EXIT_STOPPED and sets *ret_server,
 * or another code and a sentence in error. */
enum server_exit server_create(struct config *config,
                               const struct config_flags *flags,
                               struct server **ret_server,
                               char error[SERVER_ERROR_BYTES]);

/* Writes a line for each address to fd, protocol first, then HTTP:
 * "permit 127.0.0.1:7417"; and closes it. */
void server_tell_ready(struct server *server, int fd);

/* Serves until a signal ends it. */
enum server_exit server_run(struct server *server);

/* Accepts NULL. */
void server_destroy(struct server *server);

#endif
