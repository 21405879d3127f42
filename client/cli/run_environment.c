/* SPDX-License-Identifier: MIT */
#include "run_environment.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

long environment_take_outer(void)
{
    static const char *const variables[] = {
        "PERMIT_SEMAPHORE", "PERMIT_GRANT",   "PERMIT_FENCE",
        "PERMIT_PERMITS",   "PERMIT_SLOTS",   "PERMIT_PARTS",
        "PERMIT_WAITED_MS", "PERMIT_SESSION", "PERMIT_CONTROL",
        "PERMIT_DEPTH",     "PERMIT_OUTCOME"};
    const char *outer = getenv("PERMIT_DEPTH");
    long depth = outer == NULL ? 0 : strtol(outer, NULL, 10);

    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        (void)unsetenv(variables[i]); /* The names are right. */
    }
    return depth > 0 && depth < 1000000 ? depth : 0;
}

void environment_add(struct environment *environment, const char *format, ...)
{
    size_t room = sizeof(environment->text) - environment->bytes;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(environment->text + environment->bytes, room, format,
                       arguments);
    va_end(arguments);
    /* Numbers, nine names of at most 128 bytes and all slots always fit. */
    assert(length > 0 && (size_t)length < room);
    environment->bytes += (size_t)length + 1;
}

/* A comma list, if there are any. */
static void environment_add_slots(struct environment *environment,
                                  const struct permit_grant *grant)
{
    size_t count;
    const uint32_t *slots = permit_grant_slots(grant, &count);

    for (size_t i = 0; i < count; i++) {
        environment->bytes -= i > 0; /* Over the NUL. */
        environment_add(environment, "%s%" PRIu32,
                        i == 0 ? "PERMIT_SLOTS=" : ",", slots[i]);
    }
}

/* All of them, in the order of the request. */
static void environment_add_parts(struct environment *environment,
                                  const struct options *options)
{
    environment_add(environment, "PERMIT_PARTS=%s=%" PRIu32, options->semaphore,
                    options->permits);
    for (size_t i = 0; i < options->parts_count; i++) {
        environment->bytes--; /* Over the NUL. */
        environment_add(environment, " %s=%" PRIu32,
                        options->parts[i].semaphore, options->parts[i].permits);
    }
}

void environment_fill(struct environment *environment,
                      const struct options *options,
                      struct permit_client *client,
                      const struct permit_grant *grant, long depth)
{
    environment->bytes = 0;
    environment_add(environment, "PERMIT_SEMAPHORE=%s", options->semaphore);
    environment_add(environment, "PERMIT_PERMITS=%" PRIu32, options->permits);
    environment_add_parts(environment, options);
    environment_add(environment, "PERMIT_DEPTH=%ld", depth);
    if (grant == NULL) {
        return;
    }
    environment_add(environment, "PERMIT_GRANT=%" PRIu64,
                    permit_grant_id(grant));
    environment_add(environment, "PERMIT_FENCE=%" PRIu64,
                    permit_grant_fence(grant));
    environment_add_slots(environment, grant);
    environment_add(environment, "PERMIT_WAITED_MS=%" PRId64,
                    permit_grant_waited_ms(grant));
    environment_add(environment, "PERMIT_SESSION=%" PRIu64,
                    permit_client_session_id(client));
}
