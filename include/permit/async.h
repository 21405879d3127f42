/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_ASYNC_H
#define PERMIT_ASYNC_H

/* libpermit's non-blocking face: one session with a daemon, driven by the event
 * loop of its user.
 *
 * A permit_async has no thread and no lock, and never blocks: it is confined to
 * its loop's thread. It tells the loop what it waits for through the hooks of
 * struct permit_loop, and the loop tells it what came. permit/adapter/ has the
 * hooks for libevent, libuv, GLib and poll(2).
 *
 * It looks up no name: servers are Unix paths and addresses in numbers, or
 * permit_async_set_resolver() says who does.
 *
 * Law: every request that was taken ends in exactly one callback: the answer,
 * or why there is none. Callbacks come from permit_async_readable(),
 * _writable() and _timer(), in the order of the answers on the wire, and from
 * permit_async_destroy(); never from the call that asks. They may call anything
 * of this client, permit_async_destroy() included.
 *
 * A request that is asked without a connection begins one, and waits for it.
 * A session with a linger goes on over a new connection by itself. One asked in
 * a lost session ends with PERMIT_E_OUTCOME_UNKNOWN, or with
 * PERMIT_E_DISCONNECTED if nothing of it was sent; when its callback is called
 * the session is over, all that it held is lost, and what is asked then begins
 * a new one. What is asked outside of callbacks leaves when the loop says that
 * the descriptor is writable: many requests, one write.
 *
 * Durations are milliseconds; strings and structs are borrowed for the call
 * unless it says otherwise. Until it is attached to a loop, and in a child
 * after fork(), a client asks nothing. */

#include "permit/error.h"
#include "permit/info.h"
#include "permit/request.h"
#include "permit/result.h"

#ifdef __cplusplus
extern "C" {
#endif

struct addrinfo;
struct permit_async;

/* ---------------------------------------------------------------- the loop */

/* What a client asks of its loop. A descriptor is added before it is deleted,
 * and deleted before it is closed; after a reconnect it is another one. Hooks
 * that return int return 0, or anything else if they failed: then the
 * connection is given up (PERMIT_E_NOMEM). They may come from any call, and
 * call nothing of the client. Start from PERMIT_LOOP_INIT. */
struct permit_loop {
    size_t struct_size;
    void *arg;
    /* While added: permit_async_readable() each time that fd is readable, has
     * hung up, or has an error. Level-triggered. */
    int (*add_read)(void *arg, int fd);
    void (*del_read)(void *arg, int fd);
    /* While added: permit_async_writable() each time that fd is writable, has
     * hung up, or has an error. */
    int (*add_write)(void *arg, int fd);
    void (*del_write)(void *arg, int fd);
    /* permit_async_timer() once, in in_ms, instead of what was set before; -1:
     * not at all. */
    int (*set_timer)(void *arg, int64_t in_ms);
    /* The client is gone: nothing of it may be called any more. The last call
     * of all. */
    void (*detach)(void *arg);
};
#define PERMIT_LOOP_INIT                                                       \
    {                                                                          \
        sizeof(struct permit_loop), NULL, NULL, NULL, NULL, NULL, NULL, NULL   \
    }

/* Makes a client, without a connection yet. `options` may be NULL. On PERMIT_OK
 * the caller owns *ret_client; on anything else it is untouched, and `error`,
 * if not NULL, gets a text, cut to error_bytes.
 *
 * Failures: PERMIT_E_INVALID (an option makes no sense), PERMIT_E_UNSUPPORTED
 * (TLS, or an option of a newer version), PERMIT_E_NOMEM. */
PERMIT_API enum permit_status
permit_async_create(const struct permit_options *options,
                    struct permit_async **ret_client, char *error,
                    size_t error_bytes);

/* Ends the session (with what was asked before and a Bye, if the socket takes
 * them at once), so everything that it holds is given back, and frees the
 * client. Requests under way end with PERMIT_E_CLOSED, their callbacks called
 * from here. In a callback it only marks the client: it asks nothing more, and
 * is freed when the outermost call of the loop returns. Grants outlive it, lost
 * (PERMIT_LOSS_SESSION) without a call of on_lost: keep what you were given, to
 * destroy it. In a child after fork() it frees the child's copy and calls
 * nobody. Accepts NULL. */
PERMIT_API void permit_async_destroy(struct permit_async *client);

/* Ties the client to its loop, once; the hooks are copied. Returns PERMIT_OK;
 * PERMIT_E_INVALID (a hook is missing, or it is attached already) or
 * PERMIT_E_FORKED: then the loop's detach is not called. */
PERMIT_API enum permit_status
permit_async_attach(struct permit_async *client,
                    const struct permit_loop *loop);

/* Who looks up names: resolve() starts to look up `host` and `port` ("7417",
 * both borrowed), and permit_async_resolved() is called with what it found,
 * from within resolve() or later. A hook like those of the loop: it may come
 * from a call that asks, and asks and destroys nothing itself. A lookup that
 * ends after the client is gone must not call. Returns PERMIT_OK, or
 * PERMIT_E_FORKED. */
PERMIT_API enum permit_status permit_async_set_resolver(
    struct permit_async *client,
    void (*resolve)(void *arg, struct permit_async *client, uint64_t lookup_id,
                    const char *host, const char *port),
    void *arg);

/* The addresses that this lookup found, copied (the first 16); NULL: none.
 * Ignored once it is too late: its time is over, or there was an answer. */
PERMIT_API void permit_async_resolved(struct permit_async *client,
                                      uint64_t lookup_id,
                                      const struct addrinfo *addresses);

/* What the loop calls, see struct permit_loop. A call that comes when there is
 * nothing to do does no harm; one from within a callback does nothing. */
PERMIT_API void permit_async_readable(struct permit_async *client);
PERMIT_API void permit_async_writable(struct permit_async *client);
PERMIT_API void permit_async_timer(struct permit_async *client);

/* In how many milliseconds permit_async_timer() is to be called, as set_timer
 * was told; -1: not at all. For a loop that asks instead of setting timers. */
PERMIT_API int64_t permit_async_timeout_ms(const struct permit_async *client);

/* ----------------------------------------------------------------- requests
 */

/* How a request ended. It lives as long as the callback; what it points to,
 * too, but for grant and list. */
struct permit_answer {
    enum permit_status status;
    uint64_t request_id;
    const char *text; /* Why, for people, with the address; "" on PERMIT_OK. */
    struct permit_refusal refusal;
    struct permit_grant *grant; /* Of an acquire that made one: the receiver's,
                                 * to be destroyed; else NULL. */
    struct permit_list *list;   /* Query and lists: the receiver's, to be
                                 * destroyed; else NULL. */
    uint64_t available;         /* Post: the value afterwards. */
    const void *outcome;        /* PERMIT_JOINED: a holder's. */
    size_t outcome_bytes;
};

typedef void (*permit_callback)(void *arg, const struct permit_answer *answer);

/* Each of these asks, and returns PERMIT_OK: then the callback, which may be
 * NULL where it says so, comes once. Else there is no callback, and nothing
 * happened: PERMIT_E_INVALID (it makes no sense, or the client is attached to
 * no loop), PERMIT_E_TOO_MANY (65,536 under way), PERMIT_E_NOMEM,
 * PERMIT_E_CLOSED (being destroyed), PERMIT_E_FORKED; or the server is away,
 * and it is too early to try again (at most 10 s after the last attempt): what
 * that attempt failed with, mostly PERMIT_E_DISCONNECTED.
 * permit_async_last_error() says more.
 *
 * The statuses of an answer are those of the blocking call of that name, and
 * PERMIT_E_CLOSED. No answer comes later than answer_timeout_ms after the wait:
 * then PERMIT_E_NO_ANSWER. A list has that time for each of its pages. */

/* Acquires all permits of *request or none; answer->grant is the receiver's. Of
 * what was taken for good there is none. The callback is needed; if this
 * does not return PERMIT_OK it is never called. What is granted locally, as
 * permit_acquire() says, is told by the callback too.
 * *ret_request_id, if not NULL, is for permit_async_cancel(). */
PERMIT_API enum permit_status permit_async_acquire(
    struct permit_async *client, const struct permit_acquire_request *request,
    permit_callback callback, void *arg, uint64_t *ret_request_id);

/* Ends the wait of an acquire. Its callback then has PERMIT_E_CANCELLED, or
 * what was answered before; a grant that crossed the cancel is given back, and
 * only what was consumed for good is still PERMIT_OK. Returns PERMIT_OK;
 * PERMIT_E_NOT_FOUND if no such acquire is under way, PERMIT_E_CLOSED or
 * PERMIT_E_FORKED. */
PERMIT_API enum permit_status permit_async_cancel(struct permit_async *client,
                                                  uint64_t request_id);

/* Gives back `permits` of the grant, or all that is left of it with 0, which
 * ends it. The grant stays the caller's; it may be destroyed at once, without
 * waiting for the answer. The callback may be NULL. permit_grant_permits() is
 * what is left at once; where the answer says that it was not given back, the
 * grant is as before. Also returns PERMIT_E_NOT_HELD (given back before) and
 * PERMIT_E_EXPIRED (its session or its client is gone), without a callback. */
PERMIT_API enum permit_status permit_async_release(struct permit_grant *grant,
                                                   uint32_t permits,
                                                   permit_callback callback,
                                                   void *arg);

/* The same, as permit_grant_release_parts(), permit_grant_release_outcome() and
 * permit_grant_settle(). */
PERMIT_API enum permit_status
permit_async_release_parts(struct permit_grant *grant,
                           const struct permit_part *parts, size_t count,
                           permit_callback callback, void *arg);
PERMIT_API enum permit_status
permit_async_release_outcome(struct permit_grant *grant, const void *outcome,
                             size_t outcome_bytes, permit_callback callback,
                             void *arg);
PERMIT_API enum permit_status
permit_async_settle(struct permit_grant *grant,
                    const struct permit_part *actual, size_t count,
                    permit_callback callback, void *arg);

/* Counts the hold of the grant anew, as permit_grant_renew(). The callback may
 * be NULL; it comes even if the grant is destroyed meanwhile. Also returns
 * PERMIT_E_NOT_HELD and PERMIT_E_EXPIRED, without a callback. */
PERMIT_API enum permit_status permit_async_renew(struct permit_grant *grant,
                                                 int64_t hold_ms,
                                                 permit_callback callback,
                                                 void *arg);

/* As the blocking calls of their names. The callback may be NULL, but for why,
 * query and the lists. */
PERMIT_API enum permit_status
permit_async_why(struct permit_async *client,
                 const struct permit_acquire_request *request,
                 permit_callback callback, void *arg);
PERMIT_API enum permit_status
permit_async_post(struct permit_async *client, const char *semaphore,
                  uint32_t permits, permit_callback callback, void *arg);
PERMIT_API enum permit_status
permit_async_define(struct permit_async *client, const char *semaphore,
                    const struct permit_definition *definition,
                    permit_callback callback, void *arg);
PERMIT_API enum permit_status
permit_async_delete(struct permit_async *client, const char *semaphore,
                    bool force, permit_callback callback, void *arg);
PERMIT_API enum permit_status
permit_async_verify(struct permit_async *client, uint64_t grant_id,
                    uint64_t fence, permit_callback callback, void *arg);
PERMIT_API enum permit_status permit_async_ping(struct permit_async *client,
                                                permit_callback callback,
                                                void *arg);
PERMIT_API enum permit_status permit_async_query(struct permit_async *client,
                                                 const char *semaphore,
                                                 permit_callback callback,
                                                 void *arg);
PERMIT_API enum permit_status
permit_async_list_semaphores(struct permit_async *client, const char *prefix,
                             permit_callback callback, void *arg);
PERMIT_API enum permit_status
permit_async_list_holders(struct permit_async *client, const char *semaphore,
                          permit_callback callback, void *arg);
PERMIT_API enum permit_status
permit_async_list_waiters(struct permit_async *client, const char *semaphore,
                          permit_callback callback, void *arg);

/* -------------------------------------------------------------- the client */

/* As permit_client_last_error(), _session_id() and _counters(). */
PERMIT_API void permit_async_last_error(const struct permit_async *client,
                                        char *text, size_t text_bytes);
PERMIT_API uint64_t permit_async_session_id(const struct permit_async *client);
PERMIT_API enum permit_status
permit_async_counters(const struct permit_async *client,
                      struct permit_counters *ret_counters);

#ifdef __cplusplus
}
#endif

#endif
