/* SPDX-License-Identifier: MIT */
#ifndef CLI_EXIT_CODE_H
#define CLI_EXIT_CODE_H

/* How `permit` exits: one table from statuses to codes, and the codes that no
 * status has. */

#include <sysexits.h>

#include "permit/error.h"

#define EXIT_LOST 124        /* As timeout(1). */
#define EXIT_NOT_STARTED 125 /* After the grant, before exec. */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127
#define EXIT_SIGNAL 128 /* And the signal's number. */

/* X(status, exit code) */
#define EXIT_CODE_MAP(X)                                                       \
    X(PERMIT_OK, EX_OK)                                                        \
    X(PERMIT_JOINED, EX_OK)                                                    \
    X(PERMIT_E_INVALID, EX_USAGE)                                              \
    X(PERMIT_E_OVERFLOW, EX_USAGE)                                             \
    X(PERMIT_E_DRAINING, EX_UNAVAILABLE)                                       \
    X(PERMIT_E_RECOVERING, EX_UNAVAILABLE)                                     \
    X(PERMIT_E_UNAVAILABLE, EX_UNAVAILABLE)                                    \
    X(PERMIT_E_DISCONNECTED, EX_UNAVAILABLE)                                   \
    X(PERMIT_E_NO_ANSWER, EX_UNAVAILABLE)                                      \
    X(PERMIT_E_OVER_RELEASE, EX_SOFTWARE)                                      \
    X(PERMIT_E_NOMEM, EX_SOFTWARE)                                             \
    X(PERMIT_E_FORKED, EX_SOFTWARE)                                            \
    X(PERMIT_E_CLOSED, EX_SOFTWARE)                                            \
    X(PERMIT_E_OUTCOME_UNKNOWN, EX_IOERR)                                      \
    X(PERMIT_E_WOULD_BLOCK, EX_TEMPFAIL)                                       \
    X(PERMIT_E_TIMEOUT, EX_TEMPFAIL)                                           \
    X(PERMIT_E_QUEUE_FULL, EX_TEMPFAIL)                                        \
    X(PERMIT_E_RATE_LIMITED, EX_TEMPFAIL)                                      \
    X(PERMIT_E_PAUSED, EX_TEMPFAIL)                                            \
    X(PERMIT_E_CANCELLED, EX_TEMPFAIL)                                         \
    X(PERMIT_E_CONFLICT, EX_TEMPFAIL)                                          \
    X(PERMIT_E_TOO_MANY, EX_TEMPFAIL)                                          \
    X(PERMIT_E_UNSUPPORTED, EX_PROTOCOL)                                       \
    X(PERMIT_E_PROTOCOL, EX_PROTOCOL)                                          \
    X(PERMIT_E_VERSION, EX_PROTOCOL)                                           \
    X(PERMIT_E_DENIED, EX_NOPERM)                                              \
    X(PERMIT_E_TLS, EX_NOPERM)                                                 \
    X(PERMIT_E_IMPOSSIBLE, EX_CONFIG)                                          \
    X(PERMIT_E_LIMIT_MISMATCH, EX_CONFIG)                                      \
    X(PERMIT_E_NOT_FOUND, EX_CONFIG)                                           \
    X(PERMIT_E_NOT_HELD, EXIT_LOST)                                            \
    X(PERMIT_E_EXPIRED, EXIT_LOST)                                             \
    X(PERMIT_E_LOST, EXIT_LOST)

/* Returns the exit code of a status; EX_SOFTWARE for a number that is none. */
int exit_code_of(enum permit_status status);

#endif
