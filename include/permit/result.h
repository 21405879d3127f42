/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_RESULT_H
#define PERMIT_RESULT_H

/* What libpermit hands out, for both faces: grants, lists, counters.
 *
 * A grant comes from permit_acquire() or from an answer of the non-blocking
 * face, and is given back through the face that it came from. The functions
 * here only look at it. Those of a grant of the blocking face may be called
 * from any thread, until it is destroyed.
 *
 * Law: a grant that is_valid(), and not local, is this client's at the server;
 * it stops being so before the server gives its permits to another.
 *
 * In a child after fork() a grant is not valid, and nothing of it is touched.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "permit/error.h"
#include "permit/info.h"

#ifdef __cplusplus
extern "C" {
#endif

struct permit_grant;
struct permit_list;

/* --------------------------------------------------------------------- grant
 */

/* Is the grant still this client's? An atomic load and a look at the clock, no
 * request and no system call. False once it was given back, or is lost: its
 * hold is over, the line was cut, the server said so. */
PERMIT_API bool permit_grant_is_valid(const struct permit_grant *grant);

/* Milliseconds until it is no longer valid, by its hold and by the session's
 * deadline as far as it is known now; 0 if it is not valid. */
PERMIT_API int64_t permit_grant_left_ms(const struct permit_grant *grant);

/* Did the client grant it by itself, because the daemon was away? Only a client
 * with permit_options.local_permits does. Then the server knows nothing of it:
 * its number and its fence are 0, it is counted against local_permits alone, by
 * each client on its own, and has no hold. It is valid until it is given back,
 * also when the daemon has come back meanwhile, so until then the semaphore's
 * own limit may be exceeded by local_permits a client. Constant. */
PERMIT_API bool permit_grant_is_local(const struct permit_grant *grant);

/* Why the grant is lost; 0 if it is not. */
PERMIT_API enum permit_loss
permit_grant_get_loss(const struct permit_grant *grant);

/* How long what the server took back (PERMIT_LOSS_REVOKED, _KICKED, _DELETED)
 * is still nobody else's, in milliseconds: 0.9 of the grace that it gave, less
 * what has passed. Whoever stops by then and releases overlaps with nobody. 0
 * when that is over, without a grace, and of a grant that is not lost. */
PERMIT_API int64_t permit_grant_grace_ms(const struct permit_grant *grant);

/* An eventfd, readable once the grant is lost; made at the first call, the
 * grant's own, closed with it. Not to be read or closed. -1 if the system had
 * none, and in a child after fork(). */
PERMIT_API int permit_grant_event_fd(struct permit_grant *grant);

/* The grant's number at the server, for permit_grant_fence()'s resource and for
 * operators. */
PERMIT_API uint64_t permit_grant_id(const struct permit_grant *grant);

/* A number that grows with every grant of the daemon, over its restarts too: a
 * resource that rejects a lower one than it has seen is safe from holders that
 * come late. */
PERMIT_API uint64_t permit_grant_fence(const struct permit_grant *grant);

/* The permits that were not given back yet, of the semaphore that the request
 * named first. */
PERMIT_API uint32_t permit_grant_permits(const struct permit_grant *grant);

/* The semaphores that the request named, in its order: returns how many there
 * are, and with index < that many sets *ret_part, which is the grant's own.
 * What was given back, or was taken for good, has 0 permits left; of a RATE
 * that is to be settled it is what was taken, until then. */
PERMIT_API size_t permit_grant_part(const struct permit_grant *grant,
                                    size_t index,
                                    struct permit_part_info *ret_part);

/* The slots of permit_grant_permits(), if the semaphore has slots: numbers from
 * 0 that nobody else has at the same time. Who guards a resource for more than
 * one holder keeps the highest fence of each. Returns *ret_count of them (0: it
 * has none), rising, the grant's own; of a part that is given back the highest
 * go. */
PERMIT_API const uint32_t *permit_grant_slots(const struct permit_grant *grant,
                                              size_t *ret_count);

/* How long the acquire waited at the server. */
PERMIT_API int64_t permit_grant_waited_ms(const struct permit_grant *grant);

/* Frees the handle; gives the grant back first if it is still valid, without
 * waiting for the answer. Accepts NULL. Of the non-blocking face: only in its
 * loop's thread. In a child after fork() it only frees the child's copy. */
PERMIT_API void permit_grant_destroy(struct permit_grant *grant);

/* --------------------------------------------------------------------- lists
 */

PERMIT_API size_t permit_list_count(const struct permit_list *list);

/* Row `index` < count of a list of that kind, the list's own; NULL else. */
PERMIT_API const struct permit_semaphore_info *
permit_list_semaphore(const struct permit_list *list, size_t index);
PERMIT_API const struct permit_holder_info *
permit_list_holder(const struct permit_list *list, size_t index);
PERMIT_API const struct permit_waiter_info *
permit_list_waiter(const struct permit_list *list, size_t index);

/* Accepts NULL. */
PERMIT_API void permit_list_destroy(struct permit_list *list);

/* ------------------------------------------------------------------ counters
 */

/* What a client has counted since it was made. Start from
 * PERMIT_COUNTERS_INIT: later versions add fields. */
struct permit_counters {
    size_t struct_size;
    uint64_t requests_total;   /* Asked of the server; Pings of its own too. */
    uint64_t waits_total;      /* Acquires that waited and were granted later,
                                * timed out or were cancelled. */
    uint64_t losses_total;     /* Grants lost. */
    uint64_t reconnects_total; /* Sessions begun after the first one. */
};
#define PERMIT_COUNTERS_INIT                                                   \
    {                                                                          \
        sizeof(struct permit_counters), 0, 0, 0, 0                             \
    }

#ifdef __cplusplus
}
#endif

#endif
