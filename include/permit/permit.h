/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_PERMIT_H
#define PERMIT_PERMIT_H

/* libpermit: permits of a permitd, from C and C++.
 *
 * A permit_client is one session with a daemon. Its calls block, may come from
 * any thread, and each returns a status; one thread of its own keeps the
 * session alive while the callers compute. It prints nothing, installs no
 * signal handler, keeps no global state and never ends its host's process.
 *
 * It does not make a lock correct by itself: a holder that is paused past its
 * session is not stopped. Give permit_grant_fence() to the resource, and let it
 * reject lower numbers.
 *
 * Law: a grant that is_valid() is this client's at the server; it stops being
 * so before the server gives its permits to another.
 *
 * Durations are milliseconds. Strings are NUL-terminated and borrowed for the
 * call unless it says otherwise. Every destroy function accepts NULL. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "permit/error.h"
#include "permit/info.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PERMIT_VERSION_STRING "0.1.0"
#define PERMIT_DEFAULT_SERVER "permit://127.0.0.1:7417"

struct permit_client;
struct permit_grant;
struct permit_list;

/* -------------------------------------------------------------------- client
 */

/* Start from PERMIT_OPTIONS_INIT: later versions add fields. */
struct permit_options {
    size_t struct_size;
    const char *server;  /* "permit://HOST[:7417]", "unix:///PATH" or HOST:PORT;
                          * NULL: $PERMIT_SERVER, else PERMIT_DEFAULT_SERVER. */
    const char *name;    /* Who; NULL: $PERMIT_CLIENT_NAME, else user@host:pid.
                          * At most 128 bytes, as purpose. */
    const char *purpose; /* What for; NULL: "". */
    int64_t connect_timeout_ms; /* 5,000. */
    int64_t answer_timeout_ms;  /* 5,000: beyond its wait, how long a call may
                                 * last. */
};
#define PERMIT_OPTIONS_INIT                                                    \
    {                                                                          \
        sizeof(struct permit_options), NULL, NULL, NULL, 5000, 5000            \
    }

/* Connects and says Hello; blocks for at most connect_timeout_ms in all.
 * `options` may be NULL. On PERMIT_OK the caller owns *ret_client; on anything
 * else it is untouched, and `error`, if not NULL, gets a text with the address
 * and what failed, cut to error_bytes.
 *
 * Looking up a host's name is the system's resolver's, whose time-outs are its
 * own: an address in numbers or a Unix socket keeps the time in any case.
 *
 * Failures: PERMIT_E_INVALID (an option makes no sense), PERMIT_E_UNSUPPORTED
 * (TLS), PERMIT_E_DISCONNECTED, PERMIT_E_VERSION, PERMIT_E_PROTOCOL,
 * PERMIT_E_DENIED, PERMIT_E_TOO_MANY, PERMIT_E_UNAVAILABLE, PERMIT_E_NOMEM. */
PERMIT_API enum permit_status
permit_client_create(const struct permit_options *options,
                     struct permit_client **ret_client, char *error,
                     size_t error_bytes);

/* Ends the session (Bye, at most a second for it), so everything that it holds
 * is given back, and frees the client. No other thread may be in a call of this
 * client. Grants must be destroyed before. */
PERMIT_API void permit_client_destroy(struct permit_client *client);

/* Copies the text of this client's last failure, with address and errno, to
 * text; "" if there was none. */
PERMIT_API void permit_client_last_error(struct permit_client *client,
                                         char *text, size_t text_bytes);

/* The session's id; 0 while there is none. */
PERMIT_API uint64_t permit_client_session_id(struct permit_client *client);

/* The connection's descriptor, or -1: for a guard process that keeps the line
 * open while this process is killed. Not to be read, written or closed. */
PERMIT_API int permit_client_fd(struct permit_client *client);

/* When the session's grants stop being valid unless the server answers again:
 * CLOCK_BOOTTIME in milliseconds; 0 when they already are not. */
PERMIT_API int64_t permit_client_deadline_ms(struct permit_client *client);

/* ------------------------------------------------------------------- acquire
 */

/* A waiter's place, given to permit_acquire_request.on_waiting. */
struct permit_waiting {
    uint64_t position; /* 1 is next. */
    uint64_t queue_length;
    uint64_t held;                           /* Permits out. */
    uint64_t permits;                        /* As defined. */
    const struct permit_client_info *oldest; /* Holder; NULL if none. */
    int64_t oldest_held_ms;
};

/* Start from PERMIT_ACQUIRE_REQUEST_INIT: later versions add fields. */
struct permit_acquire_request {
    size_t struct_size;
    const char *semaphore;
    uint32_t permits;        /* 1. */
    uint32_t expect_permits; /* 0: whatever its definition says. */
    int64_t wait_ms;         /* 0 tries, -1 (default) has no limit. */
    int64_t hold_ms;         /* 0 (default) has no limit. */
    bool consume;            /* From a COUNTING one, for good: no grant. */
    /* Called in the thread of the acquire, when it begins to wait and then at
     * most once a second. May be NULL. */
    void (*on_waiting)(void *arg, const struct permit_waiting *waiting);
    void *on_waiting_arg;
    /* Readable: the acquire is cancelled (a signal's eventfd, a pipe). -1:
     * none. */
    int cancel_fd;
};
#define PERMIT_ACQUIRE_REQUEST_INIT                                            \
    {                                                                          \
        sizeof(struct permit_acquire_request), NULL, 1, 0, -1, 0, false, NULL, \
            NULL, -1                                                           \
    }

/* Acquires all permits of *request or none. Returns at most the client's
 * answer_timeout_ms after wait_ms.
 *
 * On PERMIT_OK the caller owns *ret_grant, to be given back with
 * permit_grant_release() and freed with permit_grant_destroy(); it is NULL if
 * the request was to consume. On anything else it is untouched.
 *
 * Outcomes: PERMIT_E_WOULD_BLOCK, PERMIT_E_TIMEOUT, PERMIT_E_QUEUE_FULL,
 * PERMIT_E_IMPOSSIBLE, PERMIT_E_DRAINING, PERMIT_E_LIMIT_MISMATCH,
 * PERMIT_E_NOT_FOUND, PERMIT_E_CANCELLED (by cancel_fd), PERMIT_E_TOO_MANY,
 * PERMIT_E_INVALID. Failures: PERMIT_E_NO_ANSWER (what may still come is given
 * back), PERMIT_E_OUTCOME_UNKNOWN (the session was lost under way),
 * PERMIT_E_DISCONNECTED (nothing was asked), PERMIT_E_UNAVAILABLE,
 * PERMIT_E_NOMEM, PERMIT_E_FORKED. The client stays usable: the next call
 * connects anew if it must. */
PERMIT_API enum permit_status
permit_acquire(struct permit_client *client,
               const struct permit_acquire_request *request,
               struct permit_grant **ret_grant);

/* permit_acquire() of `permits` without waiting: PERMIT_E_WOULD_BLOCK where it
 * would have to. */
PERMIT_API enum permit_status permit_try(struct permit_client *client,
                                         const char *semaphore,
                                         uint32_t permits,
                                         struct permit_grant **ret_grant);

/* --------------------------------------------------------------------- grant
 */

/* Gives back `permits` of the grant, or all that is left of it with 0, which
 * ends it. The grant stays the caller's, to be destroyed.
 *
 * Outcomes: PERMIT_E_OVER_RELEASE (more than it holds: nothing changed),
 * PERMIT_E_NOT_HELD (given back before), PERMIT_E_EXPIRED (it was lost before:
 * its section was unprotected). Failures: as permit_acquire(). */
PERMIT_API enum permit_status permit_grant_release(struct permit_grant *grant,
                                                   uint32_t permits);

/* Frees the handle; gives the grant back first if it is still valid, without
 * waiting for the answer. */
PERMIT_API void permit_grant_destroy(struct permit_grant *grant);

/* Is the grant still this client's? An atomic load and a look at the clock, no
 * request. False once it was given back, or is lost: its hold is over, the line
 * was cut, the server said so. */
PERMIT_API bool permit_grant_is_valid(const struct permit_grant *grant);

/* Waits until the grant is lost or timeout_ms is over (-1: no limit). Returns
 * PERMIT_E_LOST with *ret_loss set, PERMIT_E_TIMEOUT, or PERMIT_E_NOT_HELD if
 * it was given back. */
PERMIT_API enum permit_status
permit_grant_wait_lost(struct permit_grant *grant, int64_t timeout_ms,
                       enum permit_loss *ret_loss);

/* An eventfd, readable once the grant is lost; the grant's own, closed with
 * it. -1 if the system had none. */
PERMIT_API int permit_grant_event_fd(const struct permit_grant *grant);

/* Why the grant is lost; 0 if it is not. */
PERMIT_API enum permit_loss
permit_grant_get_loss(const struct permit_grant *grant);

/* Milliseconds until it is no longer valid, by its hold and by the session's
 * deadline as far as it is known now; 0 if it is not valid. */
PERMIT_API int64_t permit_grant_left_ms(const struct permit_grant *grant);

PERMIT_API uint64_t permit_grant_id(const struct permit_grant *grant);
PERMIT_API uint64_t permit_grant_fence(const struct permit_grant *grant);
PERMIT_API uint32_t permit_grant_permits(const struct permit_grant *grant);
PERMIT_API int64_t permit_grant_waited_ms(const struct permit_grant *grant);

/* ---------------------------------------------------------------- semaphores
 */

/* Adds `permits` to a COUNTING semaphore; *ret_available, if not NULL, is its
 * value afterwards. Outcomes: PERMIT_E_NOT_FOUND, PERMIT_E_OVERFLOW (nothing
 * changed), PERMIT_E_INVALID (another kind). Failures: as permit_acquire(). */
PERMIT_API enum permit_status permit_post(struct permit_client *client,
                                          const char *semaphore,
                                          uint32_t permits,
                                          uint64_t *ret_available);

/* What a definition may set; the others keep their value, or take the server's
 * default on a new semaphore. */
enum permit_define_field {
    PERMIT_DEFINE_KIND = 1 << 0,
    PERMIT_DEFINE_PERMITS = 1 << 1,
    PERMIT_DEFINE_MAX_QUEUE = 1 << 2,
    PERMIT_DEFINE_MAX_WAIT = 1 << 3,
    PERMIT_DEFINE_HOLD = 1 << 4
};

/* Start from PERMIT_DEFINITION_INIT: later versions add fields. */
struct permit_definition {
    size_t struct_size;
    uint32_t fields; /* enum permit_define_field, or-ed. */
    enum permit_kind kind;
    uint32_t permits;
    uint32_t max_queue;
    int64_t max_wait_ms; /* -1: no limit. */
    int64_t hold_ms;     /* 0: no limit. */
};
#define PERMIT_DEFINITION_INIT                                                 \
    {                                                                          \
        sizeof(struct permit_definition), 0, PERMIT_BOUNDED, 1, 0, -1, 0       \
    }

/* Makes a semaphore or changes one. Outcomes: PERMIT_E_INVALID (another kind,
 * another start of a COUNTING one, values that make no sense),
 * PERMIT_E_TOO_MANY, PERMIT_E_UNSUPPORTED. Failures: as permit_acquire(). */
PERMIT_API enum permit_status
permit_define(struct permit_client *client, const char *semaphore,
              const struct permit_definition *definition);

/* Deletes a semaphore. Its waiters get PERMIT_E_NOT_FOUND. Outcomes:
 * PERMIT_E_NOT_FOUND, PERMIT_E_CONFLICT (grants are out; with `force` they are
 * revoked). Failures: as permit_acquire(). */
PERMIT_API enum permit_status permit_delete(struct permit_client *client,
                                            const char *semaphore, bool force);

/* One round trip. Failures: as permit_acquire(). */
PERMIT_API enum permit_status permit_ping(struct permit_client *client);

/* -------------------------------------------------------------------- asking
 */

/* Asks for one semaphore. On PERMIT_OK the caller owns *ret_list, with one row.
 * Outcome: PERMIT_E_NOT_FOUND. Failures: as permit_acquire(). */
PERMIT_API enum permit_status permit_query(struct permit_client *client,
                                           const char *semaphore,
                                           struct permit_list **ret_list);

/* All semaphores whose names begin with `prefix` ("": all), by name. Asks page
 * by page, so rows may come and go in between. */
PERMIT_API enum permit_status
permit_list_semaphores(struct permit_client *client, const char *prefix,
                       struct permit_list **ret_list);

/* The holders of a semaphore, oldest first; its waiters, in their order. */
PERMIT_API enum permit_status
permit_list_holders(struct permit_client *client, const char *semaphore,
                    struct permit_list **ret_list);
PERMIT_API enum permit_status
permit_list_waiters(struct permit_client *client, const char *semaphore,
                    struct permit_list **ret_list);

PERMIT_API size_t permit_list_count(const struct permit_list *list);

/* Row `index` < count of a list of that kind, the list's own; NULL else. */
PERMIT_API const struct permit_semaphore_info *
permit_list_semaphore(const struct permit_list *list, size_t index);
PERMIT_API const struct permit_holder_info *
permit_list_holder(const struct permit_list *list, size_t index);
PERMIT_API const struct permit_waiter_info *
permit_list_waiter(const struct permit_list *list, size_t index);

PERMIT_API void permit_list_destroy(struct permit_list *list);

#ifdef __cplusplus
}
#endif

#endif
