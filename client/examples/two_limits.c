/* SPDX-License-Identifier: MIT */
/* A job that needs a slot of a database and a token of an API: both at once, or
 * neither.
 *
 *     permit set db --permits 8
 *     permit set api --rate 10/s --burst 20
 *     cc two_limits.c $(pkg-config --cflags --libs permit) -o two_limits
 *     ./two_limits db api 5000    # waits for at most five seconds; 0: a try
 *
 * Who takes them one after the other holds a slot while he waits for a token,
 * or has wasted a token when there is no slot; and two who take them in
 * different orders may wait for each other. One acquire does neither: a waiter
 * holds nothing. The token is gone for good; the slot is the grant.
 *
 * Exits with 75 if they were not to be had in time, and says what lacked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include <permit/permit.h>

/* Stands for the work. */
static void work(const struct permit_grant *grant)
{
    printf("working, with fence %" PRIu64 "\n", permit_grant_fence(grant));
}

static int explain(struct permit_client *client, enum permit_status status,
                   const struct permit_refusal *refusal)
{
    char error[256];

    permit_client_last_error(client, error, sizeof(error));
    fprintf(stderr, "two_limits: %s\n", error);
    if (status != PERMIT_E_WOULD_BLOCK && status != PERMIT_E_RATE_LIMITED &&
        status != PERMIT_E_TIMEOUT) {
        return EXIT_FAILURE;
    }
    fprintf(stderr, "%s: number %" PRIu64 ", %" PRIu64 " in the way",
            refusal->semaphore, refusal->position, refusal->permits_in_the_way);
    if (refusal->has_oldest) {
        fprintf(stderr, ", the oldest of %s", refusal->oldest_name);
    }
    if (refusal->retry_after_ms > 0) {
        fprintf(stderr, ", try again after %" PRId64 " ms",
                refusal->retry_after_ms);
    }
    fprintf(stderr, "\n");
    return EX_TEMPFAIL;
}

static int run(struct permit_client *client, const char *db, const char *api,
               int64_t wait_ms)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    const struct permit_acquire_part also[] = {
        {.semaphore = api, .permits = 1}};
    struct permit_refusal refusal = {0};
    struct permit_grant *grant;
    enum permit_status status;

    request.semaphore = db;
    request.also = also;
    request.also_count = 1;
    request.wait_ms = wait_ms;
    request.ret_refusal = &refusal;
    status = permit_acquire(client, &request, &grant);
    if (status != PERMIT_OK) {
        return explain(client, status, &refusal);
    }
    if (grant == NULL) {
        fprintf(stderr, "two_limits: %s is a rate, too\n", db);
        return EXIT_FAILURE;
    }
    work(grant);
    status = permit_grant_release(grant, 0); /* The slot. */
    permit_grant_destroy(grant);
    if (status != PERMIT_OK) {
        fprintf(stderr, "two_limits: %s\n", permit_strerror(status));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    int64_t wait_ms = argc == 4 ? strtoll(argv[3], NULL, 10) : -1;
    struct permit_client *client;
    char error[256];
    int code;

    if (argc < 3 || argc > 4 || wait_ms < -1) {
        fprintf(stderr, "usage: two_limits DATABASE RATE [WAIT_MS]\n");
        return EX_USAGE;
    }
    if (permit_client_create(NULL, &client, error, sizeof(error)) !=
        PERMIT_OK) {
        fprintf(stderr, "two_limits: %s\n", error);
        return EX_UNAVAILABLE;
    }
    code = run(client, argv[1], argv[2], wait_ms);
    permit_client_destroy(client);
    return code;
}
