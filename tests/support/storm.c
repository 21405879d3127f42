/* SPDX-License-Identifier: MIT */
/* storm SERVER CLIENTS LINGER_MS: very many clients of libpermit in one thread,
 * each with a session of its own that it wants to have a line. Each pings until
 * it is answered; when all were it says on stdout how it was:
 *
 *   CLIENTS up, RESUMED of them in the same session as before, SECONDS
 *
 * Then it waits for a line on stdin, each a new round: "break" ends all of its
 * lines first, "begin" does not. It ends with stdin. */

#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "permit/adapter/libevent.h"
#include "permit/async.h"

#define PAUSE_US 200000 /* Before who was refused asks again. */

struct client {
    struct storm *storm;
    struct permit_async *line;
    struct event *pause;
    uint64_t session_id; /* As of the last round. */
};

struct storm {
    struct event_base *base;
    struct client *clients;
    size_t clients_count;
    size_t up_count; /* In this round. */
    size_t resumed_count;
    struct timespec begun;
};

static _Noreturn void fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "storm: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void say_round(const struct storm *storm)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%zu up, %zu of them in the same session as before, %.3f s\n",
           storm->up_count, storm->resumed_count,
           (double)(now.tv_sec - storm->begun.tv_sec) +
               (double)(now.tv_nsec - storm->begun.tv_nsec) / 1e9);
}

static void on_pong(void *arg, const struct permit_answer *answer)
{
    static const struct timeval pause = {.tv_usec = PAUSE_US};
    struct client *client = arg;
    struct storm *storm = client->storm;
    uint64_t session_id = permit_async_session_id(client->line);

    if (answer->status == PERMIT_E_CLOSED) {
        return; /* At the end of all. */
    }
    if (answer->status != PERMIT_OK) {
        (void)event_add(client->pause, &pause);
        return;
    }
    storm->up_count++;
    storm->resumed_count += session_id == client->session_id;
    client->session_id = session_id;
    if (storm->up_count == storm->clients_count) {
        say_round(storm);
    }
}

static void ping(evutil_socket_t fd, short events, void *arg)
{
    struct client *client = arg;
    struct permit_answer refused = {.text = ""};

    (void)fd;
    (void)events;
    refused.status = permit_async_ping(client->line, on_pong, client);
    if (refused.status != PERMIT_OK) {
        on_pong(client, &refused); /* Too early. */
    }
}

/* All sockets of this process that have a peer are lines. */
static void break_lines(void)
{
    struct rlimit descriptors;
    struct sockaddr_in peer;
    socklen_t bytes;

    (void)getrlimit(RLIMIT_NOFILE, &descriptors);
    for (int fd = 3; fd < (int)descriptors.rlim_cur; fd++) {
        bytes = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0) {
            (void)shutdown(fd, SHUT_RDWR);
        }
    }
}

static void begin_round(struct storm *storm)
{
    storm->up_count = 0;
    storm->resumed_count = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &storm->begun);
    for (size_t i = 0; i < storm->clients_count; i++) {
        ping(-1, 0, &storm->clients[i]);
    }
}

static void on_stdin(evutil_socket_t fd, short events, void *arg)
{
    struct storm *storm = arg;
    char word[64];
    ssize_t length = read(fd, word, sizeof(word) - 1);

    (void)events;
    if (length <= 0) {
        (void)event_base_loopbreak(storm->base);
        return;
    }
    word[length] = '\0';
    if (strcmp(word, "break\n") == 0) {
        break_lines();
    }
    begin_round(storm);
}

static void client_init(struct client *client, struct storm *storm,
                        const struct permit_options *options)
{
    char error[256];

    client->storm = storm;
    client->pause = evtimer_new(storm->base, ping, client);
    if (permit_async_create(options, &client->line, error, sizeof(error)) !=
        PERMIT_OK) {
        fail("client", error);
    }
    if (client->pause == NULL ||
        permit_libevent_attach(client->line, storm->base) != PERMIT_OK) {
        fail("client", "no memory");
    }
}

int main(int argc, char **argv)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct storm storm = {0};
    struct event *input;

    if (argc != 4) {
        fail("usage", "storm SERVER CLIENTS LINGER_MS");
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    options.server = argv[1];
    options.linger_ms = atoll(argv[3]);
    options.answer_timeout_ms = 60000;
    storm.clients_count = strtoul(argv[2], NULL, 10);
    storm.clients = calloc(storm.clients_count, sizeof(*storm.clients));
    storm.base = event_base_new();
    if (storm.clients == NULL || storm.base == NULL) {
        fail("start", "no memory");
    }
    for (size_t i = 0; i < storm.clients_count; i++) {
        client_init(&storm.clients[i], &storm, &options);
    }
    input = event_new(storm.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin,
                      &storm);
    if (input == NULL || event_add(input, NULL) != 0) {
        fail("start", "no memory");
    }
    begin_round(&storm);
    (void)event_base_dispatch(storm.base);
    for (size_t i = 0; i < storm.clients_count; i++) {
        permit_async_destroy(storm.clients[i].line);
        event_free(storm.clients[i].pause);
    }
    event_free(input);
    event_base_free(storm.base);
    free(storm.clients);
    return EXIT_SUCCESS;
}
