/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_ASK_H
#define CLIENT_ASK_H

/* From the library's requests to messages: what both faces check and fill in
 * before they ask the core; and from a refusal to what they hand out. It asks
 * nothing by itself.
 *
 * Law: what it refuses has a detail that says what to do; what it fills in
 * borrows the strings of the request. Functions return PERMIT_OK, or a status
 * with *ret_detail, a constant, set. */

#include "permit/request.h"
#include "wire.h"

/* Reads a request of whatever version: *ret_request has all the fields. */
enum permit_status ask_read_acquire(const struct permit_acquire_request *from,
                                    struct permit_acquire_request *ret_request,
                                    const char **ret_detail);

enum permit_status ask_acquire(const struct permit_acquire_request *request,
                               struct wire_client_message *ret_message,
                               const char **ret_detail);
/* Of the same request: would it be granted now? */
enum permit_status ask_why(const struct permit_acquire_request *request,
                           struct wire_client_message *ret_message,
                           const char **ret_detail);

/* The other way: what a refusal says, for the caller to keep. */
void ask_read_refusal(const struct wire_refused *from,
                      struct permit_refusal *ret_refusal);

enum permit_status ask_post(const char *semaphore, uint32_t permits,
                            struct wire_client_message *ret_message,
                            const char **ret_detail);
enum permit_status ask_renew(uint64_t acquire_id, int64_t hold_ms,
                             struct wire_client_message *ret_message,
                             const char **ret_detail);
/* Refuses nothing: the server knows the numbers. */
void ask_verify(uint64_t grant_id, uint64_t fence,
                struct wire_client_message *ret_message);
enum permit_status ask_define(const char *semaphore,
                              const struct permit_definition *definition,
                              struct wire_client_message *ret_message,
                              const char **ret_detail);
enum permit_status ask_delete(const char *semaphore, bool force,
                              struct wire_client_message *ret_message,
                              const char **ret_detail);
enum permit_status ask_query(const char *semaphore,
                             struct wire_client_message *ret_message,
                             const char **ret_detail);
enum permit_status ask_list(enum wire_list_kind kind, const char *name,
                            struct wire_client_message *ret_message,
                            const char **ret_detail);

#endif
