/* SPDX-License-Identifier: MIT */
#ifndef ASYNC_LOCAL_H
#define ASYNC_LOCAL_H

/* What the non-blocking face grants by itself while the daemon is away: a part
 * of async_private.h, and nobody else's.
 *
 * Law: nothing here calls back; whoever is to be told is kept for
 * async_tell_ended(). */

#include "async_private.h"

/* An id for what the core is not asked. */
uint64_t async_local_id(struct permit_async *client);

/* A request ended with `status`, or could not begin: if it is an acquire and
 * the daemon is away it goes on here, as the client's settings say, and is told
 * how it ended. Returns false if it does not. */
bool async_acquire_locally(struct permit_async *client,
                           struct async_request *request, uint64_t id,
                           enum permit_status status);

/* What waited here and has ended is to be told. */
void async_end_local_waits(struct permit_async *client);

/* Returns false if no such acquire waits here. */
bool async_cancel_locally(struct permit_async *client, uint64_t id);

/* Of a local grant that is not released; the request, if there is one, is told
 * how that went. */
void async_release_locally(struct permit_async *client,
                           struct permit_grant *grant,
                           const struct grant_given *given,
                           struct async_request *request);

/* Of a local grant, which has no hold. */
void async_renew_locally(struct permit_async *client,
                         struct async_request *request);

/* Nothing is granted or waits any more; nothing is to be asked after it. */
void async_close_local(struct permit_async *client);

#endif
