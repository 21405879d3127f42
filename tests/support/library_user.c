/* SPDX-License-Identifier: MIT */
/* library_user SERVER ANSWER_TIMEOUT_MS LINGER_MS: one client and one grant of
 * libpermit, driven by lines on stdin, each answered by one line on stdout, so
 * that a test can stop it, continue it and bend its clocks.
 *
 *   acquire SEMAPHORE WAIT_MS HOLD_MS   its status, the fence
 *   take SEMAPHORE WAIT_MS              its status; one permit for good
 *   post SEMAPHORE PERMITS              its status
 *   many SEMAPHORE COUNT                how many more grants it has got
 *   many_valid, many_release            of how many it is so
 *   valid                               1 or 0
 *   until_lost                          waits until it is not valid, and says
 *                                       when it last was: monotonic seconds
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
#define GRANTS_MAX 1000

static struct permit_client *client;
static struct permit_grant *grant;
static struct permit_grant *grants[GRANTS_MAX]; /* Those of `many`. */
static unsigned grants_count;

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

static void take(const char *arguments)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    char semaphore[NAME_BYTES];
    enum permit_status status = PERMIT_E_INVALID;

    if (sscanf(arguments, "%128s %" SCNd64, semaphore, &request.wait_ms) == 2) {
        request.semaphore = semaphore;
        request.consume = true;
        status = permit_acquire(client, &request, NULL);
    }
    say_status(status);
}

static void acquire_many(const char *arguments)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    char semaphore[NAME_BYTES];
    unsigned count = 0;

    if (sscanf(arguments, "%128s %u", semaphore, &count) == 2) {
        request.semaphore = semaphore;
        request.wait_ms = 0;
    }
    while (grants_count < count && grants_count < GRANTS_MAX &&
           permit_acquire(client, &request, &grants[grants_count]) ==
               PERMIT_OK) {
        grants_count++;
    }
    printf("%u\n", grants_count);
}

static void count_many(bool is_to_be_released)
{
    unsigned count = 0;

    for (unsigned i = 0; i < grants_count; i++) {
        count += is_to_be_released
                     ? permit_grant_release(grants[i], 0) == PERMIT_OK
                     : permit_grant_is_valid(grants[i]);
    }
    printf("%u\n", count);
}

static void post(const char *arguments)
{
    enum permit_status status = PERMIT_E_INVALID;
    char semaphore[NAME_BYTES];
    uint32_t permits;

    if (sscanf(arguments, "%128s %" SCNu32, semaphore, &permits) == 2) {
        status = permit_post(client, semaphore, permits, NULL);
    }
    say_status(status);
}

static void until_lost(void)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    struct timespec last;
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    last = now;
    while (permit_grant_is_valid(grant)) {
        last = now; /* Read before: it was valid then, however late it is. */
        (void)nanosleep(&moment, NULL);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    }
    printf("%jd.%09ld\n", (intmax_t)last.tv_sec, last.tv_nsec);
}

static void obey(const char *command, const char *arguments)
{
    enum permit_loss loss;

    if (strcmp(command, "acquire") == 0) {
        acquire(arguments);
    } else if (strcmp(command, "take") == 0) {
        take(arguments);
    } else if (strcmp(command, "post") == 0) {
        post(arguments);
    } else if (strcmp(command, "many") == 0) {
        acquire_many(arguments);
    } else if (strcmp(command, "many_valid") == 0) {
        count_many(false);
    } else if (strcmp(command, "many_release") == 0) {
        count_many(true);
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
    while (grants_count > 0) {
        permit_grant_destroy(grants[--grants_count]);
    }
    permit_client_destroy(client);
    return EXIT_SUCCESS;
}
