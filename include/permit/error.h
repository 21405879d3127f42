/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_ERROR_H
#define PERMIT_ERROR_H

/* The one list of statuses of permitd: what a call of the library returns, what
 * a refusal on the wire means, and the reason that JSON, metrics and logs name.
 *
 * It says what happened, never how grave it is: a refused acquire is an
 * outcome, a dead socket a failure, and both are a status.
 *
 * Law: down to -21 a status is minus the number of the wire's Reason; from -64
 * on the library says it by itself. Above 0 it is no failure, but not what
 * PERMIT_OK says either. Numbers are never reused. */

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(status, value, name in JSON and metrics, text for people) */
#define PERMIT_ERROR_MAP(X)                                                    \
    X(PERMIT_E_WOULD_BLOCK, -1, "would_block",                                 \
      "a try that lacks a permit or has somebody before it")                   \
    X(PERMIT_E_TIMEOUT, -2, "timeout", "the wait ended without a grant")       \
    X(PERMIT_E_QUEUE_FULL, -3, "queue_full",                                   \
      "it would have to wait, and the queue is full")                          \
    X(PERMIT_E_RATE_LIMITED, -4, "rate_limited",                               \
      "a try that nothing but a rate refuses")                                 \
    X(PERMIT_E_IMPOSSIBLE, -5, "impossible",                                   \
      "more than the semaphore can ever give")                                 \
    X(PERMIT_E_PAUSED, -6, "paused", "a try on a paused semaphore")            \
    X(PERMIT_E_DRAINING, -7, "draining",                                       \
      "the daemon is draining: it grants nothing more")                        \
    X(PERMIT_E_RECOVERING, -8, "recovering",                                   \
      "the daemon has just started: former holders may still believe")         \
    X(PERMIT_E_LIMIT_MISMATCH, -9, "limit_mismatch",                           \
      "the semaphore has another limit than the caller expects")               \
    X(PERMIT_E_NOT_FOUND, -10, "not_found",                                    \
      "no such semaphore, grant or session")                                   \
    X(PERMIT_E_DENIED, -11, "denied",                                          \
      "the credentials are wrong or do not allow it")                          \
    X(PERMIT_E_CANCELLED, -12, "cancelled", "cancelled by its own session")    \
    X(PERMIT_E_NOT_HELD, -13, "not_held", "the session has no such grant")     \
    X(PERMIT_E_OVER_RELEASE, -14, "over_release",                              \
      "more than the grant holds: nothing was given back")                     \
    X(PERMIT_E_OVERFLOW, -15, "overflow",                                      \
      "the value would pass 2147483647: nothing was added")                    \
    X(PERMIT_E_EXPIRED, -16, "expired",                                        \
      "the grant was lost before: its section was unprotected")                \
    X(PERMIT_E_CONFLICT, -17, "conflict",                                      \
      "grants are out, or the request id was used with another body")          \
    X(PERMIT_E_INVALID, -18, "invalid", "the request makes no sense")          \
    X(PERMIT_E_TOO_MANY, -19, "too_many", "a quota is used up")                \
    X(PERMIT_E_UNSUPPORTED, -20, "unsupported",                                \
      "this daemon does not serve that")                                       \
    X(PERMIT_E_UNAVAILABLE, -21, "unavailable",                                \
      "the daemon's store or memory fails")                                    \
    X(PERMIT_E_NOMEM, -64, "nomem", "out of memory")                           \
    X(PERMIT_E_PROTOCOL, -65, "protocol", "the peer broke the protocol")       \
    X(PERMIT_E_DISCONNECTED, -66, "disconnected", "no connection")             \
    X(PERMIT_E_NO_ANSWER, -67, "no_answer",                                    \
      "no answer came in time: what may still come is given back")             \
    X(PERMIT_E_OUTCOME_UNKNOWN, -68, "outcome_unknown",                        \
      "the session was lost under way: it may have happened or not")           \
    X(PERMIT_E_VERSION, -69, "version",                                        \
      "the peer speaks another version of the protocol")                       \
    X(PERMIT_E_TLS, -70, "tls", "the TLS handshake or a certificate failed")   \
    X(PERMIT_E_FORKED, -71, "forked", "the handle belongs to the parent")      \
    X(PERMIT_E_CLOSED, -72, "closed", "the handle is closed")                  \
    X(PERMIT_E_LOST, -73, "lost", "the grant is lost")

enum permit_status {
    PERMIT_OK = 0,
    PERMIT_JOINED = 1, /* Of an acquire with `join`: a holder's outcome came
                        * instead of a grant. */
#define X(name, value, json, text) name = value,
    PERMIT_ERROR_MAP(X)
#undef X
};

/* Why a grant was lost. A newer daemon may say a number that is none of these,
 * which permit_loss_name() calls "unknown": it is lost all the same.
 * X(loss, value on the wire, name in JSON, text) */
#define PERMIT_LOSS_MAP(X)                                                     \
    X(PERMIT_LOSS_HOLD, 1, "hold", "its hold is over")                         \
    X(PERMIT_LOSS_SESSION, 2, "session", "its session ended")                  \
    X(PERMIT_LOSS_REVOKED, 3, "revoked", "an operator revoked it")             \
    X(PERMIT_LOSS_KICKED, 4, "kicked", "an operator kicked its session")       \
    X(PERMIT_LOSS_DELETED, 5, "deleted", "its semaphore was deleted")

enum permit_loss {
#define X(name, value, json, text) name = value,
    PERMIT_LOSS_MAP(X)
#undef X
};
#define PERMIT_LOSS_COUNT 5

#if defined(__GNUC__)
#define PERMIT_API __attribute__((visibility("default")))
#else
#define PERMIT_API
#endif

/* Returns a sentence without a full stop, for people: "the wait ended without a
 * grant"; "ok" for PERMIT_OK, "a holder's outcome answered it" for
 * PERMIT_JOINED, "unknown status" for a number that is none. The string is
 * constant. */
PERMIT_API const char *permit_strerror(enum permit_status status);

/* Returns the status' own name, "PERMIT_E_TIMEOUT", or "PERMIT_E_UNKNOWN". */
PERMIT_API const char *permit_status_name(enum permit_status status);

/* Returns the reason as JSON, metrics and logs name it, "timeout", or
 * "unknown". */
PERMIT_API const char *permit_status_reason(enum permit_status status);

/* Returns the loss as JSON, metrics and logs name it, "hold", or "unknown". */
PERMIT_API const char *permit_loss_name(enum permit_loss loss);

/* Nothing happened, and the same request may succeed later although nobody
 * corrects anything: true for what passes by itself (permits that are out, a
 * daemon that drains or is away). False for what makes no sense or is not
 * there, for what the caller wanted (PERMIT_E_CANCELLED), and where it may have
 * happened (PERMIT_E_OUTCOME_UNKNOWN; PERMIT_E_NO_ANSWER too, though an acquire
 * may then be asked again, for the library gives back what still comes). */
PERMIT_API bool permit_status_is_retriable(enum permit_status status);

#ifdef __cplusplus
}
#endif

#endif
