/* SPDX-License-Identifier: MIT */
#ifndef CLI_STATUS_FD_H
#define CLI_STATUS_FD_H

/* --status-fd: what becomes of the permit of `permit run`, one JSON object a
 * line, for the program that has started it. `permit run --help` has the
 * fields.
 *
 * Law: it never waits and never ends the process: a line that does not fit, or
 * that nobody reads any more, is dropped whole. The command does not get the
 * descriptor. */

#include <stdint.h>

#include "permit/permit.h"

struct status_fd {
    int fd; /* Our own; -1: nobody wants to know, and nothing is written. */
    const char *semaphore;
    uint64_t grant_id;
    uint64_t fence;
    int64_t granted_at_ms;
};

/* Takes `fd` (-1: none) from the caller, and makes one of our own of it, closed
 * on exec. Returns 0 or a negative errno. The process is to ignore SIGPIPE. */
int status_fd_open(struct status_fd *status, int fd, const char *semaphore);

void status_fd_close(struct status_fd *status);

void status_fd_waiting(const struct status_fd *status,
                       const struct permit_waiting *waiting, int64_t waited_ms);
/* Grant is NULL if all was taken for good. */
void status_fd_granted(struct status_fd *status, struct permit_client *client,
                       const struct permit_grant *grant, uint32_t permits);
void status_fd_joined(const struct status_fd *status, size_t outcome_bytes);
void status_fd_lost(const struct status_fd *status, enum permit_loss loss);
void status_fd_released(const struct status_fd *status);

#endif
