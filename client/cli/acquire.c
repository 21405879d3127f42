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
                          int64_t retry_after_ms)
{
    char text[TEXT_BYTES];

    if (status == PERMIT_E_OUTCOME_UNKNOWN) {
        acquire->is_unknown = true;
        /* What the old session held has ended with it. */
        report_note(acquire->options, true,
                    "the session was lost: asking again");
        acquire->pause_ms = PAUSE_FIRST_MS;
        return pause_or_end(acquire, 0);
    }
    permit_client_last_error(acquire->client, text, sizeof(text));
    return may_connect_again(acquire, status, text, retry_after_ms);
}

struct permit_acquire_request
acquire_request(const struct options *options, bool consume,
                struct permit_acquire_part also[PERMIT_PARTS_MAX - 1])
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;

    for (size_t i = 0; i < options->parts_count; i++) {
        also[i] = (struct permit_acquire_part){
            .semaphore = options->parts[i].semaphore,
            .permits = options->parts[i].permits,
            .consume = options->parts[i].take};
    }
    request.semaphore = options->semaphore;
    request.permits = options->permits;
    request.expect_permits = options->expect_permits;
    request.also = also;
    request.also_count = options->parts_count;
    request.priority = options->priority;
    request.join = options->join;
    request.wait_ms = options->wait_ms;
    request.hold_ms = options->hold_ms;
    request.consume = consume;
    request.labels = options->labels;
    request.labels_count = options->labels_count;
    return request;
}

/* Finds whether a request gives anything for good. What is not there (any more)
 * has nothing to give back either: a rate that was made anew is full. */
static enum permit_status
gives_for_good(struct acquire *acquire,
               const struct permit_acquire_request *request, bool *ret_does)
{
    bool does = request->consume;

    for (size_t i = 0; i <= request->also_count && !does; i++) {
        const char *name =
            i == 0 ? request->semaphore : request->also[i - 1].semaphore;
        struct permit_list *list = NULL;
        enum permit_status status = permit_query(acquire->client, name, &list);

        if (status == PERMIT_OK) {
            does = permit_list_semaphore(list, 0)->kind == PERMIT_RATE;
        } else if (status != PERMIT_E_NOT_FOUND) {
            return status;
        }
        does = does || (i > 0 && request->also[i - 1].consume);
        permit_list_destroy(list);
    }
    *ret_does = does;
    return PERMIT_OK;
}

/* Asks in a new session; but if the outcome in the old one is unknown, not what
 * gives for good: it may have been taken. */
static int ask_anew(struct acquire *acquire,
                    const struct permit_acquire_request *request,
                    enum permit_status *status)
{
    bool does = false;
    int code;

    permit_client_destroy(acquire->client);
    acquire->client = NULL;
    code = acquire_connect(acquire);
    if (code == 0 && acquire->is_unknown) {
        *status = gives_for_good(acquire, request, &does);
        if (does) {
            return report_status(acquire->options, NULL,
                                 PERMIT_E_OUTCOME_UNKNOWN);
        }
        if (*status != PERMIT_OK) {
            return code; /* To be tried again, or told. */
        }
        acquire->is_unknown = false;
    }
    if (code == 0) {
        *status = ask(acquire, request);
    }
    return code;
}

int acquire_grant(struct acquire *acquire, bool consume)
{
    const struct options *options = acquire->options;
    struct permit_acquire_part also[PERMIT_PARTS_MAX - 1];
    struct permit_acquire_request request =
        acquire_request(options, consume, also);
    struct permit_refusal refusal = {0};
    enum permit_status status;
    int code = 0;

    request.cancel_fd = signals_fd();
    request.ret_refusal = &refusal;
    request.ret_outcome = &acquire->outcome;
    status = ask(acquire, &request);
    while (code == 0 && (status != PERMIT_E_OUTCOME_UNKNOWN || !consume) &&
           may_ask_again(acquire, status, refusal.retry_after_ms)) {
        code = ask_anew(acquire, &request, &status);
    }
    if (code != 0) {
        return code;
    }
    acquire->is_joined = status == PERMIT_JOINED;
    if (acquire->is_joined || (status == PERMIT_OK && consume)) {
        return 0; /* There is nothing that a signal could take back. */
    }
    if (signals_ending() != 0) {
        return EXIT_SIGNAL + signals_ending(); /* A grant crossed it, maybe. */
    }
    return report_refused(options, acquire->client, status, &refusal);
}
