/* SPDX-License-Identifier: MIT */
#include "run_watch.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "report.h"
#include "signals.h"

/* How often the guard is told of the deadline, which Pings move. */
#define REFRESH_MS 1000
/* A guard that has not killed so long after its deadline is stopped itself. */
#define GUARD_LATE_MS 1000

struct watch {
    const struct options *options;
    struct guard *guard;
    struct permit_grant *grant;
    int64_t kill_after_ms;
    int64_t killed_by_ms; /* Since the loss: when all must be dead; else 0. */
};

static void say_lost(const struct watch *watch)
{
    enum permit_loss loss = permit_grant_get_loss(watch->grant);

    report_error(watch->options, permit_status_reason(PERMIT_E_LOST),
                 "the permit of %s %s (%s): the command is stopped",
                 watch->options->semaphore,
                 permit_grant_is_valid(watch->grant) ? "is about to be lost"
                                                     : "is lost",
                 permit_grant_is_valid(watch->grant)
                     ? "its hold is over, or the daemon is silent"
                     : permit_loss_name(loss));
}

static void lose(struct watch *watch, int64_t left_ms)
{
    int64_t grace_ms = left_ms > 0 && left_ms < watch->kill_after_ms
                           ? left_ms
                           : watch->kill_after_ms;

    watch->killed_by_ms = clock_now_ms() + grace_ms;
    guard_set_deadline(watch->guard, watch->killed_by_ms);
    guard_signal(watch->guard, SIGTERM, /* from_terminal= */ false);
    guard_signal(watch->guard, SIGCONT, /* from_terminal= */ false);
    say_lost(watch);
}

/* Looks at the grant. Returns in how many ms to look again. */
static int look(struct watch *watch)
{
    int64_t left_ms;

    if (watch->killed_by_ms != 0) {
        if (clock_now_ms() > watch->killed_by_ms + GUARD_LATE_MS) {
            guard_kill(watch->guard);
        }
        return REFRESH_MS;
    }
    left_ms = permit_grant_left_ms(watch->grant);
    if (left_ms <= watch->kill_after_ms) {
        lose(watch, left_ms);
        return REFRESH_MS;
    }
    guard_set_deadline(watch->guard, clock_now_ms() + left_ms);
    left_ms -= watch->kill_after_ms;
    return left_ms < REFRESH_MS ? (int)left_ms : REFRESH_MS;
}

static void pass_on_signals(const struct watch *watch)
{
    bool from_terminal;
    int signal;

    while (signals_next(&signal, &from_terminal)) {
        guard_signal(watch->guard, signal, from_terminal);
        if (signal == SIGTSTP) {
            /* What TSTP would have done, had it not been caught. */
            (void)kill(getpid(), SIGSTOP);
        }
    }
}

void run_watch(const struct options *options, struct guard *guard,
               struct permit_grant *grant, int64_t kill_after_ms,
               struct run_result *ret_result)
{
    struct watch watch = {.options = options,
                          .guard = guard,
                          .grant = grant,
                          .kill_after_ms = kill_after_ms};
    struct pollfd events[] = {
        {.fd = guard_fd(guard), .events = POLLIN},
        {.fd = signals_fd(), .events = POLLIN},
        {.fd = permit_grant_event_fd(grant), .events = POLLIN}};

    signals_take_all();
    do {
        int timeout_ms = look(&watch);

        if (watch.killed_by_ms != 0) {
            events[2].fd = -1; /* It stays readable. */
        }
        ret_result->report.type = GUARD_REPORT_STARTED;
        if (poll(events, 3, timeout_ms) <= 0) {
            continue; /* Time to look; or EINTR, and the pipe says of what. */
        }
        if (events[1].revents != 0) {
            pass_on_signals(&watch);
        }
        if (events[0].revents != 0) {
            guard_receive(guard, &ret_result->report);
        }
    } while (ret_result->report.type == GUARD_REPORT_STARTED);
    if (ret_result->report.type == GUARD_REPORT_GONE) {
        guard_take_over(guard);
        ret_result->report.code = 128 + SIGKILL;
    }
    ret_result->is_lost = watch.killed_by_ms != 0;
}
