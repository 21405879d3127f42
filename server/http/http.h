/* SPDX-License-Identifier: MIT */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

/* The status endpoint: what the daemon knows, as JSON and as metrics over HTTP,
 * read only.
 *
 * It runs on the daemon's loop, with a listener of its own, over evhttp. One
 * request a connection, which is closed at the latest HTTP_REQUEST_MS after it
 * was accepted, whatever came by then; at the limit of connections it accepts
 * no more until one closes. It changes nothing: actions are not served.
 *
 * What evhttp cannot do: requests that it cannot parse itself (400, 413, 501)
 * get its own short page instead of a problem in JSON; a client that shuts down
 * its sending side before the answer may get none.
 *
 * Law: a turn of the loop renders at most HTTP_SLICE_ROWS rows, so that a page
 * of any size never stalls the protocol. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "session.h"

#define HTTP_HEADER_BYTES_MAX 8192
#define HTTP_BODY_BYTES_MAX 65536
#define HTTP_REQUEST_MS 5000
#define HTTP_PAGE_ROWS_MAX 1024
#define HTTP_SLICE_ROWS 64
#define HTTP_METRICS_SEMAPHORES_MAX 1000 /* That have series of their own. */

struct http;

/* What only the server knows. Strings live until http_destroy(). */
struct http_facts {
    uint64_t now_ns; /* The engine's clock, for ages. */
    int64_t now_ms;  /* The wall clock, ms since the epoch, as are: */
    int64_t start_ms;
    int64_t config_loaded_ms; /* -1: it has no configuration. */
    int64_t uptime_ms;
    const char *boot_id;
    const char *name;       /* "permitd@host". */
    const char *version;    /* "0.1.0". */
    const char *revision;   /* NULL: unknown. */
    const char *store_kind; /* "memory". */
    const char *store_sync; /* NULL: it does not say. */
    bool store_failed;
    bool grants_survive_restart;
    bool last_reload_ok;
    bool fd_limit_reached;
    uint32_t connections;
    uint32_t connections_max;
};

struct http_options {
    struct event_base *base;
    struct sessions *sessions;
    const struct engine *engine;
    int fd; /* Listening and non-blocking; taken over on success. */
    uint32_t connections_max;
    /* Names that `Host` may have besides localhost and IP addresses. */
    const char *const *allowed_hosts;
    size_t allowed_hosts_count;
    void (*get_facts)(void *arg, struct http_facts *ret_facts);
    /* The names in the configuration, in the order of their bytes; NULL after
     * the last. Each lives until the next turn of the loop. */
    const char *(*get_configured)(void *arg, size_t index);
    void *arg;
};

/* All in options but fd is borrowed until http_destroy(). Returns NULL without
 * memory. */
struct http *http_create(const struct http_options *options);

/* Closes all its connections at once, and the listener. Accepts NULL. */
void http_destroy(struct http *http);

/* How many connections are open now. */
uint32_t http_connections(const struct http *http);

#endif
