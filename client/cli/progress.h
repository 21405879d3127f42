/* SPDX-License-Identifier: MIT */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

/* What people see on stderr while an acquire waits, and programs on
 * --status-fd.
 *
 * Law: a line that is redrawn is gone when progress_end() returns. */

#include <pthread.h>

#include "options.h"
#include "status_fd.h"

struct progress {
    const struct options *options;
    struct status_fd *status;  /* NULL: none. */
    enum progress_style style; /* What AUTO comes to. */
    uint64_t position;         /* That was said last; 0: none. */
    int64_t said_at_ms;
    int64_t began_at_ms;
    /* A thread shows what was told last, for time moves on. */
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_over;
    struct permit_waiting told;
    int64_t told_at_ms; /* 0: nothing yet. */
    struct permit_client_info oldest;
    char semaphore[PERMIT_NAME_BYTES];
    char name[WIRE_TEXT_BYTES_MAX + 1];
    char purpose[WIRE_TEXT_BYTES_MAX + 1];
};

void progress_begin(struct progress *progress, const struct options *options,
                    struct status_fd *status, int64_t began_at_ms);

/* Does anybody want to know? */
bool progress_wants_waiting(const struct progress *progress);

/* For permit_acquire_request.on_waiting; arg is a struct progress. */
void progress_waiting(void *arg, const struct permit_waiting *waiting);

/* The wait is over. Says so if anything was said before, and it is a grant. */
void progress_end(struct progress *progress, bool is_granted);

/* Writes the line without its end to buffer, for the test's sake apart. */
void progress_format(char *buffer, size_t bytes, const struct options *options,
                     const struct permit_waiting *waiting, int64_t waited_ms);

#endif
