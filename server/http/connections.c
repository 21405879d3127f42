/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/time.h>

#include <event2/bufferevent.h>

#include "http_private.h"

/* How long to wait after accept() failed, when descriptors ran out, say. */
#define ACCEPT_AGAIN_MS 100

/* evhttp neither counts its connections nor bounds a request's time in all. So
 * the bufferevent of each is made here, its evhttp_connection found once evhttp
 * has it, and both watched until it is closed. */
struct http_connection {
    LIST_ENTRY(http_connection) entry;
    struct http *http;
    struct bufferevent *bufferevent;
    struct event *event; /* Adopts at once, then ends it at its deadline. */
    bool is_adopted;
};

/* The error callback of evhttp's listener gets evhttp's argument, not ours. */
static struct http *listening_http;

static struct timeval timeval_from_ms(int64_t ms)
{
    struct timeval time = {(time_t)(ms / 1000),
                           (suseconds_t)(ms % 1000 * 1000)};

    return time;
}

/* ------------------------------------------------------------- connections */

static void connection_destroy(struct http_connection *connection)
{
    struct http *http = connection->http;

    LIST_REMOVE(connection, entry);
    http->connections_count--;
    if (!connection->is_adopted) {
        bufferevent_decref(connection->bufferevent);
    }
    event_free(connection->event);
    free(connection);
    if (http->listener != NULL) {
        (void)evconnlistener_enable(http->listener);
    }
}

static void on_close(struct evhttp_connection *evhttp_connection, void *arg)
{
    (void)evhttp_connection;
    connection_destroy(arg);
}

static void connection_adopt(struct http_connection *connection)
{
    struct timeval timeout = timeval_from_ms(HTTP_REQUEST_MS);
    bufferevent_event_cb event_cb = NULL;
    void *evhttp_connection = NULL;

    bufferevent_getcb(connection->bufferevent, NULL, NULL, &event_cb,
                      &evhttp_connection);
    if (event_cb == NULL || event_add(connection->event, &timeout) != 0) {
        connection_destroy(connection); /* It did not come to life. */
        return;
    }
    connection->is_adopted = true;
    bufferevent_decref(connection->bufferevent);
    evhttp_connection_set_closecb(evhttp_connection, on_close, connection);
}

static void on_connection_event(evutil_socket_t fd, short what, void *arg)
{
    struct http_connection *connection = arg;

    (void)fd;
    (void)what;
    if (!connection->is_adopted) {
        connection_adopt(connection);
        return;
    }
    /* As if nothing had come for too long: evhttp closes it. */
    bufferevent_trigger_event(connection->bufferevent,
                              BEV_EVENT_TIMEOUT | BEV_EVENT_READING, 0);
}

/* evhttp has accepted a connection and asks for its bufferevent. Without
 * memory it makes one itself, and that is not counted. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct http *http = arg;
    struct http_connection *connection = calloc(1, sizeof(*connection));
    struct bufferevent *bufferevent = bufferevent_socket_new(base, -1, 0);

    if (connection == NULL || bufferevent == NULL) {
        goto fail;
    }
    connection->event =
        event_new(base, -1, EV_TIMEOUT, on_connection_event, connection);
    if (connection->event == NULL) {
        goto fail;
    }
    /* What a client sends while it is answered is not read without end. */
    bufferevent_setwatermark(bufferevent, EV_READ, 0,
                             HTTP_HEADER_BYTES_MAX + HTTP_BODY_BYTES_MAX);
    bufferevent_incref(bufferevent); /* Until it is adopted. */
    connection->bufferevent = bufferevent;
    connection->http = http;
    LIST_INSERT_HEAD(&http->connections, connection, entry);
    http->connections_count++;
    if (http->connections_count >= http->options.connections_max) {
        (void)evconnlistener_disable(http->listener);
    }
    event_active(connection->event, EV_TIMEOUT, 0);
    return bufferevent;
fail:
    if (bufferevent != NULL) {
        bufferevent_free(bufferevent);
    }
    free(connection);
    return NULL;
}

/* ---------------------------------------------------------------- listener */

static void on_accept_error(struct evconnlistener *listener, void *evhttp)
{
    struct timeval time = timeval_from_ms(ACCEPT_AGAIN_MS);

    assert(listening_http->evhttp == evhttp);
    (void)evconnlistener_disable(listener);
    (void)event_add(listening_http->accept_again, &time);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    struct http *http = arg;

    (void)fd;
    (void)what;
    if (http->connections_count < http->options.connections_max) {
        (void)evconnlistener_enable(http->listener);
    }
}

static void configure(struct http *http)
{
    /* The deadline of a connection is ours; this one is for a connection that
     * could not be counted. */
    evhttp_set_timeout(http->evhttp, HTTP_REQUEST_MS / 1000);
    evhttp_set_max_headers_size(http->evhttp, HTTP_HEADER_BYTES_MAX);
    evhttp_set_max_body_size(http->evhttp, HTTP_BODY_BYTES_MAX);
    /* All that routes.c answers with 405; evhttp answers others with 501. */
    evhttp_set_allowed_methods(
        http->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                          EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                          EVHTTP_REQ_PATCH | EVHTTP_REQ_OPTIONS);
    evhttp_set_bevcb(http->evhttp, on_accept, http);
    evhttp_set_gencb(http->evhttp, routes_serve, http);
}

/* Returns whether http listens; then it owns options.fd. */
static bool listen_on_fd(struct http *http)
{
    struct evconnlistener *listener =
        evconnlistener_new(http->options.base, NULL, NULL,
                           LEV_OPT_CLOSE_ON_EXEC, 0, http->options.fd);

    if (listener == NULL) {
        return false;
    }
    if (evhttp_bind_listener(http->evhttp, listener) == NULL) {
        evconnlistener_free(listener);
        return false;
    }
    evconnlistener_set_error_cb(listener, on_accept_error);
    http->listener = listener;
    return true;
}

/* ---------------------------------------------------------- create, destroy */

struct http *http_create(const struct http_options *options)
{
    struct http *http = calloc(1, sizeof(*http));

    assert(options->connections_max > 0);
    assert(listening_http == NULL);
    if (http == NULL) {
        return NULL;
    }
    http->options = *options;
    LIST_INIT(&http->connections);
    TAILQ_INIT(&http->pages);
    http->evhttp = evhttp_new(options->base);
    http->accept_again =
        event_new(options->base, -1, EV_TIMEOUT, on_accept_again, http);
    http->work = event_new(options->base, -1, EV_TIMEOUT, page_work, http);
    if (http->evhttp == NULL || http->accept_again == NULL ||
        http->work == NULL) {
        http_destroy(http);
        return NULL;
    }
    configure(http);
    if (!listen_on_fd(http)) {
        http_destroy(http);
        return NULL;
    }
    listening_http = http;
    return http;
}

void http_destroy(struct http *http)
{
    struct http_connection *connection;
    struct http_connection *next;
    bool owns_fd;

    if (http == NULL) {
        return;
    }
    owns_fd = http->listener != NULL;
    http->listener = NULL;
    while (!TAILQ_EMPTY(&http->pages)) {
        page_destroy(TAILQ_FIRST(&http->pages));
    }
    if (http->evhttp != NULL) {
        evhttp_free(http->evhttp); /* With its listener and connections. */
    }
    for (connection = LIST_FIRST(&http->connections); connection != NULL;
         connection = next) {
        next = LIST_NEXT(connection, entry);
        connection_destroy(connection);
    }
    if (http->accept_again != NULL) {
        event_free(http->accept_again);
    }
    if (http->work != NULL) {
        event_free(http->work);
    }
    if (owns_fd) {
        (void)evutil_closesocket(http->options.fd);
        listening_http = NULL;
    }
    free(http);
}

uint32_t http_connections(const struct http *http)
{
    return http->connections_count;
}
