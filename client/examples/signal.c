/* SPDX-License-Identifier: MIT */
/* A signal from one process to another that cannot be missed: a COUNTING
 * semaphore that starts at 0.
 *
 *     cc signal.c $(pkg-config --cflags --libs permit) -o signal
 *     ./signal wait deployed 60000     # one process, for at most a minute
 *     ./signal post deployed           # another, before or after that
 *
 * A condition variable or a message tells only those who wait already. What is
 * posted here is a number on the server: who comes later takes it. Each is
 * taken at most once, for good: one post wakes one waiter, two posts wake two.
 * (A waiter that is killed in the moment of taking takes it along.)
 *
 * Exits with 0 when it is posted, or was taken; with 75 if none came in time,
 * with 74 if the connection broke so that nobody knows: a signal that must not
 * come twice is then not to be repeated blindly. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <permit/permit.h>

/* Both sides say it, for either may be the first; said again with the same
 * start it changes nothing, also not the value. */
static enum permit_status define(struct permit_client *client, const char *name)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;

    definition.fields = PERMIT_DEFINE_KIND | PERMIT_DEFINE_PERMITS;
    definition.kind = PERMIT_COUNTING;
    definition.permits = 0;
    return permit_define(client, name, &definition);
}

static enum permit_status post(struct permit_client *client, const char *name)
{
    uint64_t available;
    enum permit_status status = permit_post(client, name, 1, &available);

    if (status == PERMIT_OK) {
        printf("posted: %" PRIu64 " not taken yet\n", available);
    }
    return status;
}

/* Takes one for good: there is no grant that would give it back when this
 * process ends. The server keeps the deadline, so a post and the end of the
 * wait can never both happen to one waiter. */
static enum permit_status take(struct permit_client *client, const char *name,
                               int64_t wait_ms)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    enum permit_status status;

    request.semaphore = name;
    request.consume = true;
    request.wait_ms = wait_ms;
    status = permit_acquire(client, &request, NULL);
    if (status == PERMIT_OK) {
        printf("taken\n");
    }
    return status;
}

static int exit_code(enum permit_status status)
{
    if (status == PERMIT_E_TIMEOUT || status == PERMIT_E_WOULD_BLOCK) {
        return EX_TEMPFAIL;
    }
    if (status == PERMIT_E_OUTCOME_UNKNOWN || status == PERMIT_E_NO_ANSWER) {
        return EX_IOERR;
    }
    return status == PERMIT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int usage(void)
{
    fprintf(stderr, "usage: signal post NAME\n"
                    "       signal wait NAME [TIMEOUT_MS]\n");
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    bool is_post = argc == 3 && strcmp(argv[1], "post") == 0;
    bool is_wait = (argc == 3 || argc == 4) && strcmp(argv[1], "wait") == 0;
    int64_t wait_ms = -1; /* No limit. */
    struct permit_client *client;
    enum permit_status status;
    char error[256];
    char *end = "";

    if (is_wait && argc == 4) {
        wait_ms = strtoll(argv[3], &end, 10);
    }
    if ((!is_post && !is_wait) || *end != '\0' || wait_ms < -1) {
        return usage();
    }
    if (permit_client_create(NULL, &client, error, sizeof(error)) !=
        PERMIT_OK) {
        fprintf(stderr, "signal: %s\n", error);
        return EX_UNAVAILABLE;
    }
    status = define(client, argv[2]);
    if (status == PERMIT_OK) {
        status =
            is_post ? post(client, argv[2]) : take(client, argv[2], wait_ms);
    }
    if (status != PERMIT_OK) {
        permit_client_last_error(client, error, sizeof(error));
        fprintf(stderr, "signal: %s\n", error);
    }
    permit_client_destroy(client);
    return exit_code(status);
}
