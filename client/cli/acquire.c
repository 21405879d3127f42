/* SPDX-License-Identifier: MIT */
#include "acquire.h"

#include <limits.h>
#include <poll.h>
#include <sys/random.h>

#include "clock.h"
#include "exit_code.h"
#include "progress.h"
#include "report.h"
#include "signals.h"

/* The longest pause before another attempt: the first time, and ever. A client
 * keeps the same pace; but each attempt to connect is another one. */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 10000
#define CONNECT_TIMEOUT_MS 5000
#define TEXT_BYTES 512

void acquire_init(struct acquire *acquire, const struct options *options,
                  struct status_fd *status)
{
    *acquire = (struct acquire){.options = options,
                                .status = status,
                                .began_at_ms = clock_now_ms(),
                                .pause_ms = PAUSE_FIRST_MS};
}

void acquire_deinit(struct acquire *acquire)
{
    permit_grant_destroy(acquire->grant);
    permit_client_destroy(acquire->client);
    acquire->grant = NULL;
    acquire->client = NULL;
}

/* Of --wait; INT64_MAX without a limit. */
static int64_t left_ms(const struct acquire *acquire)
{
    int64_t wait_ms = acquire->options->wait_ms;
    int64_t left_ms = wait_ms - (clock_now_ms() - acquire->began_at_ms);

    if (wait_ms < 0) {
        return INT64_MAX;
    }
    return left_ms > 0 ? left_ms : 0;
}

static int64_t min_ms(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* Pauses before another attempt, each time for longer, by chance; no shorter
 * than was asked for. Returns false if a signal came. */
static bool pause_or_end(struct acquire *acquire, int64_t retry_after_ms)
{
    struct pollfd signal = {.fd = signals_fd(), .events = POLLIN};
    uint32_t random = 0;
    int64_t pause_ms;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0) {
        random = UINT32_MAX; /* Then everybody pauses alike. */
    }
    pause_ms = random % (acquire->pause_ms + 1);
    if (pause_ms < retry_after_ms) {
        pause_ms = retry_after_ms;
    }
    pause_ms = min_ms(min_ms(pause_ms, left_ms(acquire)), INT_MAX);
    acquire->pause_ms = min_ms(2 * acquire->pause_ms, PAUSE_MAX_MS);
    return poll(&signal, 1, (int)pause_ms) == 0 && signals_ending() == 0;
}

/* --------------------------------------------------------------- connecting
 */

/* Is it worth another attempt? Says so, once, and pauses. */
static bool may_connect_again(struct acquire *acquire,
                              enum permit_status status, const char *text,
                              int64_t retry_after_ms)
{
    if (exit_code_of(status) != EX_UNAVAILABLE || left_ms(acquire) == 0 ||
        acquire->options->on_unreachable != UNREACHABLE_WAIT ||
        !acquire->options->command->takes_command) {
        return false;
    }
    if (!acquire->is_away_said) {
        report_note(acquire->options, false, "%s: trying again", text);
        acquire->is_away_said = true;
    }
    return pause_or_end(acquire, retry_after_ms);
}

int acquire_connect(struct acquire *acquire)
{
    const struct options *options = acquire->options;
    int64_t timeout_ms = CONNECT_TIMEOUT_MS;
    char text[TEXT_BYTES];
    enum permit_status status;

    /* There is nothing to cancel, and connecting may take its time. */
    signals_end_at_once(true);
    for (;;) {
        if (signals_ending() != 0) {
            return EXIT_SIGNAL + signals_ending();
        }
        status = report_try_connect(options, timeout_ms, &acquire->client, text,
                                    sizeof(text));
        if (status == PERMIT_OK ||
            !may_connect_again(acquire, status, text, 0)) {
            break;
        }
        timeout_ms = min_ms(left_ms(acquire), CONNECT_TIMEOUT_MS - 1) + 1;
    }
    signals_end_at_once(false);
    if (signals_ending() != 0) {
        return EXIT_SIGNAL + signals_ending();
    }
    if (status != PERMIT_OK) {
        report_error(options, permit_status_reason(status), "%s", text);
        return exit_code_of(status);
    }
    acquire->is_away_said = false;
    if (acquire->on_session != NULL) {
        acquire->on_session(acquire->on_session_arg, acquire->client);
    }
    acquire->believed_ms =
        permit_client_deadline_ms(acquire->client) - clock_now_ms();
    return 0;
}

/* ------------------------------------------------------------------- acquire
 */

static enum permit_status ask(struct acquire *acquire,
                              const struct permit_acquire_request *request)
{
    const struct options *options = acquire->options;
    struct permit_acquire_request own = *request;
    struct progress progress;
    enum permit_status status = PERMIT_E_CANCELLED;

    if (options->wait_ms > 0) {
        /* What is left of it; it stays a wait, so that it ends as one. */
        own.wait_ms = left_ms(acquire) > 0 ? left_ms(acquire) : 1;
    }
    progress_begin(&progress, options, acquire->status, acquire->began_at_ms);
    if (progress_wants_waiting(&progress)) {
        own.on_waiting = progress_waiting;
        own.on_waiting_arg = &progress;
    }
    if (signals_ending() == 0) {
        status = permit_acquire(acquire->client, &own, &acquire->grant);
    }
    progress_end(&progress, status == PERMIT_OK);
    return status;
}

/* Is it worth another attempt? Pauses then. */
static bool may_ask_again(struct acquire *acquire, enum permit_status status,
                          bool consume, int64_t retry_after_ms)
{
    char text[TEXT_BYTES];

    if (status == PERMIT_E_OUTCOME_UNKNOWN && !consume) {
        /* What the old session got has ended with it. */
        report_note(acquire->options, true,
                    "the session was lost: asking again");
        acquire->pause_ms = PAUSE_FIRST_MS;
        return pause_or_end(acquire, 0);
    }
    permit_client_last_error(acquire->client, text, sizeof(text));
    return may_connect_again(acquire, status, text, retry_after_ms);
}

int acquire_grant(struct acquire *acquire, bool consume)
{
    const struct options *options = acquire->options;
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_refusal refusal = {0};
    enum permit_status status;
    int code = 0;

    request.semaphore = options->semaphore;
    request.permits = options->permits;
    request.expect_permits = options->expect_permits;
    request.wait_ms = options->wait_ms;
    request.hold_ms = options->hold_ms;
    request.consume = consume;
    request.labels = options->labels;
    request.labels_count = options->labels_count;
    request.cancel_fd = signals_fd();
    request.ret_refusal = &refusal;
    status = ask(acquire, &request);
    while (code == 0 &&
           may_ask_again(acquire, status, consume, refusal.retry_after_ms)) {
        permit_client_destroy(acquire->client);
        acquire->client = NULL;
        code = acquire_connect(acquire);
        if (code == 0) {
            status = ask(acquire, &request);
        }
    }
    if (code != 0) {
        return code;
    }
    if (signals_ending() != 0 && !(consume && status == PERMIT_OK)) {
        return EXIT_SIGNAL + signals_ending(); /* A grant crossed it, maybe. */
    }
    return report_refused(options, acquire->client, status,
                          refusal.retry_after_ms);
}
