/* SPDX-License-Identifier: MIT */
#ifndef TESTS_DAEMON_H
#define TESTS_DAEMON_H

/* A permitd of a test's own: on a free port, ready when daemon_start() returns,
 * gone after daemon_stop(). PERMITD_BIN in the environment says which. It has
 * no configuration and no HTTP. */

#include <sys/types.h>

struct daemon {
    pid_t pid;
    char server[128]; /* For permit_options.server. */
};

void daemon_start(struct daemon *daemon);

/* On the port of one that was stopped before. */
void daemon_restart(struct daemon *daemon);

/* By SIGTERM; it must exit with 0. */
void daemon_stop(struct daemon *daemon);

/* By SIGKILL. */
void daemon_kill(struct daemon *daemon);

/* Descriptors that this process has open. */
size_t open_fds(void);

#endif
