/* SPDX-License-Identifier: MIT */
/* Fills a cache once, however many find it empty at the same time.
 *
 *     permit set page/index
 *     cc cache_filler.c $(pkg-config --cflags --libs permit) -o cache_filler
 *     ./render /index | ./cache_filler page/index
 *
 * The first who asks gets the permit and does the work; here the work is to
 * read stdin to its end. The others wait to join: when the first releases with
 * an outcome, all of them have it at once, and none of them does the work
 * again. If the first fails instead, or dies, the next one does the work.
 *
 * An outcome has at most 4,096 bytes: the page itself if it is small, else
 * where it is to be found. Both print it: "filled" or "joined" goes to stderr.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include <permit/permit.h>

/* Stands for the work. Returns false if it failed. */
static bool render(struct permit_outcome *outcome)
{
    outcome->bytes = fread(outcome->data, 1, sizeof(outcome->data), stdin);
    return ferror(stdin) == 0 && getc(stdin) == EOF && outcome->bytes > 0;
}

/* Does the work, and tells those who wait for it. */
static enum permit_status fill(struct permit_grant *grant,
                               struct permit_outcome *outcome)
{
    if (!render(outcome)) {
        fprintf(stderr, "cache_filler: no page of 1 to %d bytes on stdin\n",
                PERMIT_OUTCOME_BYTES_MAX);
        permit_grant_release(grant, 0); /* The next one tries. */
        return PERMIT_E_CANCELLED;
    }
    return permit_grant_release_outcome(grant, outcome->data, outcome->bytes);
}

static enum permit_status run(struct permit_client *client, const char *name,
                              struct permit_outcome *outcome)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = NULL;
    enum permit_status status;
    char error[256];

    request.semaphore = name;
    request.join = true;
    request.ret_outcome = outcome;
    status = permit_acquire(client, &request, &grant);
    if (grant != NULL) {
        status = fill(grant, outcome);
        permit_grant_destroy(grant);
    }
    if (status == PERMIT_OK || status == PERMIT_JOINED) {
        fprintf(stderr, "%s\n", status == PERMIT_OK ? "filled" : "joined");
    } else if (status != PERMIT_E_CANCELLED) {
        permit_client_last_error(client, error, sizeof(error));
        fprintf(stderr, "cache_filler: %s\n", error);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct permit_outcome outcome = {0};
    struct permit_client *client;
    enum permit_status status;
    char error[256];

    if (argc != 2) {
        fprintf(stderr, "usage: cache_filler NAME < PAGE\n");
        return EX_USAGE;
    }
    if (permit_client_create(NULL, &client, error, sizeof(error)) !=
        PERMIT_OK) {
        fprintf(stderr, "cache_filler: %s\n", error);
        return EX_UNAVAILABLE;
    }
    status = run(client, argv[1], &outcome);
    permit_client_destroy(client);
    if (status < 0) {
        return EXIT_FAILURE;
    }
    return fwrite(outcome.data, 1, outcome.bytes, stdout) == outcome.bytes
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}
