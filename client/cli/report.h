/* SPDX-License-Identifier: MIT */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

/* What `permit` says on stderr, and its connection, which fails with words. */

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "options.h"
#include "permit/permit.h"

/* Says what went wrong: a sentence, or with --json one object with `reason`.
 * The text is escaped. */
void report_error(const struct options *options, const char *reason,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Says what a call's status means, unless it is PERMIT_OK; `client` (may be
 * NULL) has more to say of failures. Returns the exit code. */
int report_status(const struct options *options, struct permit_client *client,
                  enum permit_status status);

/* The same, of an acquire; also what is in its way, and after how long it makes
 * sense to try again. */
int report_refused(const struct options *options, struct permit_client *client,
                   enum permit_status status,
                   const struct permit_refusal *refusal);

/* Says something on stderr that is no error; not with -q, --json, and only
 * with -v if `verbose`. */
void report_note(const struct options *options, bool verbose,
                 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Prints an object to stdout, on one line, and frees it. Returns the exit code;
 * a NULL object says that memory lacked. */
int report_json(const struct options *options, cJSON *object);

/* Connects. Returns PERMIT_OK with *ret_client, the caller's; or a failure, and
 * text says why. */
enum permit_status report_try_connect(const struct options *options,
                                      int64_t timeout_ms,
                                      struct permit_client **ret_client,
                                      char *text, size_t text_bytes);

/* The same; says why by itself, and then the caller exits with the status's
 * code. */
enum permit_status report_connect(const struct options *options,
                                  struct permit_client **ret_client);

#endif
