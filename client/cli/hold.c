/* SPDX-License-Identifier: MIT */
/* `permit hold`, `take` and `post`. */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "acquire.h"
#include "commands.h"
#include "exit_code.h"
#include "json.h"
#include "report.h"
#include "signals.h"
#include "wire.h"

/* ------------------------------------------------------------------- hold */

static int print_grant(const struct options *options,
                       const struct permit_grant *grant)
{
    cJSON *object;

    if (!options->json) {
        if (printf("%" PRIu64 " %" PRIu64 "\n", permit_grant_id(grant),
                   permit_grant_fence(grant)) < 0 ||
            fflush(stdout) != 0) {
            report_error(options, "output", "cannot write to stdout");
            return EX_IOERR;
        }
        return EX_OK;
    }
    object = cJSON_CreateObject();
    if (!json_add_id(object, "grant_id", permit_grant_id(grant)) ||
        !json_add_id(object, "fence", permit_grant_fence(grant)) ||
        !json_add_text(object, "semaphore", options->semaphore) ||
        cJSON_AddNumberToObject(object, "permits",
                                permit_grant_permits(grant)) == NULL) {
        cJSON_Delete(object);
        object = NULL;
    }
    return report_json(options, object);
}

/* Reads what nobody asked for. Returns false at the end. */
static bool skip_input(void)
{
    char buffer[4096];
    ssize_t length;

    do {
        length = read(STDIN_FILENO, buffer, sizeof(buffer));
    } while (length < 0 && errno == EINTR);
    return length > 0 || (length < 0 && errno == EAGAIN);
}

/* Returns false if the grant was lost. */
static bool hold_until_end(struct permit_grant *grant)
{
    struct pollfd events[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = signals_fd(), .events = POLLIN},
        {.fd = permit_grant_event_fd(grant), .events = POLLIN}};

    while (permit_grant_is_valid(grant)) {
        if (poll(events, 3, 1000) <= 0) {
            continue; /* Look whether it is valid still. */
        }
        if (events[1].revents != 0 ||
            (events[0].revents != 0 && !skip_input())) {
            return true;
        }
    }
    return false;
}

/* What has started us, for people: a script, mostly. */
static void name_parent(char *buffer, size_t bytes)
{
    char path[64];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)getppid());
    file = fopen(path, "re");
    if (file == NULL || fgets(buffer, (int)bytes, file) == NULL) {
        (void)snprintf(buffer, bytes, "hold");
    }
    buffer[strcspn(buffer, "\n")] = '\0';
    if (file != NULL) {
        (void)fclose(file);
    }
}

static int hold_granted(const struct options *options, struct acquire *acquire)
{
    int code;

    if (acquire->grant == NULL) {
        report_error(options, permit_status_reason(PERMIT_E_INVALID),
                     "%s gives for good: there is nothing to hold. Use permit "
                     "take",
                     options->semaphore);
        return EX_USAGE;
    }
    code = print_grant(options, acquire->grant);
    if (code != 0) {
        return code;
    }
    if (!hold_until_end(acquire->grant)) {
        report_error(options, permit_status_reason(PERMIT_E_LOST),
                     "the permit of %s is lost (%s)", options->semaphore,
                     permit_loss_name(permit_grant_get_loss(acquire->grant)));
        return EXIT_LOST;
    }
    return report_status(options, acquire->client,
                         permit_grant_release(acquire->grant, 0));
}

int hold_command(const struct options *options)
{
    char purpose[WIRE_TEXT_BYTES_MAX + 1];
    struct options own = *options;
    struct acquire acquire;
    int code;

    if (signals_catch() < 0) {
        return report_status(options, NULL, PERMIT_E_NOMEM);
    }
    if (own.purpose == NULL) {
        name_parent(purpose, sizeof(purpose));
        own.purpose = purpose;
    }
    acquire_init(&acquire, &own, NULL);
    code = acquire_connect(&acquire);
    if (code == 0) {
        code = acquire_grant(&acquire, /* consume= */ false);
    }
    if (code == 0) {
        code = hold_granted(&own, &acquire);
    }
    acquire_deinit(&acquire);
    return code;
}

/* ----------------------------------------------------------- take and post */

static int print_number(const struct options *options, const char *key,
                        uint64_t number)
{
    cJSON *object = cJSON_CreateObject();

    if (!json_add_text(object, "semaphore", options->semaphore) ||
        cJSON_AddNumberToObject(object, key, (double)number) == NULL) {
        cJSON_Delete(object);
        object = NULL;
    }
    return report_json(options, object);
}

int take_command(const struct options *options)
{
    struct acquire acquire;
    int code;

    if (signals_catch() < 0) {
        return report_status(options, NULL, PERMIT_E_NOMEM);
    }
    acquire_init(&acquire, options, NULL);
    code = acquire_connect(&acquire);
    if (code == 0) {
        code = acquire_grant(&acquire, /* consume= */ true);
    }
    if (code == 0 && options->json) {
        code = print_number(options, "permits", options->permits);
    }
    acquire_deinit(&acquire);
    return code;
}

int post_command(const struct options *options)
{
    struct permit_client *client;
    uint64_t available = 0;
    enum permit_status status = report_connect(options, &client);
    int code;

    if (status != PERMIT_OK) {
        return exit_code_of(status);
    }
    code = report_status(
        options, client,
        permit_post(client, options->semaphore, options->permits, &available));
    if (code == 0 && options->json) {
        code = print_number(options, "available", available);
    } else if (code == 0 && !options->quiet) {
        (void)printf("%" PRIu64 "\n", available);
    }
    permit_client_destroy(client);
    return code;
}
