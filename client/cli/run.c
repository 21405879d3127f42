/* SPDX-License-Identifier: MIT */
/* `permit run`: acquire, run a command under its guard, give back. */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acquire.h"
#include "clock.h"
#include "commands.h"
#include "descriptors.h"
#include "exit_code.h"
#include "guard.h"
#include "report.h"
#include "run_watch.h"
#include "signals.h"
#include "wire.h"

#define KILL_AFTER_DEFAULT_MS 5000
#define GIVE_BACK_MS 1000

/* ------------------------------------------------------------- kill after */

/* How long the command has from TERM to KILL. Returns 0, or the exit code if
 * what the options say leaves too little before the client's deadline. */
static int choose_kill_after(const struct options *options,
                             struct permit_client *client,
                             int64_t *ret_kill_after_ms)
{
    int64_t deadline_ms = permit_client_deadline_ms(client) - clock_now_ms();
    /* A third of the session timeout, of which the client believes 0.9. */
    int64_t heartbeat_ms = deadline_ms * 10 / 27;
    int64_t kill_after_ms = options->kill_after_ms;

    if (kill_after_ms == OPTIONS_DURATION_UNSET) {
        *ret_kill_after_ms = deadline_ms / 2 < KILL_AFTER_DEFAULT_MS
                                 ? deadline_ms / 2
                                 : KILL_AFTER_DEFAULT_MS;
        return 0;
    }
    if (kill_after_ms > deadline_ms - heartbeat_ms ||
        (options->hold_ms > 0 && kill_after_ms >= options->hold_ms)) {
        report_error(options, permit_status_reason(PERMIT_E_INVALID),
                     "--kill-after leaves too little: a permit whose daemon is "
                     "silent is believed in for %" PRId64
                     " ms, a heartbeat comes every %" PRId64 " ms%s",
                     deadline_ms, heartbeat_ms,
                     options->hold_ms > 0 ? ", and --hold ends it" : "");
        return EX_USAGE;
    }
    *ret_kill_after_ms = kill_after_ms;
    return 0;
}

/* ------------------------------------------------------------ environment */

struct environment {
    char text[GUARD_TEXT_BYTES];
    size_t bytes;
};

static void __attribute__((format(printf, 2, 3)))
environment_add(struct environment *environment, const char *format, ...)
{
    size_t room = sizeof(environment->text) - environment->bytes;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(environment->text + environment->bytes, room, format,
                       arguments);
    va_end(arguments);
    /* Numbers and two names of at most 128 bytes always fit. */
    assert(length > 0 && (size_t)length < room);
    environment->bytes += (size_t)length + 1;
}

static void environment_fill(struct environment *environment,
                             const struct options *options,
                             struct permit_client *client,
                             const struct permit_grant *grant)
{
    const char *outer = getenv("PERMIT_DEPTH");
    long depth = outer == NULL ? 0 : strtol(outer, NULL, 10);
    uint32_t permits = permit_grant_permits(grant);

    environment->bytes = 0;
    environment_add(environment, "PERMIT_SEMAPHORE=%s", options->semaphore);
    environment_add(environment, "PERMIT_GRANT=%" PRIu64,
                    permit_grant_id(grant));
    environment_add(environment, "PERMIT_FENCE=%" PRIu64,
                    permit_grant_fence(grant));
    environment_add(environment, "PERMIT_PERMITS=%" PRIu32, permits);
    environment_add(environment, "PERMIT_PARTS=%s=%" PRIu32, options->semaphore,
                    permits);
    environment_add(environment, "PERMIT_WAITED_MS=%" PRId64,
                    permit_grant_waited_ms(grant));
    environment_add(environment, "PERMIT_SESSION=%" PRIu64,
                    permit_client_session_id(client));
    environment_add(environment, "PERMIT_DEPTH=%ld",
                    depth > 0 && depth < 1000000 ? depth + 1 : 1);
}

/* --------------------------------------------------------------- the end */

struct giving_back {
    struct permit_client *client;
    struct permit_grant *grant;
    enum permit_status status;
};

static void *give_back_thread(void *arg)
{
    struct giving_back *giving = arg;

    giving->status = permit_grant_release(giving->grant, 0);
    permit_grant_destroy(giving->grant);
    permit_client_destroy(giving->client);
    return NULL;
}

/* Release and Bye, and at most a second for the answers. Takes ownership of
 * both. Returns PERMIT_E_NO_ANSWER if that was not enough. */
static enum permit_status give_back(struct permit_client *client,
                                    struct permit_grant *grant)
{
    /* The thread may outlive this call, until the process ends. */
    static struct giving_back giving;
    struct timespec until;
    pthread_t thread;

    giving = (struct giving_back){client, grant, PERMIT_OK};
    if (pthread_create(&thread, NULL, give_back_thread, &giving) != 0) {
        (void)give_back_thread(&giving);
        return giving.status;
    }
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += GIVE_BACK_MS / 1000;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        return PERMIT_E_NO_ANSWER;
    }
    return giving.status;
}

/* Says how it went wrong, if it did. Returns the exit code. */
static int conclude(const struct options *options,
                    const struct run_result *result, enum permit_status status)
{
    const struct guard_report *report = &result->report;
    bool is_unprotected = status == PERMIT_E_EXPIRED ||
                          status == PERMIT_E_NOT_HELD ||
                          status == PERMIT_E_LOST;

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
    if (result->is_lost) {
        return EXIT_LOST; /* Said when it happened. */
    }
    if (is_unprotected || report->by_deadline) {
        report_error(options, permit_status_reason(PERMIT_E_LOST),
                     "the permit of %s was lost while the command ran",
                     options->semaphore);
        return EXIT_LOST;
    }
    if (status != PERMIT_OK) {
        report_note(options, false,
                    "the command has ended, but giving back was not answered "
                    "(%s); the end of the line frees the permit",
                    permit_strerror(status));
    }
    return report->code;
}

static int run_granted(const struct options *options, struct guard *guard,
                       struct permit_client *client, struct permit_grant *grant,
                       int64_t kill_after_ms)
{
    struct environment environment;
    struct run_result result;
    int64_t left_ms = permit_grant_left_ms(grant);
    int connection = permit_client_fd(client);
    enum permit_status status;
    int error;

    environment_fill(&environment, options, client, grant);
    if (left_ms <= 0 || connection < 0) {
        (void)give_back(client, grant);
        return report_status(options, NULL, PERMIT_E_LOST);
    }
    error = guard_go(guard, connection, environment.text, environment.bytes,
                     clock_now_ms() + left_ms);
    if (error < 0 && error != -EPIPE) {
        (void)give_back(client, grant);
        report_error(options, "not_started", "%s", strerror(-error));
        return EXIT_NOT_STARTED;
    }
    /* However short the hold is, the command has a part of it. */
    run_watch(options, guard, grant,
              kill_after_ms < left_ms / 2 ? kill_after_ms : left_ms / 2,
              &result);
    status = give_back(client, grant);
    return conclude(options, &result, status);
}

static int run_connected(const struct options *options, struct guard *guard,
                         struct permit_client *client)
{
    struct permit_grant *grant = NULL;
    int64_t kill_after_ms = 0;
    int code = choose_kill_after(options, client, &kill_after_ms);

    if (code == 0) {
        code = acquire(options, client, /* consume= */ false, &grant);
        if (code == EX_TEMPFAIL && options->conflict_code != -1) {
            code = options->conflict_code;
        }
    }
    if (grant == NULL) {
        permit_client_destroy(client);
        return code;
    }
    report_note(options, true, "grant %" PRIu64 ", fence %" PRIu64,
                permit_grant_id(grant), permit_grant_fence(grant));
    return run_granted(options, guard, client, grant, kill_after_ms);
}

/* The command's name without its directory, cut to what a purpose may have. */
static void name_purpose(char *buffer, size_t bytes, const char *path)
{
    const char *slash = strrchr(path, '/');

    (void)snprintf(buffer, bytes, "%s", slash == NULL ? path : slash + 1);
}

int run_command(const struct options *options)
{
    char purpose[WIRE_TEXT_BYTES_MAX + 1];
    struct options own = *options;
    const struct guard_command command = {.argv = options->argv,
                                          .own_group = options->no_stdin ||
                                                       !isatty(STDIN_FILENO),
                                          .no_stdin = options->no_stdin};
    struct permit_client *client;
    struct guard *guard;
    enum permit_status status;
    int code;
    /* First of all, for it forks: there is one thread still. */
    int error = guard_create(&command, &guard);

    if (error == 0) {
        int line = guard_fd(guard);

        descriptors_let_go(&line, 1, /* stderr_too= */ false);
        error = signals_catch();
        if (error < 0) {
            guard_destroy(guard);
        }
    }
    if (error < 0) {
        report_error(options, "not_started", "%s", strerror(-error));
        return EX_SOFTWARE;
    }
    if (own.purpose == NULL) {
        name_purpose(purpose, sizeof(purpose), options->argv[0]);
        own.purpose = purpose;
    }
    status = report_connect(&own, &client);
    code = status == PERMIT_OK ? run_connected(&own, guard, client)
                               : exit_code_of(status);
    guard_destroy(guard);
    return code;
}
