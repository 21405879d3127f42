/* SPDX-License-Identifier: MIT */
/* `permit run`: acquire, run a command under its guard, give back. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acquire.h"
#include "clock.h"
#include "commands.h"
#include "control.h"
#include "descriptors.h"
#include "exit_code.h"
#include "guard.h"
#include "outcome.h"
#include "report.h"
#include "run_environment.h"
#include "run_orphan.h"
#include "run_watch.h"
#include "signals.h"
#include "wire.h"

#define KILL_AFTER_DEFAULT_MS 5000
#define LINGER_DEFAULT_MS 30000
/* Pings in the time in which a break has to end: DESIGN's "three times". */
#define PINGS 3
#define GIVE_BACK_MS 1000
#define NEVER_MS INT64_MAX /* Of CLOCK_BOOTTIME. */

/* ------------------------------------------------------------- kill after */

/* How long the command has from its signal to KILL. Returns 0, or the exit code
 * if what the options say leaves too little before the client's deadline. */
static int choose_kill_after(const struct acquire *acquire,
                             int64_t *ret_kill_after_ms)
{
    const struct options *options = acquire->options;
    int64_t believed_ms = acquire->believed_ms;
    int64_t heartbeat_ms = permit_client_heartbeat_ms(acquire->client);
    int64_t kill_after_ms = options->kill_after_ms;

    if (options->on_lost == OPTIONS_LOST_IGNORE) {
        *ret_kill_after_ms = 0; /* Nobody is killed: lost is lost. */
        return 0;
    }
    if (kill_after_ms == OPTIONS_DURATION_UNSET) {
        *ret_kill_after_ms = believed_ms / 2 < KILL_AFTER_DEFAULT_MS
                                 ? believed_ms / 2
                                 : KILL_AFTER_DEFAULT_MS;
        return 0;
    }
    if (options->hold_ms > 0 && kill_after_ms >= options->hold_ms) {
        report_error(options, permit_status_reason(PERMIT_E_INVALID),
                     "--kill-after leaves nothing of --hold: it must be less");
        return EX_USAGE;
    }
    if (kill_after_ms > believed_ms - heartbeat_ms) {
        report_error(options, permit_status_reason(PERMIT_E_INVALID),
                     "--kill-after may be %" PRId64
                     " ms at most: a permit whose daemon is silent is believed "
                     "in for %" PRId64 " ms, and a heartbeat comes every "
                     "%" PRId64 " ms",
                     believed_ms - heartbeat_ms, believed_ms, heartbeat_ms);
        return EX_USAGE;
    }
    *ret_kill_after_ms = kill_after_ms;
    return 0;
}

/* ----------------------------------------------------------------- linger */

/* A break that ends before the client's deadline less --kill-after costs
 * nothing, if a Ping shows it in time. */
static void choose_linger(struct options *options)
{
    int64_t left_ms;

    if (options->linger_ms == OPTIONS_DURATION_UNSET) {
        options->linger_ms = LINGER_DEFAULT_MS;
    }
    left_ms = options->linger_ms / 10 * 9 -
              (options->kill_after_ms == OPTIONS_DURATION_UNSET
                   ? KILL_AFTER_DEFAULT_MS
                   : options->kill_after_ms);
    options->heartbeat_ms = left_ms > PINGS ? left_ms / PINGS : 0;
}

/* Returns 0, or the exit code if what is asked for is shorter than the session
 * timeout: a cut line would be a loss while one that is only silent is not. */
static int check_linger(const struct acquire *acquire)
{
    int64_t linger_ms = acquire->options->linger_ms;

    if (linger_ms == 0 || linger_ms == LINGER_DEFAULT_MS ||
        acquire->believed_ms <= linger_ms / 10 * 9) {
        return 0;
    }
    report_error(acquire->options, permit_status_reason(PERMIT_E_INVALID),
                 "--linger must be at least the daemon's session timeout, "
                 "about %" PRId64 " ms, or 0",
                 acquire->believed_ms / 9 * 10);
    return EX_USAGE;
}

/* Of a hold that the options ask for, the command may ask for more. Returns 0
 * or a negative errno. */
static int allow_renewals(struct run *run, struct environment *environment)
{
    int error;

    if (run->options->hold_ms == 0) {
        return 0;
    }
    error = control_create(run->client, run->grant, run->kill_after_ms,
                           &run->control);
    if (error == 0) {
        environment_add(environment, "PERMIT_CONTROL=%s",
                        control_name(run->control));
    }
    return error;
}

/* --------------------------------------------------------------- the end */

struct giving_back {
    struct permit_client *client;
    struct permit_grant *grant;
    struct control *control;
    bool has_outcome;
    struct permit_outcome outcome;
    enum permit_status status;
};

static void *give_back_thread(void *arg)
{
    struct giving_back *giving = arg;

    giving->status =
        giving->has_outcome
            ? permit_grant_release_outcome(giving->grant, giving->outcome.data,
                                           giving->outcome.bytes)
            : permit_grant_release(giving->grant, 0);
    control_destroy(giving->control);
    permit_grant_destroy(giving->grant);
    permit_client_destroy(giving->client);
    return NULL;
}

/* The outcome for those who join. Returns false if there is none. */
static bool take_outcome(const struct run *run, struct permit_outcome *outcome)
{
    int64_t bytes = outcome_read(run->outcome, outcome->data);

    if (bytes < 0) {
        report_error(run->options, "outcome", "$PERMIT_OUTCOME: %s",
                     strerror((int)-bytes));
        return false;
    }
    if (bytes > PERMIT_OUTCOME_BYTES_MAX) {
        report_error(run->options, "outcome",
                     "$PERMIT_OUTCOME has %" PRId64
                     " bytes, which is more than %d: who wanted to join does "
                     "the work itself",
                     bytes, PERMIT_OUTCOME_BYTES_MAX);
        return false;
    }
    outcome->bytes = (size_t)bytes;
    return true;
}

/* Release, with the outcome of a command that is done, and Bye; and at most a
 * second for the answers. Takes ownership of client, grant and control. Returns
 * PERMIT_E_NO_ANSWER if that was not enough. */
static enum permit_status give_back(const struct run *run, bool is_done)
{
    /* The thread may outlive this call, until the process ends. */
    static struct giving_back giving;
    struct timespec until;
    pthread_t thread;

    giving.client = run->client;
    giving.grant = run->grant;
    giving.control = run->control;
    giving.has_outcome = is_done && take_outcome(run, &giving.outcome);
    if (pthread_create(&thread, NULL, give_back_thread, &giving) != 0) {
        (void)give_back_thread(&giving);
        return giving.status;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += GIVE_BACK_MS / 1000;
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0) {
        return PERMIT_E_NO_ANSWER;
    }
    return giving.status;
}

/* Says what became of a command that did not end by itself. Returns its exit
 * code. */
static int conclude_command(const struct options *options,
                            const struct guard_report *report)
{
    if (report->type == GUARD_REPORT_FAILED) {
        report_error(options, report->before_exec ? "not_started" : "exec",
                     "%s: %s", options->argv[0], strerror(report->error));
        return report->before_exec       ? EXIT_NOT_STARTED
               : report->error == ENOENT ? EXIT_NOT_FOUND
                                         : EXIT_NOT_EXECUTABLE;
    }
    if (report->type == GUARD_REPORT_GONE) {
        report_error(options, "guard_killed",
                     "the guard was killed, and the command with it");
    }
    return report->code;
}

/* Says how it went with the permit, if it went wrong. Returns the exit code,
 * which is `code` if it went well. */
static int conclude(const struct run *run, const struct run_result *result,
                    enum permit_status status, int code)
{
    const struct options *options = run->options;
    bool is_lost_late = !result->is_lost && (status == PERMIT_E_EXPIRED ||
                                             status == PERMIT_E_NOT_HELD ||
                                             status == PERMIT_E_LOST);

    if (is_lost_late) {
        status_fd_lost(run->status, PERMIT_LOSS_SESSION);
        report_error(options, permit_status_reason(PERMIT_E_LOST),
                     "the permit of %s was lost while the command ran",
                     options->semaphore);
    }
    if (is_lost_late || result->is_lost) {
        return options->on_lost == OPTIONS_LOST_IGNORE ? code : EXIT_LOST;
    }
    if (status == PERMIT_OK) {
        status_fd_released(run->status);
        return code;
    }
    report_note(options, false,
                "the command has ended, but giving back was not answered "
                "(%s); the permit is free when the session has ended",
                permit_strerror(status));
    return code;
}

/* Runs the command; run->grant is NULL if it has no permit, else it is given
 * back, and the client with it. */
static int run_with(struct run *run, const struct environment *environment)
{
    struct run_result result = {.is_lost = false};
    enum permit_status status = PERMIT_OK;
    int error;
    int code;

    signals_take_all();
    error = guard_go(run->guard, environment->text, environment->bytes,
                     run->deadline_ms);
    if (error == 0 || error == -EPIPE) {
        run_watch(run, &result);
    }
    if (run->grant != NULL) {
        status = give_back(run, error == 0 && !result.is_lost &&
                                    result.report.type == GUARD_REPORT_ENDED &&
                                    result.report.code == EX_OK);
    }
    if (error < 0 && error != -EPIPE) {
        report_error(run->options, "not_started", "%s", strerror(-error));
        return EXIT_NOT_STARTED;
    }
    code = conclude_command(run->options, &result.report);
    if (run->grant == NULL || result.report.type == GUARD_REPORT_FAILED) {
        return code;
    }
    return conclude(run, &result, status, code);
}

static int run_granted(struct run *run, long depth)
{
    struct environment environment;
    /* Before the rest is asked for: this process may be stopped in between. */
    int64_t now_ms = clock_now_ms();
    int64_t left_ms = permit_grant_left_ms(run->grant);
    char path[OUTCOME_PATH_BYTES];
    int error;

    environment_fill(&environment, run->options, run->client, run->grant,
                     depth);
    report_note(run->options, true, "grant %" PRIu64 ", fence %" PRIu64,
                permit_grant_id(run->grant), permit_grant_fence(run->grant));
    status_fd_granted(run->status, run->client, run->grant,
                      run->options->permits);
    run_entrust(run, run->client);
    if (left_ms <= 0) {
        status_fd_lost(run->status, PERMIT_LOSS_SESSION);
        (void)give_back(run, /* is_done= */ false);
        return report_status(run->options, NULL, PERMIT_E_LOST);
    }
    /* However short the hold is, and the server may cap it, the command has a
     * part of it. */
    if (run->kill_after_ms >= left_ms ||
        (run->options->kill_after_ms == OPTIONS_DURATION_UNSET &&
         run->kill_after_ms > left_ms / 2)) {
        run->kill_after_ms = left_ms / 2;
    }
    run->deadline_ms = run->options->on_lost == OPTIONS_LOST_IGNORE
                           ? NEVER_MS
                           : now_ms + left_ms;
    if (run->outcome != -1) {
        environment_add(&environment, "PERMIT_OUTCOME=%s",
                        outcome_path(run->outcome, path));
    }
    error = allow_renewals(run, &environment);
    if (error < 0) {
        (void)give_back(run, /* is_done= */ false);
        report_error(run->options, "not_started", "%s", strerror(-error));
        return EXIT_NOT_STARTED;
    }
    return run_with(run, &environment);
}

/* All was taken for good: there is nothing to give back, nor to lose. */
static int run_taken(struct run *run, struct acquire *acquire, long depth)
{
    struct environment environment;

    environment_fill(&environment, run->options, acquire->client, NULL, depth);
    status_fd_granted(run->status, acquire->client, NULL,
                      run->options->permits);
    acquire_deinit(acquire);
    (void)guard_entrust(run->guard, NULL, 0, -1);
    run->deadline_ms = NEVER_MS;
    return run_with(run, &environment);
}

/* Somebody else has done the work. */
static int print_joined(const struct run *run,
                        const struct permit_outcome *outcome)
{
    size_t written = 0;

    status_fd_joined(run->status, outcome->bytes);
    while (written < outcome->bytes) {
        ssize_t length = write(run->output, outcome->data + written,
                               outcome->bytes - written);

        if (length < 0 && errno != EINTR) {
            report_error(run->options, "output", "cannot write to stdout");
            return EX_IOERR;
        }
        written += length < 0 ? 0 : (size_t)length;
    }
    return EX_OK;
}

static void entrust(void *arg, struct permit_client *client)
{
    run_entrust(arg, client);
}

/* Acquires, and runs the command. */
static int run_acquired(struct run *run, struct acquire *acquire, long depth)
{
    const struct environment nothing = {.bytes = 0};
    const struct options *options = run->options;
    int code = acquire_connect(acquire);

    if (code == 0) {
        code = check_linger(acquire);
    }
    if (code == 0) {
        code = choose_kill_after(acquire, &run->kill_after_ms);
    }
    if (code == 0) {
        code = acquire_grant(acquire, /* consume= */ false);
    }
    if (code == 0 && acquire->is_joined) {
        return print_joined(run, &acquire->outcome);
    }
    if (run->output != -1) {
        (void)close(run->output); /* Its end is the command's. */
    }
    if (code == 0) { /* Of the connection that it came over. */
        code = choose_kill_after(acquire, &run->kill_after_ms);
    }
    if (code == EX_UNAVAILABLE && options->on_unreachable == UNREACHABLE_RUN) {
        report_error(options, "without_permit",
                     "the command runs without a permit of %s",
                     options->semaphore);
        acquire_deinit(acquire); /* It may be draining, and wait for us. */
        run->deadline_ms = NEVER_MS;
        return run_with(run, &nothing);
    }
    if (code == EX_TEMPFAIL && options->conflict_code != -1) {
        return options->conflict_code;
    }
    if (code != 0) {
        return code;
    }
    if (acquire->grant == NULL) {
        return run_taken(run, acquire, depth);
    }
    run->client = acquire->client;
    run->grant = acquire->grant;
    acquire->client = NULL; /* They are given back. */
    acquire->grant = NULL;
    return run_granted(run, depth);
}

/* The command's name without its directory, cut to what a purpose may have. */
static void name_purpose(char *buffer, size_t bytes, const char *path)
{
    const char *slash = strrchr(path, '/');

    (void)snprintf(buffer, bytes, "%s", slash == NULL ? path : slash + 1);
}

/* Makes the guard, while there is one thread still, for it forks, and lets go
 * of what is the command's. Returns 0 or a negative errno. */
static int prepare(struct run *run)
{
    const struct options *options = run->options;
    const struct guard_command command = {.argv = options->argv,
                                          .own_group = options->no_stdin ||
                                                       !isatty(STDIN_FILENO),
                                          .no_stdin = options->no_stdin,
                                          .on_orphaned = run_orphaned};
    int error = guard_create(&command, &run->guard);

    if (error < 0) {
        return error;
    }
    if (options->join) { /* For what another's run has to say. */
        run->output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    }
    descriptors_let_go(
        (const int[]){guard_fd(run->guard), run->status->fd, run->output}, 3,
        /* stderr_too= */ false);
    run->outcome = outcome_create();
    /* Who reads what is said may go: the command's permit does not depend on
     * it. */
    (void)signal(SIGPIPE, SIG_IGN);
    error = signals_catch();
    if (error < 0) {
        guard_destroy(run->guard);
    }
    return error;
}

int run_command(const struct options *options)
{
    char purpose[WIRE_TEXT_BYTES_MAX + 1];
    struct options own = *options;
    struct status_fd status;
    struct acquire acquire;
    struct run run = {
        .options = &own, .status = &status, .output = -1, .outcome = -1};
    long depth = environment_take_outer() + 1;
    int error = status_fd_open(&status, own.status_fd, own.semaphore);
    int code;

    if (error < 0) {
        report_error(options, permit_status_reason(PERMIT_E_INVALID),
                     "--status-fd: %d: %s", own.status_fd, strerror(-error));
        return EX_USAGE;
    }
    error = prepare(&run);
    if (error < 0) {
        report_error(options, "not_started", "%s", strerror(-error));
        status_fd_close(&status);
        return EX_SOFTWARE;
    }
    if (own.purpose == NULL) {
        name_purpose(purpose, sizeof(purpose), options->argv[0]);
        own.purpose = purpose;
    }
    choose_linger(&own);
    acquire_init(&acquire, &own, &status);
    acquire.on_session = entrust;
    acquire.on_session_arg = &run;
    code = run_acquired(&run, &acquire, depth);
    acquire_deinit(&acquire);
    (void)guard_entrust(run.guard, NULL, 0, -1); /* All is given back. */
    guard_destroy(run.guard);
    status_fd_close(&status);
    return code;
}
