/* SPDX-License-Identifier: MIT */
#ifndef ASYNC_REQUESTS_H
#define ASYNC_REQUESTS_H

/* How the non-blocking face asks: a part of async_private.h, for
 * async_requests.c, which asks for grants, and async_semaphores.c, which asks
 * for all else.
 *
 * Law: what is not asked has no callback, and its text is kept. */

#include "async_private.h"

/* Keeps the text. Returns status. */
enum permit_status async_refuse(struct permit_async *client,
                                enum permit_status status, const char *detail);

/* May it be asked at all? */
enum permit_status async_check(struct permit_async *client);

/* Returns NULL without memory; `name` is copied. */
struct async_request *async_request_create(struct permit_async *client,
                                           enum wire_client_type type,
                                           const char *name,
                                           permit_callback callback, void *arg);

/* Asks; takes ownership of the request, which may be NULL: no memory. */
enum permit_status async_ask(struct permit_async *client,
                             struct wire_client_message *message,
                             struct async_request *request, int64_t wait_ms,
                             uint64_t *ret_id);

#endif
