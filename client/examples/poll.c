/* SPDX-License-Identifier: MIT */
/* Holds a permit as long as its stdin is open, in a loop of its own around
 * poll(2).
 *
 *     permit set jobs --permits 3
 *     cc poll.c $(pkg-config --cflags --libs permit) -o holder
 *     ./holder jobs                   # until Ctrl-D
 *
 * Says its place while it waits, and at once when the grant is lost. The end of
 * stdin ends the wait, or gives back. $PERMIT_SERVER must be an address in
 * numbers or a Unix path, for to look up a name would block; see
 * permit_async_set_resolver(). Exits with 0 if it held the permit to the end,
 * with 75 if stdin ended before it was granted. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include <permit/adapter/poll.h>
#include <permit/async.h>

struct program {
    struct permit_async *client;
    uint64_t request_id;
    struct permit_grant *grant; /* NULL while it waits. */
    bool is_ended;
    int code;
};

static void end(struct program *program, int code)
{
    program->is_ended = true;
    program->code = code;
}

/* --------------------------------------------------------------- callbacks */

static void on_waiting(void *arg, const struct permit_waiting *waiting)
{
    (void)arg;
    printf("waiting: %" PRIu64 " of %" PRIu64 ", %" PRIu64 "/%" PRIu64
           " held\n",
           waiting->position, waiting->queue_length, waiting->held,
           waiting->permits);
}

/* Comes before the server gives the permit to another: what it protects ends
 * here. */
static void on_lost(void *arg, struct permit_grant *grant,
                    enum permit_loss loss)
{
    (void)grant;
    fprintf(stderr, "poll: lost: %s\n", permit_loss_name(loss));
    end(arg, EXIT_FAILURE);
}

static void on_acquired(void *arg, const struct permit_answer *answer)
{
    struct program *program = arg;

    if (answer->status == PERMIT_OK) {
        program->grant = answer->grant; /* Ours now. */
        printf("granted: fence %" PRIu64 "\n",
               permit_grant_fence(program->grant));
    } else if (answer->status == PERMIT_E_CANCELLED) {
        end(program, EX_TEMPFAIL);
    } else {
        fprintf(stderr, "poll: %s\n", answer->text);
        end(program, EXIT_FAILURE);
    }
}

static void on_released(void *arg, const struct permit_answer *answer)
{
    if (answer->status == PERMIT_OK) {
        printf("released\n");
        end(arg, EXIT_SUCCESS);
    } else {
        fprintf(stderr, "poll: %s\n", answer->text);
        end(arg, EXIT_FAILURE);
    }
}

/* Both answer in a callback: the loop goes on until then. */
static void on_stdin_end(struct program *program)
{
    enum permit_status status;

    if (program->grant == NULL) {
        status = permit_async_cancel(program->client, program->request_id);
    } else {
        status = permit_async_release(program->grant, 0, on_released, program);
    }
    if (status != PERMIT_OK) {
        fprintf(stderr, "poll: %s\n", permit_strerror(status));
        end(program, EXIT_FAILURE);
    }
}

/* ---------------------------------------------------------------- the loop */

static void loop(struct program *program, struct permit_poll *tie)
{
    int stdin_fd = STDIN_FILENO; /* -1 once it ended: poll() leaves it out. */
    char bytes[4096];

    while (!program->is_ended) {
        struct pollfd fds[2] = {permit_poll_fd(tie),
                                {.fd = stdin_fd, .events = POLLIN}};

        if (poll(fds, 2, permit_poll_timeout_ms(tie)) == -1 && errno != EINTR) {
            perror("poll: poll");
            end(program, EXIT_FAILURE);
        }
        permit_poll_handle(tie, fds[0].revents);
        if (fds[1].revents != 0 && !program->is_ended &&
            read(stdin_fd, bytes, sizeof(bytes)) <= 0) {
            stdin_fd = -1;
            on_stdin_end(program);
        }
    }
}

int main(int argc, char **argv)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct program program = {.is_ended = false};
    enum permit_status status;
    struct permit_poll tie;
    char error[256];

    if (argc != 2) {
        fprintf(stderr, "usage: poll SEMAPHORE\n");
        return EX_USAGE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (permit_async_create(NULL, &program.client, error, sizeof(error)) !=
        PERMIT_OK) {
        fprintf(stderr, "poll: %s\n", error);
        return EX_UNAVAILABLE;
    }
    request.semaphore = argv[1];
    request.on_waiting = on_waiting;
    request.on_lost = on_lost;
    request.on_lost_arg = &program;
    status = permit_poll_attach(program.client, &tie);
    if (status == PERMIT_OK) {
        status = permit_async_acquire(program.client, &request, on_acquired,
                                      &program, &program.request_id);
    }
    if (status == PERMIT_OK) {
        loop(&program, &tie);
    } else {
        permit_async_last_error(program.client, error, sizeof(error));
        fprintf(stderr, "poll: %s\n", error);
        program.code = EXIT_FAILURE;
    }
    permit_grant_destroy(program.grant);
    permit_async_destroy(program.client);
    return program.code;
}
