/* SPDX-License-Identifier: MIT */
#include "acquire.h"

#include <poll.h>

#include "clock.h"
#include "exit_code.h"
#include "progress.h"
#include "report.h"
#include "signals.h"

/* Before a lost session is replaced: a daemon that drops us again and again
 * must not make us spin. */
#define RETRY_MS 100

static enum permit_status try_until(const struct options *options,
                                    struct permit_client *client,
                                    struct permit_acquire_request *request,
                                    int signals,
                                    struct permit_grant **ret_grant)
{
    int64_t began_at_ms = clock_now_ms();

    for (;;) {
        struct pollfd signal = {.fd = signals, .events = POLLIN};
        enum permit_status status = permit_acquire(client, request, ret_grant);
        int64_t waited_ms = clock_now_ms() - began_at_ms;

        if (status != PERMIT_E_OUTCOME_UNKNOWN || request->consume ||
            poll(&signal, 1, RETRY_MS) != 0) {
            return status;
        }
        /* What the old session got has ended with it: ask anew. */
        report_note(options, true, "the session was lost: asking again");
        if (options->wait_ms > 0) {
            request->wait_ms =
                options->wait_ms > waited_ms ? options->wait_ms - waited_ms : 0;
        }
    }
}

int acquire(const struct options *options, struct permit_client *client,
            bool consume, struct permit_grant **ret_grant)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_grant *grant = NULL;
    struct progress progress;
    enum permit_status status = PERMIT_E_CANCELLED;

    progress_init(&progress, options);
    request.semaphore = options->semaphore;
    request.permits = options->permits;
    request.expect_permits = options->expect_permits;
    request.wait_ms = options->wait_ms;
    request.hold_ms = options->hold_ms;
    request.consume = consume;
    request.on_waiting =
        progress.style == PROGRESS_NONE ? NULL : progress_waiting;
    request.on_waiting_arg = &progress;
    request.cancel_fd = signals_fd();
    if (signals_ending() == 0) {
        status =
            try_until(options, client, &request, request.cancel_fd, &grant);
    }
    progress_end(&progress, status == PERMIT_OK);
    if (signals_ending() != 0 && !(consume && status == PERMIT_OK)) {
        permit_grant_destroy(grant); /* It crossed: gives it back. */
        return EXIT_SIGNAL + signals_ending();
    }
    if (status == PERMIT_OK) {
        *ret_grant = grant;
        return 0;
    }
    return report_status(options, client, status);
}
