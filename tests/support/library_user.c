/* SPDX-License-Identifier: MIT */
/* library_user SERVER ANSWER_TIMEOUT_MS LINGER_MS: one client and one grant of
 * libpermit, driven by lines on stdin, each answered by one line on stdout, so
 * that a test can stop it, continue it and bend its clocks.
 *
 *   acquire SEMAPHORE WAIT_MS HOLD_MS   its status, the fence
 *   valid                               1 or 0
 *   until_lost                          when it was no longer valid: monotonic
 *                                       seconds
 *   left                                milliseconds until then, as far as is
 *                                       known
 *   loss                                why
 *   wait_lost MS, release, ping         their status
 *   children                            the descriptors that a command has */

#include "permit/permit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES 256
#define NAME_BYTES 129

static struct permit_client *client;
static struct permit_grant *grant;

static void say_status(enum permit_status status)
{
    puts(permit_status_name(status));
}

static void acquire(const char *arguments)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    enum permit_status status = PERMIT_E_INVALID;
    char semaphore[NAME_BYTES];

    if (sscanf(arguments, "%128s %" SCNd64 " %" SCNd64, semaphore,
               &request.wait_ms, &request.hold_ms) == 3) {
        request.semaphore = semaphore;
        permit_grant_destroy(grant);
        grant = NULL;
        status = permit_acquire(client, &request, &grant);
    }
    printf("%s %" PRIu64 "\n", permit_status_name(status),
           grant == NULL ? 0 : permit_grant_fence(grant));
}

static void until_lost(void)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    struct timespec now;

    while (permit_grant_is_valid(grant)) {
        (void)nanosleep(&moment, NULL);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%jd.%09ld\n", (intmax_t)now.tv_sec, now.tv_nsec);
}

static void obey(const char *command, const char *arguments)
{
    enum permit_loss loss;

    if (strcmp(command, "acquire") == 0) {
        acquire(arguments);
    } else if (strcmp(command, "ping") == 0) {
        say_status(permit_ping(client));
    } else if (strcmp(command, "children") == 0) {
        (void)system("exec ls -m /proc/self/fd"); /* What it says is judged. */
    } else if (grant == NULL) {
        puts("no grant");
    } else if (strcmp(command, "valid") == 0) {
        printf("%d\n", permit_grant_is_valid(grant));
    } else if (strcmp(command, "until_lost") == 0) {
        until_lost();
    } else if (strcmp(command, "left") == 0) {
        printf("%" PRId64 "\n", permit_grant_left_ms(grant));
    } else if (strcmp(command, "loss") == 0) {
        puts(permit_loss_name(permit_grant_get_loss(grant)));
    } else if (strcmp(command, "wait_lost") == 0) {
        say_status(permit_grant_wait_lost(grant, atoll(arguments), &loss));
    } else if (strcmp(command, "release") == 0) {
        say_status(permit_grant_release(grant, 0));
    } else {
        puts("what?");
    }
}

int main(int argc, char **argv)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    char line[LINE_BYTES];
    char error[LINE_BYTES];

    if (argc != 4) {
        return EXIT_FAILURE;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    options.server = argv[1];
    options.answer_timeout_ms = atoll(argv[2]);
    options.linger_ms = atoll(argv[3]);
    if (permit_client_create(&options, &client, error, sizeof(error)) !=
        PERMIT_OK) {
        fprintf(stderr, "%s\n", error);
        return EXIT_FAILURE;
    }
    puts("ready");
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *arguments = line + strcspn(line, " \n");

        if (*arguments != '\0') {
            *arguments++ = '\0';
        }
        obey(line, arguments);
    }
    permit_grant_destroy(grant);
    permit_client_destroy(client);
    return EXIT_SUCCESS;
}
