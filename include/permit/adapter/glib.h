/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_ADAPTER_GLIB_H
#define PERMIT_ADAPTER_GLIB_H

/* Ties a permit_async to a GMainContext (GLib 2.36 or later), as a GSource.
 *
 *     permit_async_create(&options, &client, error, sizeof(error));
 *     permit_glib_attach(client, NULL);
 *
 * The source goes with permit_async_destroy(). */

#include <glib.h>

#include "permit/async.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The context's own. */
struct permit_glib {
    GSource source;              /* First, so that a source is its adapter. */
    struct permit_async *client; /* NULL once it is gone. */
    gpointer tag;                /* Of the descriptor; NULL: none. */
    int conditions;
};

static inline gboolean permit_glib_dispatch(GSource *source,
                                            GSourceFunc callback, gpointer data)
{
    struct permit_glib *adapter = (struct permit_glib *)source;
    gint64 ready_us = g_source_get_ready_time(source);
    int came = adapter->tag == NULL
                   ? 0
                   : (int)g_source_query_unix_fd(source, adapter->tag);

    (void)callback;
    (void)data;
    if (ready_us >= 0 && ready_us <= g_source_get_time(source)) {
        g_source_set_ready_time(source, -1);
        permit_async_timer(adapter->client);
    }
    /* Each is harmless where it is not waited for; an error is for whoever is
     * there. What comes first may end the client. */
    if (adapter->client != NULL && (came & (G_IO_OUT | G_IO_ERR | G_IO_HUP))) {
        permit_async_writable(adapter->client);
    }
    if (adapter->client != NULL && (came & (G_IO_IN | G_IO_ERR | G_IO_HUP))) {
        permit_async_readable(adapter->client);
    }
    return G_SOURCE_CONTINUE;
}

static inline int permit_glib_watch(void *arg, int fd, int conditions)
{
    struct permit_glib *adapter = (struct permit_glib *)arg;

    adapter->conditions = conditions;
    if (adapter->tag == NULL) {
        adapter->tag = g_source_add_unix_fd(&adapter->source, fd,
                                            (GIOCondition)conditions);
    } else if (conditions != 0) {
        g_source_modify_unix_fd(&adapter->source, adapter->tag,
                                (GIOCondition)conditions);
    } else {
        g_source_remove_unix_fd(&adapter->source, adapter->tag);
        adapter->tag = NULL;
    }
    return 0;
}

static inline int permit_glib_add_read(void *arg, int fd)
{
    return permit_glib_watch(arg, fd,
                             ((struct permit_glib *)arg)->conditions | G_IO_IN);
}

static inline void permit_glib_del_read(void *arg, int fd)
{
    (void)permit_glib_watch(arg, fd,
                            ((struct permit_glib *)arg)->conditions & ~G_IO_IN);
}

static inline int permit_glib_add_write(void *arg, int fd)
{
    return permit_glib_watch(
        arg, fd, ((struct permit_glib *)arg)->conditions | G_IO_OUT);
}

static inline void permit_glib_del_write(void *arg, int fd)
{
    (void)permit_glib_watch(
        arg, fd, ((struct permit_glib *)arg)->conditions & ~G_IO_OUT);
}

static inline int permit_glib_set_timer(void *arg, int64_t in_ms)
{
    gint64 now_us = g_get_monotonic_time();

    g_source_set_ready_time(&((struct permit_glib *)arg)->source,
                            in_ms < 0 ? -1
                            : in_ms < (G_MAXINT64 - now_us) / 1000
                                ? now_us + in_ms * 1000
                                : G_MAXINT64);
    return 0;
}

static inline void permit_glib_detach(void *arg)
{
    struct permit_glib *adapter = (struct permit_glib *)arg;

    adapter->client = NULL;
    g_source_destroy(&adapter->source);
    g_source_unref(&adapter->source);
}

/* As permit_async_attach(). NULL is the default context. */
static inline enum permit_status permit_glib_attach(struct permit_async *client,
                                                    GMainContext *context)
{
    static GSourceFuncs functions = {NULL, NULL, permit_glib_dispatch,
                                     NULL, NULL, NULL};
    struct permit_loop loop = PERMIT_LOOP_INIT;
    struct permit_glib *adapter = (struct permit_glib *)g_source_new(
        &functions, sizeof(struct permit_glib));
    enum permit_status status;

    adapter->client = client;
    adapter->tag = NULL;
    adapter->conditions = 0;
    loop.arg = adapter;
    loop.add_read = permit_glib_add_read;
    loop.del_read = permit_glib_del_read;
    loop.add_write = permit_glib_add_write;
    loop.del_write = permit_glib_del_write;
    loop.set_timer = permit_glib_set_timer;
    loop.detach = permit_glib_detach;
    (void)g_source_attach(&adapter->source, context);
    status = permit_async_attach(client, &loop);
    if (status != PERMIT_OK) {
        permit_glib_detach(adapter);
    }
    return status;
}

#ifdef __cplusplus
}
#endif

#endif
