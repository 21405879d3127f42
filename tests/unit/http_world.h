/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HTTP_WORLD_H
#define TESTS_HTTP_WORLD_H

/* The status endpoint over real sockets, on one loop with its clients. The
 * sessions and the engine behind it are made by hand: what they tell is what is
 * expected. */

#include "http/http.h"

#include <cjson/cJSON.h>
#include <event2/event.h>

#define CONNECTIONS_MAX 4

/* What the daemon knows. */
extern size_t semaphores_count;
extern size_t holders_count;
extern char label_value[]; /* Of the label of each holder and waiter. */
/* How often they were looked at. */
extern size_t semaphores_views;
extern size_t holders_views;
extern struct engine_totals totals;
extern struct http_facts facts;

extern struct event_base *base;
extern struct http *http;

/* Makes the base, and a socket that listens. */
struct http_options http_world_options(void);

/* A checked fixture. */
void http_world_start(void);
void http_world_stop(void);

struct client {
    int fd;
    struct event *event;
    struct evbuffer *answer;
    bool is_closed;
};

/* Connects and sends; the loop need not run. */
struct client client_open(const char *request);
void client_send(struct client *client, const char *bytes, size_t length);

/* From now on the loop reads what comes. *client must stay where it is. */
void client_watch(struct client *client);

/* Runs the loop until the connection is closed. Returns the turns. */
int client_wait(struct client *client);

void client_close(struct client *client);

/* Sends a request, and returns all that came until the connection was closed;
 * the caller frees it. */
char *exchange(const char *request);
char *get(const char *path);

/* Parses what comes after the head of an answer; the caller deletes it. */
cJSON *body_of(const char *answer);

/* Expects 200 and JSON. */
cJSON *get_json(const char *path);

#endif
