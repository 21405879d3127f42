/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_PERMIT_H
#define PERMIT_PERMIT_H

/* libpermit: permits of a permitd, from C and C++. This is its blocking face;
 * permit/async.h has the one for event loops.
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
 * Law: no call lasts longer than its wait plus the client's answer_timeout_ms,
 * whatever the network, the resolver or the daemon does. While the daemon is
 * away, one call at a time tries to connect, in intervals that grow to 10 s;
 * the others return at once with what it met.
 *
 * After fork() the child's calls return PERMIT_E_FORKED and touch nothing.
 *
 * Durations are milliseconds. Strings are NUL-terminated and borrowed for the
 * call unless it says otherwise. Every destroy function accepts NULL. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "permit/error.h"
#include "permit/info.h"
#include "permit/request.h"
#include "permit/result.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------- version
 */

#define PERMIT_VERSION_STRING "0.1.0"
#define PERMIT_VERSION_NUM 0x000100 /* 0xMMmmpp. */

/* The version of the library that is loaded, as PERMIT_VERSION_NUM; and whether
 * a program made for version `number` may use it: the same major number (and
 * while that is 0, the same minor one), and not an older library. */
PERMIT_API int permit_version_num(void);
PERMIT_API bool permit_check_version(int number);

struct permit_client;

/* -------------------------------------------------------------------- client
 */

/* Connects and says Hello; blocks for at most connect_timeout_ms in all.
 * `options` may be NULL. On PERMIT_OK the caller owns *ret_client; on anything
 * else it is untouched, and `error`, if not NULL, gets a text with the address
 * and what failed, cut to error_bytes.
 *
 * Failures: PERMIT_E_INVALID (an option makes no sense), PERMIT_E_UNSUPPORTED
 * (TLS, or an option of a newer version), PERMIT_E_DISCONNECTED,
 * PERMIT_E_VERSION, PERMIT_E_PROTOCOL, PERMIT_E_DENIED, PERMIT_E_TOO_MANY,
 * PERMIT_E_UNAVAILABLE, PERMIT_E_NOMEM. */
PERMIT_API enum permit_status
permit_client_create(const struct permit_options *options,
                     struct permit_client **ret_client, char *error,
                     size_t error_bytes);

/* Ends the session (Bye, at most a second for it), so everything that it holds
 * is given back, and frees the client. No other thread may be in a call of this
 * client. Grants must be destroyed before. */
PERMIT_API void permit_client_destroy(struct permit_client *client);

/* Copies the text of this client's last failure to text; "" if there was none:
 * of what was refused, why; of what failed on the way, the address and what
 * failed there. It says by itself what went wrong, so that permit_strerror()
 * adds nothing to it. Where several threads use a client it
 * may be another thread's: the status that a call returned is the call's own.
 */
PERMIT_API void permit_client_last_error(struct permit_client *client,
                                         char *text, size_t text_bytes);

/* The session's id; 0 while there is none. */
PERMIT_API uint64_t permit_client_session_id(struct permit_client *client);

/* The session's key: for a guard process that ends it (permit_options.end)
 * when this one is killed. Returns PERMIT_OK, PERMIT_E_DISCONNECTED (there is
 * no session) or PERMIT_E_FORKED. */
PERMIT_API enum permit_status
permit_client_session_key(struct permit_client *client,
                          struct permit_session_key *ret_key);

/* A copy of the connection's descriptor, the caller's to close, or -1: for a
 * guard process that keeps the line open while this process is killed. Not to
 * be read or written. */
PERMIT_API int permit_client_fd(struct permit_client *client);

/* When the session's grants stop being valid unless the server answers again:
 * CLOCK_BOOTTIME in milliseconds; 0 when they already are not. */
PERMIT_API int64_t permit_client_deadline_ms(struct permit_client *client);

/* How often the client pings, in milliseconds; 0 before its first session, and
 * in a child after fork(). */
PERMIT_API int64_t permit_client_heartbeat_ms(struct permit_client *client);

/* What the client has counted, cut to ret_counters->struct_size. Returns
 * PERMIT_OK, PERMIT_E_INVALID (not from PERMIT_COUNTERS_INIT) or
 * PERMIT_E_FORKED. */
PERMIT_API enum permit_status
permit_client_counters(struct permit_client *client,
                       struct permit_counters *ret_counters);

/* ------------------------------------------------------------------- acquire
 */

/* Acquires all permits of *request or none. Returns at most the client's
 * answer_timeout_ms after wait_ms.
 *
 * On PERMIT_OK the caller owns *ret_grant, to be given back with
 * permit_grant_release() and freed with permit_grant_destroy(). If all of it
 * was taken for good (of RATEs, or with `consume`), and is not to be settled,
 * there is none: *ret_grant is NULL then; and if all is to be consumed
 * ret_grant may be NULL itself. On anything else it is untouched. Several
 * semaphores are one grant: nobody deadlocks, in whatever order he names them.
 *
 * PERMIT_JOINED, only of a request to join: no grant, for a holder released
 * with an outcome, which is in *request->ret_outcome now.
 *
 * Outcomes: PERMIT_E_WOULD_BLOCK, PERMIT_E_RATE_LIMITED (a try that nothing but
 * RATEs refuse), PERMIT_E_TIMEOUT, PERMIT_E_QUEUE_FULL, PERMIT_E_IMPOSSIBLE,
 * PERMIT_E_DRAINING, PERMIT_E_LIMIT_MISMATCH, PERMIT_E_NOT_FOUND,
 * PERMIT_E_CANCELLED (by cancel_fd), PERMIT_E_TOO_MANY, PERMIT_E_INVALID.
 * Failures: PERMIT_E_NO_ANSWER (what may still come is given back),
 * PERMIT_E_OUTCOME_UNKNOWN (the session was lost under way, and what it got
 * went with it), PERMIT_E_DISCONNECTED (nothing was asked),
 * PERMIT_E_UNAVAILABLE, PERMIT_E_NOMEM, PERMIT_E_FORKED. After each of these
 * but the last it may be asked again; only what is taken for good (of a RATE,
 * or to consume) may be gone after the first two. Also PERMIT_E_UNSUPPORTED (a
 * field that this library or the server does not know), PERMIT_E_PROTOCOL (the
 * server broke the protocol), and, where it had to connect anew, what
 * permit_client_create() fails with. The client stays usable: the next call
 * connects anew if it must.
 *
 * With permit_options.local_permits the client grants by itself, or lets wait
 * for its own permits within wait_ms, what would end with
 * PERMIT_E_DISCONNECTED or PERMIT_E_NO_ANSWER; not what was to be consumed or
 * settled, nor of several semaphores, nor more than local_permits, nor beyond
 * 256 semaphores or 65,536 waits at a time.
 * What the server has refused it never grants.
 *
 * request->on_lost is called by the client's own thread, which sends no
 * heartbeat until it returns: it is to be short. It comes after *ret_grant is
 * set. It may look at grants and the client, and destroy grants, its own too.
 * What asks the server or waits returns PERMIT_E_INVALID there; it must not
 * destroy the client, nor may a child that it forks return from it. */
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

/* Would this request (its semaphores, permits and priority), as a try, be
 * granted now? Nothing is taken. PERMIT_OK if so, else what that try would end
 * with, and *request->ret_refusal says what is in its way. Failures: as
 * permit_acquire(). */
PERMIT_API enum permit_status
permit_why(struct permit_client *client,
           const struct permit_acquire_request *request);

/* --------------------------------------------------------------------- grant
 */

/* Gives back all that is left of the grant with 0, which ends it; or `permits`
 * of the semaphore that its request named first. The grant stays the caller's,
 * to be destroyed.
 *
 * Outcomes: PERMIT_E_OVER_RELEASE (more than it holds: nothing changed),
 * PERMIT_E_NOT_HELD (given back before), PERMIT_E_EXPIRED (it was lost before:
 * its section was unprotected; but PERMIT_OK for one that the server took back,
 * within its grace). Failures: as permit_acquire(), and
 * PERMIT_E_INVALID (a grant of the non-blocking face). After a failure the
 * grant is only to be destroyed: what the server has not taken back it takes
 * back with that, or with the session. */
PERMIT_API enum permit_status permit_grant_release(struct permit_grant *grant,
                                                   uint32_t permits);

/* The same, of some of its semaphores: `count` parts, 1 to 8, none twice. All
 * of them or nothing. PERMIT_E_OVER_RELEASE also of a semaphore that it does
 * not hold. */
PERMIT_API enum permit_status
permit_grant_release_parts(struct permit_grant *grant,
                           const struct permit_part *parts, size_t count);

/* Gives back all that is left, and answers with this outcome, of at most
 * PERMIT_OUTCOME_BYTES_MAX bytes, all those who wait to join (see
 * permit_acquire_request.join), before anybody gets what came back. For work
 * that they would only repeat; without it, permit_grant_release() lets the next
 * one try. */
PERMIT_API enum permit_status
permit_grant_release_outcome(struct permit_grant *grant, const void *outcome,
                             size_t outcome_bytes);

/* Says what was used of what the grant took from RATEs, of an acquire with
 * `settle`, once: `count` parts (0 permits are allowed), and all was used of
 * those that are not named. The rest is refunded. The grant ends, but for what
 * is held of it. Releasing all instead refunds nothing.
 *
 * Outcomes: PERMIT_E_INVALID (more than was taken, or nothing to settle),
 * PERMIT_E_NOT_HELD, PERMIT_E_EXPIRED. Failures: as permit_grant_release(). */
PERMIT_API enum permit_status
permit_grant_settle(struct permit_grant *grant,
                    const struct permit_part *actual, size_t count);

/* Counts the grant's hold anew from now, for hold_ms (0: as before); the server
 * may cap it. What was believed stays so until the answer; a hold that is to be
 * shorter ends so early in any case.
 *
 * Outcomes: PERMIT_E_NOT_HELD (given back before), PERMIT_E_EXPIRED (it is
 * lost, and not to be renewed any more). Failures: as permit_acquire(), and
 * PERMIT_E_INVALID (a hold below 0, or a grant of the non-blocking face); after
 * them it may be asked again. */
PERMIT_API enum permit_status permit_grant_renew(struct permit_grant *grant,
                                                 int64_t hold_ms);

/* Waits until the grant is lost or timeout_ms is over (-1: no limit). Returns
 * PERMIT_E_LOST with *ret_loss set, PERMIT_E_TIMEOUT, or PERMIT_E_NOT_HELD if
 * it was given back. */
PERMIT_API enum permit_status
permit_grant_wait_lost(struct permit_grant *grant, int64_t timeout_ms,
                       enum permit_loss *ret_loss);

/* For a resource that is given permit_grant_id() and permit_grant_fence(): is
 * that grant, of whatever client, alive? By the time that the answer is here it
 * may be no more: what makes a resource safe is to reject lower fences than it
 * has seen. Outcomes: PERMIT_E_NOT_HELD (no such grant, or another fence),
 * PERMIT_E_EXPIRED (it was lost). Failures: as permit_acquire(). */
PERMIT_API enum permit_status permit_verify(struct permit_client *client,
                                            uint64_t grant_id, uint64_t fence);

/* ---------------------------------------------------------------- semaphores
 */

/* Adds `permits` to a COUNTING semaphore; *ret_available, if not NULL, is its
 * value afterwards. Outcomes: PERMIT_E_NOT_FOUND, PERMIT_E_OVERFLOW (nothing
 * changed), PERMIT_E_INVALID (another kind). Failures: as permit_acquire(), but
 * after PERMIT_E_NO_ANSWER and PERMIT_E_OUTCOME_UNKNOWN it may have happened or
 * not: asked again it may happen twice. */
PERMIT_API enum permit_status permit_post(struct permit_client *client,
                                          const char *semaphore,
                                          uint32_t permits,
                                          uint64_t *ret_available);

/* Makes a semaphore or changes one; or, with a name that ends with its only
 * '*', a template: "team/" and a star makes each semaphore whose name begins
 * so when it is first asked for, and forgets it when it is idle. Outcomes:
 * PERMIT_E_INVALID (another kind,
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

/* All semaphores whose names begin with `prefix` ("": all), by name; the
 * holders of a semaphore, oldest first; its waiters, in their order. Each asks
 * page by page, at most 64 rows at a time: a page is one moment of the server,
 * two pages, or two calls, are not. Outcome: PERMIT_E_NOT_FOUND (holders,
 * waiters). Failures: as permit_acquire(). */
PERMIT_API enum permit_status
permit_list_semaphores(struct permit_client *client, const char *prefix,
                       struct permit_list **ret_list);

PERMIT_API enum permit_status
permit_list_holders(struct permit_client *client, const char *semaphore,
                    struct permit_list **ret_list);
PERMIT_API enum permit_status
permit_list_waiters(struct permit_client *client, const char *semaphore,
                    struct permit_list **ret_list);

#ifdef __cplusplus
}
#endif

#endif
