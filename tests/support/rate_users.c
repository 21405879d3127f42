/* SPDX-License-Identifier: MIT */
/* rate_users SERVER SEMAPHORE PROCESSES SECONDS: processes that share one rate.
 * Each has a client of libpermit and asks for one permit for good after
 * another; all begin at one moment, when all are connected. Prints how many
 * each got, and the seconds from the first question to the last answer:
 *
 *   SECONDS COUNT COUNT ... */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "permit/permit.h"

#define NS_PER_SECOND 1000000000u
#define PATIENCE_MS 20000

struct result {
    uint64_t count;
    uint64_t last_ns; /* When the latest came. */
};

static _Noreturn void fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "rate_users: %s: %s\n", what, why);
    _exit(EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static void make_pipe(int fds[2])
{
    if (pipe(fds) != 0) {
        fail("pipe", "none");
    }
}

/* A process of its own: says that it is ready, and begins when nobody has the
 * other end of `go` any more. */
static _Noreturn void use(const char *server, const char *semaphore,
                          double seconds, int go, int results)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct result result = {0};
    struct permit_client *client;
    enum permit_status status;
    char error[256];
    uint64_t until_ns;

    options.server = server;
    status = permit_client_create(&options, &client, error, sizeof(error));
    if (status != PERMIT_OK) {
        fail("connect", error);
    }
    request.semaphore = semaphore;
    request.wait_ms = PATIENCE_MS;
    request.consume = true;
    if (write(results, &result, sizeof(result)) != sizeof(result) ||
        read(go, error, 1) != 0) {
        fail("begin", "the others are gone");
    }
    until_ns = now_ns() + (uint64_t)(seconds * NS_PER_SECOND);
    while (now_ns() < until_ns) {
        status = permit_acquire(client, &request, NULL);
        if (status != PERMIT_OK) {
            fail("acquire", permit_strerror(status));
        }
        result.count++;
        result.last_ns = now_ns();
    }
    if (write(results, &result, sizeof(result)) != sizeof(result)) {
        fail("end", "the others are gone");
    }
    permit_client_destroy(client);
    _exit(EXIT_SUCCESS);
}

static struct result next_result(int results)
{
    struct result result;

    if (read(results, &result, sizeof(result)) != sizeof(result)) {
        fail("results", "a process is gone");
    }
    return result;
}

int main(int argc, char **argv)
{
    int processes = argc == 5 ? atoi(argv[3]) : 0;
    uint64_t counts[64];
    uint64_t start_ns;
    uint64_t last_ns = 0;
    int results[2];
    int go[2];

    if (processes < 1 || processes > 64) {
        (void)fprintf(stderr, "usage: rate_users SERVER SEMAPHORE PROCESSES "
                              "SECONDS\n");
        return 64;
    }
    make_pipe(results);
    make_pipe(go);
    for (int i = 0; i < processes; i++) {
        if (fork() == 0) {
            (void)close(go[1]);
            (void)close(results[0]);
            use(argv[1], argv[2], strtod(argv[4], NULL), go[0], results[1]);
        }
    }
    (void)close(results[1]);
    for (int i = 0; i < processes; i++) {
        (void)next_result(results[0]);
    }
    start_ns = now_ns();
    (void)close(go[1]);
    for (int i = 0; i < processes; i++) {
        struct result result = next_result(results[0]);
        counts[i] = result.count;
        last_ns = result.last_ns > last_ns ? result.last_ns : last_ns;
    }
    while (wait(NULL) > 0) {
    }
    printf("%.9f", (double)(last_ns - start_ns) / NS_PER_SECOND);
    for (int i = 0; i < processes; i++) {
        printf(" %llu", (unsigned long long)counts[i]);
    }
    putchar('\n');
    return EXIT_SUCCESS;
}
