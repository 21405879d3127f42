/* SPDX-License-Identifier: MIT */
#include "history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool history_read_file(struct history *history, const char *directory,
                       const char *name, char *error, size_t error_bytes)
{
    char path[4096];
    char *text = NULL;
    size_t bytes = 0;
    ssize_t length = -1;
    bool is_read = false;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s.history", directory, name);
    file = fopen(path, "r");
    if (file != NULL) {
        length = getdelim(&text, &bytes, '\0', file);
    }
    if (length != -1) {
        is_read = history_read(history, name, text, error, error_bytes);
    } else if (file != NULL && feof(file)) {
        is_read = true; /* Killed before it wrote a line. */
    } else {
        (void)snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
    }
    free(text);
    if (file != NULL) {
        (void)fclose(file);
    }
    return is_read;
}

const char *history_who(const struct history *history,
                        const struct history_operation *operation,
                        char who[HISTORY_WHO_BYTES])
{
    (void)snprintf(who, HISTORY_WHO_BYTES, "client %s request %" PRIu64,
                   history->clients[operation->client].name,
                   operation->request);
    return who;
}

static void print_stamp(const char *what, int64_t at_ns)
{
    if (at_ns != HISTORY_NEVER) {
        (void)printf(" %s %" PRId64, what, at_ns);
    }
}

void history_print(const struct history *history, size_t semaphore)
{
    static const char *const types[] = {"", "acquire", "consume", "post",
                                        "release"};

    for (size_t i = 0; i < history->operations_count; i++) {
        const struct history_operation *operation = &history->operations[i];

        if (operation->semaphore != semaphore) {
            continue;
        }
        (void)printf(
            "  client %s request %" PRIu64 " %s %" PRId64 " wait_ms %" PRId64,
            history->clients[operation->client].name, operation->request,
            types[operation->type], operation->permits, operation->wait_ms);
        print_stamp("asked", operation->asked_ns);
        print_stamp("waiting", operation->waiting_ns);
        print_stamp("cancelled", operation->cancel_ns);
        print_stamp(permit_status_reason(operation->status),
                    operation->ended_ns);
        (void)printf(" fence %" PRIu64 "\n", operation->fence);
    }
}
