/* SPDX-License-Identifier: MIT */
#ifndef HTTP_PRIVATE_H
#define HTTP_PRIVATE_H

/* What the files of the status endpoint share; everybody else includes http.h.
 */

#include <sys/queue.h>

#include <event2/http.h>
#include <event2/listener.h>

#include "http.h"
#include "json.h"

/* Slices that what only looks at rows looks at in a turn. */
#define SCAN_SLICES 4

struct http_connection;
struct metrics;
struct page;

struct http {
    struct http_options options;
    struct evhttp *evhttp;
    struct evconnlistener *listener; /* Belongs to evhttp. */
    struct event *accept_again;      /* After the descriptors ran out. */
    LIST_HEAD(, http_connection) connections;
    uint32_t connections_count;
    struct event *work;       /* A turn at one of: */
    TAILQ_HEAD(, page) pages; /* Under way. */
};

/* A page's wanted part. */
struct query {
    const char *state; /* NULL: any. A constant. */
    char prefix[WIRE_NAME_BYTES_MAX + 1];
    size_t offset;
    size_t limit;
};

/* ---------------------------------------------------------------- requests */

/* evhttp's callback for every request. */
void routes_serve(struct evhttp_request *request, void *arg);

/* ------------------------------------------------------------------ replies */

/* Each answers the request, and never fails but by closing its connection. */

/* Takes ownership of body; NULL says that memory failed. */
void reply_json(struct evhttp_request *request, cJSON *body);
void reply_text(struct evhttp_request *request, const char *text);
/* Sends what is in body, and leaves it empty. */
void reply_body(struct evhttp_request *request, const char *type,
                struct evbuffer *body);

/* RFC 9457. detail says what to do. */
void reply_problem(struct evhttp_request *request, int code,
                   enum permit_status reason, const char *detail);
void reply_no_memory(struct evhttp_request *request);
void reply_no_semaphore(struct evhttp_request *request);
/* As an object to add to and give to reply_problem_json(), or NULL. */
cJSON *problem_json(struct evhttp_request *request, int code,
                    enum permit_status reason, const char *detail);
void reply_problem_json(struct evhttp_request *request, int code,
                        cJSON *problem);

/* ---------------------------------------------------------------- resources */

void status_serve(struct http *http, struct evhttp_request *request);
void status_serve_version(struct http *http, struct evhttp_request *request);
void status_serve_live(struct http *http, struct evhttp_request *request);
void status_serve_ready(struct http *http, struct evhttp_request *request);
bool status_is_ready(const struct http_facts *facts,
                     const struct engine_totals *engine);

/* One semaphore. */
void page_serve_semaphore(struct http *http, struct evhttp_request *request,
                          const char *name);

/* A page of semaphores, or of the holders or waiters of `name`. */
void page_serve(struct http *http, struct evhttp_request *request,
                enum wire_list_kind kind, const char *name);

/* Metrics, a page too. */
void page_serve_metrics(struct http *http, struct evhttp_request *request);

/* Works at the first page: the callback of http->work. */
void page_work(evutil_socket_t fd, short what, void *arg);

/* Forgets a page under way, without an answer. */
void page_destroy(struct page *page);

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Takes the snapshot of what the configuration names. Returns NULL without
 * memory. */
struct metrics *metrics_create(const struct http_options *options);
void metrics_destroy(struct metrics *metrics); /* Accepts NULL. */

/* Does a turn's work: adds to body. Returns false without memory. */
bool metrics_continue(struct metrics *metrics, struct evbuffer *body,
                      bool *ret_is_whole);

/* Reads the query of a page. Returns NULL, or what is wrong with it; then
 * *ret_reason says of which sort. */
const char *query_parse(struct evhttp_request *request,
                        enum wire_list_kind kind, struct query *ret_query,
                        enum permit_status *ret_reason);

#endif
