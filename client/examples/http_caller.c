/* SPDX-License-Identifier: MIT */
/* Calls somebody's HTTP API no more often than it allows, however many of these
 * run, on however many machines.
 *
 *     permit set api --rate 10/s --burst 20
 *     cc http_caller.c $(pkg-config --cflags --libs permit) -o http_caller
 *     ./http_caller api 127.0.0.1 8080 /items 30
 *
 * A call takes a token of the RATE first, and waits for it at the server, in
 * the order of all who wait. Tokens are taken for good: there is no grant, and
 * nothing to release.
 *
 * The HTTP in here is as little as can be: one request a connection, of which
 * only the first line of the answer is read. Put your own library in its place.
 *
 * Exits with 0 if each call was answered with 2xx. */
#define _POSIX_C_SOURCE 200809L

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <permit/permit.h>

struct api {
    const char *host;
    const char *port;
    const char *path;
};

static int connect_to(const struct api *api)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses;
    int fd = -1;

    if (getaddrinfo(api->host, api->port, &hints, &addresses) != 0) {
        return -1;
    }
    for (struct addrinfo *one = addresses; one != NULL && fd < 0;
         one = one->ai_next) {
        fd = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
        if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) < 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(addresses);
    return fd;
}

/* Sends a GET. Returns the status of the answer, or -1. */
static int call(const struct api *api)
{
    char text[1024];
    int status = -1;
    int fd = connect_to(api);
    int length;
    FILE *answer;

    if (fd < 0) {
        return -1;
    }
    length = snprintf(text, sizeof(text),
                      "GET %s HTTP/1.1\r\nHost: %s:%s\r\n"
                      "Connection: close\r\n\r\n",
                      api->path, api->host, api->port);
    if (length < 0 || (size_t)length >= sizeof(text) ||
        send(fd, text, (size_t)length, MSG_NOSIGNAL) != length) {
        close(fd);
        return -1;
    }
    answer = fdopen(fd, "r");
    if (answer == NULL) {
        close(fd);
        return -1;
    }
    if (fgets(text, sizeof(text), answer) != NULL &&
        strncmp(text, "HTTP/1.", 7) == 0 && strlen(text) >= 12) {
        status = atoi(text + 9);
    }
    fclose(answer);
    return status;
}

/* Waits for a token of the rate, at most ten seconds. */
static enum permit_status take_token(struct permit_client *client,
                                     const char *rate)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = NULL;
    enum permit_status status;

    request.semaphore = rate;
    request.wait_ms = 10000;
    status = permit_acquire(client, &request, &grant);
    /* Of a RATE there is no grant. If somebody has defined a semaphore that is
     * to be given back, this is the wrong program for it. */
    if (grant != NULL) {
        fprintf(stderr, "http_caller: %s is no rate\n", rate);
        permit_grant_destroy(grant);
        return PERMIT_E_INVALID;
    }
    if (status != PERMIT_OK) {
        char error[256];

        permit_client_last_error(client, error, sizeof(error));
        fprintf(stderr, "http_caller: %s\n", error);
    }
    return status;
}

int main(int argc, char **argv)
{
    long calls = argc == 6 ? strtol(argv[5], NULL, 10) : 1;
    struct permit_client *client;
    struct api api;
    char error[256];
    int status = 200;

    if (argc < 5 || argc > 6 || calls < 1) {
        fprintf(stderr, "usage: http_caller RATE HOST PORT PATH [CALLS]\n");
        return EX_USAGE;
    }
    api = (struct api){.host = argv[2], .port = argv[3], .path = argv[4]};
    if (permit_client_create(NULL, &client, error, sizeof(error)) !=
        PERMIT_OK) {
        fprintf(stderr, "http_caller: %s\n", error);
        return EX_UNAVAILABLE;
    }
    for (long i = 0; i < calls && status / 100 == 2; i++) {
        status = take_token(client, argv[1]) == PERMIT_OK ? call(&api) : -1;
        printf("%s: %d\n", api.path, status);
    }
    permit_client_destroy(client);
    return status / 100 == 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}
