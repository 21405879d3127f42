/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_ADAPTER_LIBEVENT_H
#define PERMIT_ADAPTER_LIBEVENT_H

/* Ties a permit_async to a libevent base (2.0 or later). Link libevent_core.
 *
 *     permit_async_create(&options, &client, error, sizeof(error));
 *     permit_libevent_attach(client, base);
 *
 * While there is a connection it has events in the base, which
 * event_base_dispatch() waits for; they go with permit_async_destroy(). */

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "permit/async.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The adapter's own, freed with its client. */
struct permit_libevent {
    struct permit_async *client;
    struct event_base *base;
    struct event read;
    struct event write;
    struct event timer;
};

static inline void permit_libevent_on_read(evutil_socket_t fd, short events,
                                           void *arg)
{
    (void)fd;
    (void)events;
    permit_async_readable(((struct permit_libevent *)arg)->client);
}

static inline void permit_libevent_on_write(evutil_socket_t fd, short events,
                                            void *arg)
{
    (void)fd;
    (void)events;
    permit_async_writable(((struct permit_libevent *)arg)->client);
}

static inline void permit_libevent_on_timer(evutil_socket_t fd, short events,
                                            void *arg)
{
    (void)fd;
    (void)events;
    permit_async_timer(((struct permit_libevent *)arg)->client);
}

static inline int permit_libevent_add_read(void *arg, int fd)
{
    struct permit_libevent *adapter = (struct permit_libevent *)arg;

    if (event_assign(&adapter->read, adapter->base, fd, EV_READ | EV_PERSIST,
                     permit_libevent_on_read, adapter) != 0) {
        return -1;
    }
    return event_add(&adapter->read, NULL);
}

static inline void permit_libevent_del_read(void *arg, int fd)
{
    (void)fd;
    (void)event_del(&((struct permit_libevent *)arg)->read);
}

static inline int permit_libevent_add_write(void *arg, int fd)
{
    struct permit_libevent *adapter = (struct permit_libevent *)arg;

    if (event_assign(&adapter->write, adapter->base, fd, EV_WRITE | EV_PERSIST,
                     permit_libevent_on_write, adapter) != 0) {
        return -1;
    }
    return event_add(&adapter->write, NULL);
}

static inline void permit_libevent_del_write(void *arg, int fd)
{
    (void)fd;
    (void)event_del(&((struct permit_libevent *)arg)->write);
}

static inline int permit_libevent_set_timer(void *arg, int64_t in_ms)
{
    struct permit_libevent *adapter = (struct permit_libevent *)arg;
    struct timeval in;

    if (in_ms < 0) {
        return event_del(&adapter->timer);
    }
    in.tv_sec = (time_t)(in_ms / 1000);
    in.tv_usec = (suseconds_t)(in_ms % 1000 * 1000);
    return event_add(&adapter->timer, &in);
}

static inline void permit_libevent_detach(void *arg)
{
    struct permit_libevent *adapter = (struct permit_libevent *)arg;

    (void)event_del(&adapter->timer);
    free(adapter);
}

/* As permit_async_attach(); also PERMIT_E_NOMEM. */
static inline enum permit_status
permit_libevent_attach(struct permit_async *client, struct event_base *base)
{
    struct permit_loop loop = PERMIT_LOOP_INIT;
    struct permit_libevent *adapter =
        (struct permit_libevent *)calloc(1, sizeof(*adapter));
    enum permit_status status;

    if (adapter == NULL) {
        return PERMIT_E_NOMEM;
    }
    adapter->client = client;
    adapter->base = base;
    loop.arg = adapter;
    loop.add_read = permit_libevent_add_read;
    loop.del_read = permit_libevent_del_read;
    loop.add_write = permit_libevent_add_write;
    loop.del_write = permit_libevent_del_write;
    loop.set_timer = permit_libevent_set_timer;
    loop.detach = permit_libevent_detach;
    status = event_assign(&adapter->timer, base, -1, 0,
                          permit_libevent_on_timer, adapter) != 0
                 ? PERMIT_E_INVALID
                 : permit_async_attach(client, &loop);
    if (status != PERMIT_OK) {
        free(adapter);
    }
    return status;
}

#ifdef __cplusplus
}
#endif

#endif
