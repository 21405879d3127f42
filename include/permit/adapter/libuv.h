/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_ADAPTER_LIBUV_H
#define PERMIT_ADAPTER_LIBUV_H

/* Ties a permit_async to a libuv loop (1.x).
 *
 *     permit_async_create(&options, &client, error, sizeof(error));
 *     permit_libuv_attach(client, loop);
 *
 * Its handles keep uv_run() going until permit_async_destroy(). libuv closes
 * handles in a later turn, so let the loop run once more before
 * uv_loop_close(). */

#include <stdlib.h>
#include <uv.h>

#include "permit/async.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The adapter's own, freed after its client. */
struct permit_libuv {
    struct permit_async *client; /* NULL once it is gone. */
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_poll_t *poll; /* Of one descriptor; NULL: none. */
    int events;
};

static inline void permit_libuv_free_poll(uv_handle_t *handle)
{
    free(handle);
}

static inline void permit_libuv_free(uv_handle_t *timer)
{
    free(timer->data);
}

/* What comes first may end the client; the adapter lives until it is closed. */
static inline void permit_libuv_on_poll(uv_poll_t *poll, int status, int events)
{
    struct permit_libuv *adapter = (struct permit_libuv *)poll->data;

    if (adapter->client != NULL &&
        (status < 0 || (events & UV_WRITABLE) != 0)) {
        permit_async_writable(adapter->client);
    }
    if (adapter->client != NULL &&
        (status < 0 || (events & UV_READABLE) != 0)) {
        permit_async_readable(adapter->client);
    }
}

static inline void permit_libuv_on_timer(uv_timer_t *timer)
{
    permit_async_timer(((struct permit_libuv *)timer->data)->client);
}

/* A handle that watches nothing is closed, for its descriptor may be. */
static inline int permit_libuv_watch(struct permit_libuv *adapter, int events)
{
    adapter->events = events;
    if (adapter->poll != NULL && events != 0) {
        return uv_poll_start(adapter->poll, events, permit_libuv_on_poll);
    }
    if (adapter->poll != NULL) {
        uv_close((uv_handle_t *)adapter->poll, permit_libuv_free_poll);
        adapter->poll = NULL;
    }
    return 0;
}

static inline int permit_libuv_add(struct permit_libuv *adapter, int fd,
                                   int event)
{
    int before = adapter->events;
    int error;

    if (adapter->poll == NULL) {
        adapter->poll = (uv_poll_t *)malloc(sizeof(*adapter->poll));
        if (adapter->poll == NULL) {
            return UV_ENOMEM;
        }
        error = uv_poll_init(adapter->loop, adapter->poll, fd);
        if (error != 0) {
            free(adapter->poll);
            adapter->poll = NULL;
            return error;
        }
        adapter->poll->data = adapter;
    }
    error = permit_libuv_watch(adapter, before | event);
    if (error != 0) {
        (void)permit_libuv_watch(adapter, before);
    }
    return error;
}

static inline void permit_libuv_del(struct permit_libuv *adapter, int event)
{
    (void)permit_libuv_watch(adapter, adapter->events & ~event);
}

static inline int permit_libuv_add_read(void *arg, int fd)
{
    return permit_libuv_add((struct permit_libuv *)arg, fd, UV_READABLE);
}

static inline void permit_libuv_del_read(void *arg, int fd)
{
    (void)fd;
    permit_libuv_del((struct permit_libuv *)arg, UV_READABLE);
}

static inline int permit_libuv_add_write(void *arg, int fd)
{
    return permit_libuv_add((struct permit_libuv *)arg, fd, UV_WRITABLE);
}

static inline void permit_libuv_del_write(void *arg, int fd)
{
    (void)fd;
    permit_libuv_del((struct permit_libuv *)arg, UV_WRITABLE);
}

static inline int permit_libuv_set_timer(void *arg, int64_t in_ms)
{
    struct permit_libuv *adapter = (struct permit_libuv *)arg;

    return in_ms < 0 ? uv_timer_stop(&adapter->timer)
                     : uv_timer_start(&adapter->timer, permit_libuv_on_timer,
                                      (uint64_t)in_ms, 0);
}

static inline void permit_libuv_detach(void *arg)
{
    struct permit_libuv *adapter = (struct permit_libuv *)arg;

    adapter->client = NULL;
    permit_libuv_del(adapter, UV_READABLE | UV_WRITABLE);
    uv_close((uv_handle_t *)&adapter->timer, permit_libuv_free);
}

/* As permit_async_attach(); also PERMIT_E_NOMEM. */
static inline enum permit_status
permit_libuv_attach(struct permit_async *client, uv_loop_t *loop)
{
    struct permit_loop hooks = PERMIT_LOOP_INIT;
    struct permit_libuv *adapter =
        (struct permit_libuv *)calloc(1, sizeof(*adapter));
    enum permit_status status;

    if (adapter == NULL) {
        return PERMIT_E_NOMEM;
    }
    (void)uv_timer_init(loop, &adapter->timer); /* It cannot fail. */
    adapter->timer.data = adapter;
    adapter->client = client;
    adapter->loop = loop;
    hooks.arg = adapter;
    hooks.add_read = permit_libuv_add_read;
    hooks.del_read = permit_libuv_del_read;
    hooks.add_write = permit_libuv_add_write;
    hooks.del_write = permit_libuv_del_write;
    hooks.set_timer = permit_libuv_set_timer;
    hooks.detach = permit_libuv_detach;
    status = permit_async_attach(client, &hooks);
    if (status != PERMIT_OK) {
        permit_libuv_detach(adapter);
    }
    return status;
}

#ifdef __cplusplus
}
#endif

#endif
