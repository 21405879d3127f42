/* SPDX-License-Identifier: MIT */
#include "run_watch.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "report.h"
#include "run_orphan.h"
#include "signals.h"

/* How often the guard is told of the deadline, which Pings move. */
#define REFRESH_MS 1000
/* A guard that has not killed so long after its deadline does not do its work,
 * and the daemon is about to give the permit to another. */
#define GUARD_LATE_MS 50

struct watch {
    const struct run *run;
    int64_t deadline_ms;  /* As the guard was told it last. */
    int64_t killed_by_ms; /* Since the loss: when all must be dead; else 0. */
    bool is_lost;
    bool has_started; /* The command runs, as far as is known. */
};

/* Why it is lost, or will be: what nobody has told yet, the clock says. */
static enum permit_loss find_loss(const struct run *run)
{
    enum permit_loss loss = permit_grant_get_loss(run->grant);
    int64_t session_ms =
        permit_client_deadline_ms(run->client) - clock_now_ms();

    if (loss != 0) {
        return loss;
    }
    /* It is over with what ends first, the session or the hold. */
    return session_ms > permit_grant_left_ms(run->grant) + 1
               ? PERMIT_LOSS_HOLD
               : PERMIT_LOSS_SESSION;
}

static void say_lost(const struct run *run)
{
    enum permit_loss loss = find_loss(run);

    status_fd_lost(run->status, loss);
    report_error(
        run->options, permit_status_reason(PERMIT_E_LOST),
        "the permit of %s %s (%s): the command %s", run->options->semaphore,
        permit_grant_left_ms(run->grant) > 0 ? "is about to be lost"
                                             : "is lost",
        permit_loss_name(loss),
        run->options->on_lost == OPTIONS_LOST_IGNORE ? "runs on without it"
                                                     : "is stopped");
}

/* The daemon gives it to the next when the grace that it gave is over. */
static bool is_taken_back(const struct permit_grant *grant)
{
    enum permit_loss loss = permit_grant_get_loss(grant);

    return loss == PERMIT_LOSS_REVOKED || loss == PERMIT_LOSS_KICKED ||
           loss == PERMIT_LOSS_DELETED;
}

static void lose(struct watch *watch, int64_t left_ms)
{
    const struct run *run = watch->run;
    int on_lost = run->options->on_lost;
    int64_t grace_ms = left_ms > 0 && left_ms < run->kill_after_ms
                           ? left_ms
                           : run->kill_after_ms;
    int64_t given_ms = permit_grant_grace_ms(run->grant);

    watch->is_lost = true;
    if (is_taken_back(run->grant) && given_ms < grace_ms) {
        grace_ms = given_ms;
    }
    if (on_lost == SIGKILL) {
        grace_ms = 0; /* The guard kills them all, however they hide. */
    }
    if (on_lost != OPTIONS_LOST_IGNORE) {
        watch->killed_by_ms = clock_now_ms() + grace_ms;
        if (watch->killed_by_ms > watch->deadline_ms) {
            watch->killed_by_ms = watch->deadline_ms;
        }
        guard_set_deadline(run->guard, watch->killed_by_ms);
    }
    if (on_lost != OPTIONS_LOST_IGNORE && on_lost != SIGKILL) {
        guard_signal(run->guard, on_lost, /* from_terminal= */ false);
        guard_signal(run->guard, SIGCONT, /* from_terminal= */ false);
    }
    say_lost(run);
}

/* Looks whether the guard does its work. Returns in how many ms to look again.
 */
static int look_at_guard(const struct watch *watch, int64_t now_ms)
{
    int64_t left_ms = watch->killed_by_ms + GUARD_LATE_MS - now_ms;

    if (watch->killed_by_ms != 0 && left_ms <= 0) {
        guard_kill(watch->run->guard);
    }
    return watch->killed_by_ms != 0 && left_ms > 0 && left_ms < REFRESH_MS
               ? (int)left_ms
               : REFRESH_MS;
}

/* Looks at the grant. Returns in how many ms to look again. */
static int look(struct watch *watch)
{
    const struct run *run = watch->run;
    /* Before the rest is asked for: this process may be stopped in between. */
    int64_t now_ms = clock_now_ms();
    int64_t left_ms;

    if (watch->is_lost || run->grant == NULL) {
        return look_at_guard(watch, now_ms);
    }
    left_ms = permit_grant_left_ms(run->grant);
    if (left_ms <= run->kill_after_ms) {
        lose(watch, left_ms);
        return 0;
    }
    if (run->options->on_lost != OPTIONS_LOST_IGNORE) {
        watch->deadline_ms = now_ms + left_ms;
        guard_set_deadline(run->guard, watch->deadline_ms);
    }
    left_ms -= run->kill_after_ms;
    return left_ms < REFRESH_MS ? (int)left_ms : REFRESH_MS;
}

static void pass_on_signals(const struct watch *watch)
{
    bool from_terminal;
    bool stops = false;
    int signal;

    while (signals_next(&signal, &from_terminal)) {
        /* The terminal did not reach a command that was not there yet. */
        guard_signal(watch->run->guard, signal,
                     from_terminal && watch->has_started);
        stops = signal == SIGTSTP || (stops && signal != SIGCONT);
    }
    if (stops) {
        /* What TSTP would have done, had it not been caught. */
        (void)kill(getpid(), SIGSTOP);
    }
}

void run_watch(struct run *run, struct run_result *ret_result)
{
    struct watch watch = {.run = run, .deadline_ms = run->deadline_ms};
    struct pollfd events[] = {
        {.fd = guard_fd(run->guard), .events = POLLIN},
        {.fd = signals_fd(), .events = POLLIN},
        {.fd = run->grant == NULL ? -1 : permit_grant_event_fd(run->grant),
         .events = POLLIN},
        {.fd = control_fd(run->control), .events = POLLIN}};

    do {
        int timeout_ms = look(&watch);

        if (run->grant != NULL) {
            run_entrust(run, run->client); /* It may have connected anew. */
        }
        if (watch.is_lost) {
            events[2].fd = -1; /* It stays readable. */
        }
        ret_result->report.type = GUARD_REPORT_STARTED;
        if (poll(events, 4, timeout_ms) <= 0) {
            continue; /* Time to look; or EINTR, and the pipe says of what. */
        }
        if (events[3].revents != 0) {
            (void)look(&watch); /* Tells the guard. */
            control_settle(run->control, watch.is_lost);
        }
        if (events[1].revents != 0) {
            pass_on_signals(&watch);
        }
        if (events[0].revents != 0) {
            guard_receive(run->guard, &ret_result->report);
            watch.has_started = true;
        }
    } while (ret_result->report.type == GUARD_REPORT_STARTED);
    if (ret_result->report.type == GUARD_REPORT_GONE) {
        guard_take_over(run->guard);
        ret_result->report.code = 128 + SIGKILL;
    }
    if (ret_result->report.by_deadline && !watch.is_lost &&
        run->grant != NULL) {
        /* This process was stopped, and hears of it only with the end. */
        watch.is_lost = true;
        say_lost(run);
    }
    ret_result->is_lost = watch.is_lost;
}
