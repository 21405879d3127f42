/* SPDX-License-Identifier: MIT */
/* Holds one of the permits of "jobs" while it works. Try it with
 *
 *     permit set jobs --permits 3
 *     cc acquire.c $(pkg-config --cflags --libs permit) -o acquire && ./acquire
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <permit/permit.h>

int main(void)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_client *client;
    struct permit_grant *grant;
    enum permit_status status;
    char error[256];

    status = permit_client_create(NULL, &client, error, sizeof(error));
    if (status != PERMIT_OK) {
        fprintf(stderr, "%s\n", error);
        return EXIT_FAILURE;
    }
    request.semaphore = "jobs";
    request.wait_ms = 10000;
    status = permit_acquire(client, &request, &grant);
    if (status == PERMIT_OK) {
        printf("working, with fence %" PRIu64 "\n", permit_grant_fence(grant));
        if (!permit_grant_is_valid(grant)) {
            printf("the permit is lost: stop here\n");
        }
        status = permit_grant_release(grant, 0);
        permit_grant_destroy(grant);
    }
    if (status != PERMIT_OK) {
        permit_client_last_error(client, error, sizeof(error));
        fprintf(stderr, "%s\n", error);
    }
    permit_client_destroy(client);
    return status == PERMIT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
