/* SPDX-License-Identifier: MIT */
#ifndef TRANSPORT_H
#define TRANSPORT_H

/* Bytes over a connected socket, and who waits for an eventfd. It knows nothing
 * of the protocol.
 *
 * Law: it never blocks, and no write raises a signal. */

#include <stddef.h>
#include <sys/types.h>

/* Return the bytes read or written; 0 when none can be now; -errno, with
 * -ECONNRESET where the peer closed. */
ssize_t transport_read(int fd, void *bytes, size_t length);
ssize_t transport_write(int fd, const void *bytes, size_t length);

/* Makes an eventfd readable. It fails only if the counter is full: then it is
 * readable anyway. */
void transport_raise(int event_fd);

#endif
