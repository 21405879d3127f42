/* SPDX-License-Identifier: MIT */
#ifndef TRANSPORT_H
#define TRANSPORT_H

/* Bytes over a connected socket. It knows nothing of the protocol.
 *
 * Law: it never blocks, and no write raises a signal. */

#include <stddef.h>
#include <sys/types.h>

/* Return the bytes read or written; 0 when none can be now; -errno, with
 * -ECONNRESET where the peer closed. */
ssize_t transport_read(int fd, void *bytes, size_t length);
ssize_t transport_write(int fd, const void *bytes, size_t length);

#endif
