/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_ADAPTER_POLL_H
#define PERMIT_ADAPTER_POLL_H

/* Ties a permit_async to a loop of one's own around poll(2), or to no loop but
 * permit_poll_tick().
 *
 *     struct permit_poll tie;
 *
 *     permit_poll_attach(client, &tie);
 *     for (;;) {
 *         fds[0] = permit_poll_fd(&tie);
 *         poll(fds, fds_count, permit_poll_timeout_ms(&tie));
 *         permit_poll_handle(&tie, fds[0].revents);
 *     }
 *
 * The struct is the user's and takes no memory; it lives until the client is
 * destroyed. Then its client is NULL, and all of this does nothing. */

#include <limits.h>
#include <poll.h>
#include <stdint.h>

#include "permit/async.h"

#ifdef __cplusplus
extern "C" {
#endif

struct permit_poll {
    struct permit_async *client; /* NULL once it is gone. */
    int fd;                      /* -1: none. */
    short events;
};

static inline void permit_poll_watch(void *arg, int fd, short events)
{
    struct permit_poll *tie = (struct permit_poll *)arg;

    tie->events = events;
    tie->fd = events == 0 ? -1 : fd;
}

static inline int permit_poll_add_read(void *arg, int fd)
{
    permit_poll_watch(arg, fd,
                      (short)(((struct permit_poll *)arg)->events | POLLIN));
    return 0;
}

static inline void permit_poll_del_read(void *arg, int fd)
{
    permit_poll_watch(arg, fd,
                      (short)(((struct permit_poll *)arg)->events & ~POLLIN));
}

static inline int permit_poll_add_write(void *arg, int fd)
{
    permit_poll_watch(arg, fd,
                      (short)(((struct permit_poll *)arg)->events | POLLOUT));
    return 0;
}

static inline void permit_poll_del_write(void *arg, int fd)
{
    permit_poll_watch(arg, fd,
                      (short)(((struct permit_poll *)arg)->events & ~POLLOUT));
}

/* Whoever polls asks for it: permit_poll_timeout_ms(). */
static inline int permit_poll_set_timer(void *arg, int64_t in_ms)
{
    (void)arg;
    (void)in_ms;
    return 0;
}

static inline void permit_poll_detach(void *arg)
{
    struct permit_poll *tie = (struct permit_poll *)arg;

    tie->client = NULL;
    tie->fd = -1;
}

/* As permit_async_attach(). */
static inline enum permit_status permit_poll_attach(struct permit_async *client,
                                                    struct permit_poll *tie)
{
    struct permit_loop loop = PERMIT_LOOP_INIT;
    enum permit_status status;

    permit_poll_detach(tie);
    tie->events = 0;
    loop.arg = tie;
    loop.add_read = permit_poll_add_read;
    loop.del_read = permit_poll_del_read;
    loop.add_write = permit_poll_add_write;
    loop.del_write = permit_poll_del_write;
    loop.set_timer = permit_poll_set_timer;
    loop.detach = permit_poll_detach;
    status = permit_async_attach(client, &loop);
    if (status == PERMIT_OK) {
        tie->client = client;
    }
    return status;
}

/* What poll() is to watch; its fd is -1, which poll() leaves out, while there
 * is nothing. */
static inline struct pollfd permit_poll_fd(const struct permit_poll *tie)
{
    struct pollfd fd;

    fd.fd = tie->fd;
    fd.events = tie->events;
    fd.revents = 0;
    return fd;
}

/* How long poll() may wait; -1: without limit. */
static inline int permit_poll_timeout_ms(const struct permit_poll *tie)
{
    int64_t left_ms =
        tie->client == NULL ? -1 : permit_async_timeout_ms(tie->client);

    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

/* After poll(): does what is due, with the revents of permit_poll_fd(). The
 * callbacks come from here. */
static inline void permit_poll_handle(struct permit_poll *tie, short revents)
{
    if (permit_poll_timeout_ms(tie) == 0) {
        permit_async_timer(tie->client);
    }
    /* Each is harmless where it is not waited for; an error is for whoever is
     * there. */
    if (tie->client != NULL && (revents & (POLLOUT | POLLERR | POLLHUP)) != 0) {
        permit_async_writable(tie->client);
    }
    if (tie->client != NULL && (revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
        permit_async_readable(tie->client);
    }
}

/* One turn for those who watch nothing else: waits for at most max_ms (-1: no
 * limit) and does what is due. Returns what poll() did, with errno. */
static inline int permit_poll_tick(struct permit_poll *tie, int max_ms)
{
    struct pollfd fd = permit_poll_fd(tie);
    int timeout_ms = permit_poll_timeout_ms(tie);
    int count;

    if (timeout_ms < 0 || (max_ms >= 0 && max_ms < timeout_ms)) {
        timeout_ms = max_ms;
    }
    count = poll(&fd, 1, timeout_ms);
    permit_poll_handle(tie, count > 0 ? fd.revents : (short)0);
    return count;
}

#ifdef __cplusplus
}
#endif

#endif
