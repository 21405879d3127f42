/* SPDX-License-Identifier: MIT */
#include "server_private.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#define ACCEPT_PAUSE_MS 100 /* Without descriptors. */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *peer, int length, void *arg)
{
    struct acceptor *acceptor = arg;
    char host[64] = "";
    char port[16] = "";
    char address[CONNECTION_ADDRESS_BYTES];

    (void)listener;
    acceptor->server->fd_limit_reached = false;
    if (peer->sa_family == AF_UNIX) {
        (void)snprintf(address, sizeof(address), "%.*s",
                       CONNECTION_ADDRESS_BYTES - 1, acceptor->address);
    } else {
        (void)getnameinfo(peer, (socklen_t)length, host, sizeof(host), port,
                          sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
        (void)snprintf(address, sizeof(address),
                       peer->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
                       port);
    }
    connections_add(acceptor->server->connections, fd, host, address);
}

void server_set_accepting(struct server *server, bool is_on)
{
    for (size_t i = 0; i < server->acceptors_count; i++) {
        if (is_on) {
            (void)evconnlistener_enable(server->acceptors[i].listener);
        } else {
            (void)evconnlistener_disable(server->acceptors[i].listener);
        }
    }
}

/* Without descriptors a listener would spin: it is off for a while. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct acceptor *acceptor = arg;
    struct timeval pause = server_after_ms(ACCEPT_PAUSE_MS);

    (void)listener;
    if (!acceptor->server->fd_limit_reached) { /* Once, until one is there. */
        log_event(LOG_WARNING, "accept_failed", "error=\"%s\"",
                  strerror(EVUTIL_SOCKET_ERROR()));
    }
    acceptor->server->fd_limit_reached = true;
    server_set_accepting(acceptor->server, false);
    (void)event_add(acceptor->server->accept_pause, &pause);
}

static void on_accept_pause(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd;
    (void)what;
    if (!server->is_stopping) {
        server_set_accepting(server, true);
    }
}

enum server_exit server_to_exit(enum listener_result result)
{
    return result == LISTENER_INVALID ? SERVER_EXIT_CONFIG
                                      : SERVER_EXIT_ADDRESS;
}

enum server_exit server_open_listeners(struct server *server,
                                       char error[SERVER_ERROR_BYTES])
{
    const struct config *config = server->started;

    server->accept_pause = evtimer_new(server->base, on_accept_pause, server);
    if (server->accept_pause == NULL) {
        return SERVER_EXIT_SYSTEM;
    }
    for (size_t i = 0; i < config->listen_count; i++) {
        struct acceptor *acceptor = &server->acceptors[i];
        int fd = -1;
        enum listener_result result =
            listener_open(config->listen[i], config->insecure_listen, &fd,
                          acceptor->address, error);
        if (result != LISTENER_OPEN) {
            return server_to_exit(result);
        }
        acceptor->server = server;
        acceptor->listener = evconnlistener_new(
            server->base, on_accept, acceptor,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
        if (acceptor->listener == NULL) {
            (void)close(fd);
            return SERVER_EXIT_SYSTEM;
        }
        evconnlistener_set_error_cb(acceptor->listener, on_accept_error);
        server->acceptors_count++;
    }
    return SERVER_EXIT_STOPPED;
}

void server_close_listeners(struct server *server)
{
    for (size_t i = 0; i < server->acceptors_count; i++) {
        const char *address = server->acceptors[i].address;
        evconnlistener_free(server->acceptors[i].listener);
        if (strncmp(address, "unix:", 5) == 0) {
            (void)unlink(address + 5);
        }
    }
    server_free_event(server->accept_pause);
}
