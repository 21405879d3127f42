/* SPDX-License-Identifier: MIT */
/* A program of somebody else, C11 and C++17: it uses both faces of libpermit,
 * and functions of its own that are named like those inside of the library. */
#define _POSIX_C_SOURCE 200809L /* For poll(). */
#include <stdio.h>
#include <stdlib.h>

#include <permit/adapter/poll.h>
#include <permit/async.h>
#include <permit/permit.h>

/* What the library has too, inside. */
#define OWN(X)                                                                 \
    X(core_create)                                                             \
    X(core_release)                                                            \
    X(frame_parse)                                                             \
    X(list_create)                                                             \
    X(memory_take)                                                             \
    X(transport_read)                                                          \
    X(wire_decode_server)

#ifdef __cplusplus
extern "C" {
#endif
#define X(name)                                                                \
    int name(void);                                                            \
    int name(void)                                                             \
    {                                                                          \
        return 1;                                                              \
    }
OWN(X)
#undef X
#ifdef __cplusplus
}
#endif

static void must(enum permit_status status, const char *what)
{
    if (status != PERMIT_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, permit_strerror(status));
        exit(EXIT_FAILURE);
    }
}

static void block(void)
{
    struct permit_definition definition = PERMIT_DEFINITION_INIT;
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_client *client = NULL;
    struct permit_grant *grant = NULL;
    struct permit_list *list = NULL;

    must(permit_client_create(NULL, &client, NULL, 0), "create");
    definition.fields = PERMIT_DEFINE_PERMITS;
    definition.permits = 3;
    must(permit_define(client, "jobs", &definition), "define");
    request.semaphore = "jobs";
    request.permits = 2;
    must(permit_acquire(client, &request, &grant), "acquire");
    must(permit_query(client, "jobs", &list), "query");
    (void)printf("held %u\n", (unsigned)permit_list_semaphore(list, 0)->held);
    permit_list_destroy(list);
    must(permit_grant_release(grant, 0), "release");
    permit_grant_destroy(grant);
    permit_client_destroy(client);
}

static void take_answer(void *arg, const struct permit_answer *answer)
{
    must(answer->status, "ping");
    *(int *)arg = 1;
}

static void loop(void)
{
    struct permit_poll tie;
    struct permit_async *client = NULL;
    int answered = 0;

    must(permit_async_create(NULL, &client, NULL, 0), "create");
    must(permit_poll_attach(client, &tie), "attach");
    must(permit_async_ping(client, take_answer, &answered), "ask");
    while (!answered) {
        struct pollfd fd = permit_poll_fd(&tie);

        (void)poll(&fd, 1, permit_poll_timeout_ms(&tie));
        permit_poll_handle(&tie, fd.revents);
    }
    permit_async_destroy(client);
    (void)printf("answered\n");
}

int main(void)
{
    int own = 0;

    block();
    loop();
#define X(name) own += name();
    OWN(X)
#undef X
    (void)printf("own %d\n", own);
    return permit_check_version(PERMIT_VERSION_NUM) ? EXIT_SUCCESS
                                                    : EXIT_FAILURE;
}
