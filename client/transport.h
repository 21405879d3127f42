/* SPDX-License-Identifier: MIT */
#ifndef TRANSPORT_H
#define TRANSPORT_H

/* Bytes over a connected socket, and who waits for an eventfd. It knows nothing
 * of the protocol.
 *
 * Law: it never blocks, and no write raises a signal. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Return the bytes read or written; 0 when none can be now; -errno, with
 * -ECONNRESET where the peer closed. */
ssize_t transport_read(int fd, void *bytes, size_t length);
ssize_t transport_write(int fd, const void *bytes, size_t length);

/* Has the kernel look after a TCP line, and give it up when nothing was
 * acknowledged for a session timeout: not before the server does, and not
 * before nobody believes any more in what a silent line held. The line works
 * without it. */
void transport_set_timeout(int fd, int64_t session_timeout_ns);

/* Makes an eventfd readable. It fails only if the counter is full: then it is
 * readable anyway. */
void transport_raise(int event_fd);

#endif
