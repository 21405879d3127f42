/* SPDX-License-Identifier: MIT */
#ifndef TRANSPORT_H
#define TRANSPORT_H

/* Sockets: from an address as people write it to a connected descriptor, and
 * bytes over it. It knows nothing of the protocol.
 *
 * Law: no descriptor survives an exec, and no write raises a signal. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "permit/error.h"

/* Looks whether each address of a comma list makes sense: permit://HOST[:PORT],
 * HOST[:PORT], [V6]:PORT, unix:PATH, unix://PATH. Returns PERMIT_OK,
 * PERMIT_E_INVALID or PERMIT_E_UNSUPPORTED (permits://); then text says why. */
enum permit_status transport_check(const char *servers, char *text,
                                   size_t text_bytes);

/* Connects to the first address of the list that answers, until deadline_ns of
 * clock_now_ns(), which the addresses share. Returns PERMIT_OK, and the caller
 * owns *ret_fd, which does not block; or what transport_check() returns,
 * PERMIT_E_NOMEM or PERMIT_E_DISCONNECTED, and text names the last address and
 * what failed.
 *
 * A host's name is looked up by the system's resolver, which has its own idea
 * of how long that may take. */
enum permit_status transport_connect(const char *servers, int64_t deadline_ns,
                                     int *ret_fd, char *text,
                                     size_t text_bytes);

/* Return the bytes read or written; 0 when none can be now; -errno, with
 * -ECONNRESET where the peer closed. */
ssize_t transport_read(int fd, void *bytes, size_t length);
ssize_t transport_write(int fd, const void *bytes, size_t length);

#endif
