/* SPDX-License-Identifier: MIT */
/* The reference of the bench: a bare libevent echo, one bufferevent a
 * connection with permitd's socket options, that moves its input to its output
 * and does nothing else. Prints its port, and serves until it is killed. */

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void on_read(struct bufferevent *connection, void *arg)
{
    (void)arg;
    (void)evbuffer_add_buffer(bufferevent_get_output(connection),
                              bufferevent_get_input(connection));
}

static void on_end(struct bufferevent *connection, short what, void *arg)
{
    (void)what;
    (void)arg;
    bufferevent_free(connection);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int length, void *arg)
{
    struct bufferevent *connection;
    int one = 1;

    (void)listener;
    (void)address;
    (void)length;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    connection = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
    if (connection == NULL) {
        (void)evutil_closesocket(fd);
        return;
    }
    bufferevent_setcb(connection, on_read, NULL, on_end, NULL);
    (void)bufferevent_enable(connection, EV_READ | EV_WRITE);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct event_base *base = event_base_new();
    struct evconnlistener *listener;

    if (base == NULL) {
        return EXIT_FAILURE;
    }
    listener = evconnlistener_new_bind(
        base, on_accept, base,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 1024,
        (struct sockaddr *)&address, sizeof(address));
    if (listener == NULL ||
        getsockname(evconnlistener_get_fd(listener),
                    (struct sockaddr *)&address, &length) != 0) {
        perror("echo: listen");
        return EXIT_FAILURE;
    }
    printf("%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    (void)event_base_dispatch(base);
    return EXIT_SUCCESS;
}
