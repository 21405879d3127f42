/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "exit_code.h"

struct caught {
    int signal;
    int from_terminal; /* A bool, without a hole behind it. */
};

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const int other_signals[] = {SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT,
                                    SIGTSTP};

/* A handler has no argument of its own, so these are the process's. */
static int signal_pipe[2] = {-1, -1};
static atomic_int first_ending;
static atomic_bool takes_all;
static atomic_bool ends_at_once;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    /* Its hangup the terminal tells the leader of the session alone. */
    const struct caught caught = {
        signal, info->si_code == SI_KERNEL &&
                    (signal != SIGHUP || getsid(0) != getpid())};
    int none = 0;
    ssize_t written;
    bool is_ending = false;

    (void)context;
    for (size_t i = 0; i < sizeof(ending_signals) / sizeof(*ending_signals);
         i++) {
        is_ending = is_ending || signal == ending_signals[i];
    }
    if (is_ending &&
        (!atomic_compare_exchange_strong(&first_ending, &none, signal) ||
         atomic_load(&ends_at_once)) &&
        !atomic_load(&takes_all)) {
        _exit(EXIT_SIGNAL + signal);
    }
    written = write(signal_pipe[1], &caught, sizeof(caught));
    (void)written; /* Full: thousands are waiting to be read already. */
    errno = saved_errno;
}

static void catch_each(const int *signals, size_t count)
{
    struct sigaction action = {.sa_flags = SA_RESTART | SA_SIGINFO};
    struct sigaction before;

    action.sa_sigaction = on_signal;
    /* One after the other: what came first is read first. */
    (void)sigfillset(&action.sa_mask);
    for (size_t i = 0; i < count; i++) {
        if (sigaction(signals[i], NULL, &before) == 0 &&
            before.sa_handler != SIG_IGN) {
            (void)sigaction(signals[i], &action, NULL);
        }
    }
}

int signals_catch(void)
{
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
        return -errno;
    }
    catch_each(ending_signals,
               sizeof(ending_signals) / sizeof(*ending_signals));
    return 0;
}

int signals_fd(void)
{
    return signal_pipe[0];
}

void signals_end_at_once(bool on)
{
    atomic_store(&ends_at_once, on);
}

void signals_take_all(void)
{
    atomic_store(&takes_all, true);
    catch_each(other_signals, sizeof(other_signals) / sizeof(*other_signals));
}

int signals_ending(void)
{
    return atomic_load(&first_ending);
}

bool signals_next(int *ret_signal, bool *ret_from_terminal)
{
    struct caught caught;

    if (read(signal_pipe[0], &caught, sizeof(caught)) !=
        (ssize_t)sizeof(caught)) {
        return false;
    }
    *ret_signal = caught.signal;
    *ret_from_terminal = caught.from_terminal != 0;
    return true;
}
