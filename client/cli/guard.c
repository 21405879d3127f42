/* SPDX-License-Identifier: MIT */
#include "guard.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"
#include "guard_process.h"

struct guard {
    pid_t process;
    int line; /* -1 once the guard is gone. */
    bool own_group;
    pid_t command;    /* 0 until it runs. */
    pid_t *strangers; /* Children that this process had before. */
    size_t strangers_count;
};

/* The child's half of guard_create. */
static _Noreturn void be_guard(const struct guard_command *command,
                               const int line[2], const sigset_t *mask)
{
    const struct guard_task task = {.command = *command,
                                    .line = line[1],
                                    .command_mask = *mask,
                                    .wrapper_group = getpgrp()};

    (void)close(line[0]);
    guard_process(&task);
    _exit(0);
}

int guard_create(const struct guard_command *command, struct guard **ret_guard)
{
    struct guard *guard = calloc(1, sizeof(*guard));
    int line[2] = {-1, -1};
    sigset_t all;
    sigset_t mask;
    int error = -ENOMEM;

    if (guard == NULL) {
        return error;
    }
    error = family_list_children(&guard->strangers, &guard->strangers_count);
    if (error < 0) {
        goto fail;
    }
    error = guard_line_create(line);
    if (error < 0) {
        goto fail;
    }
    /* A parent that ignores its children's deaths must not hide ours. */
    (void)signal(SIGCHLD, SIG_DFL);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &mask);
    guard->process = prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -1 : fork();
    error = guard->process < 0 ? -errno : 0;
    if (guard->process == 0) {
        be_guard(command, line, &mask);
    }
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
    (void)close(line[1]);
    if (error < 0) {
        (void)close(line[0]);
        goto fail;
    }
    guard->line = line[0];
    guard->own_group = command->own_group;
    *ret_guard = guard;
    return 0;
fail:
    free(guard->strangers);
    free(guard);
    return error;
}

static void close_line(struct guard *guard)
{
    if (guard->line != -1) {
        (void)close(guard->line);
        guard->line = -1;
    }
}

/* Somebody may have stopped it. */
static void wake_guard(const struct guard *guard)
{
    if (guard->process != 0) {
        (void)kill(guard->process, SIGCONT);
    }
}

static int send_to_guard(const struct guard *guard,
                         const struct guard_message *message, int descriptor)
{
    int error = guard_line_send(guard->line, message, descriptor);

    wake_guard(guard);
    return error;
}

static void bury_guard(struct guard *guard)
{
    wake_guard(guard);
    if (guard->process != 0) {
        while (waitpid(guard->process, NULL, 0) < 0 && errno == EINTR) {
        }
        guard->process = 0;
    }
}

/* Waits until the guard is dead, so that what it leaves behind is ours. Its
 * zombie may be a debugger's for as long as that likes. */
static void await_death(struct guard *guard)
{
    struct pollfd death = {.fd = pidfd_open(guard->process, 0),
                           .events = POLLIN};

    if (death.fd < 0) {
        bury_guard(guard); /* An old kernel. */
        return;
    }
    while (poll(&death, 1, -1) < 0 && errno == EINTR) {
    }
    (void)close(death.fd);
    guard->process = 0; /* One of the family now, until it is buried. */
}

void guard_destroy(struct guard *guard)
{
    if (guard == NULL) {
        return;
    }
    close_line(guard);
    bury_guard(guard);
    free(guard->strangers);
    free(guard);
}

/* Sends a message with a text. */
static int send_text(const struct guard *guard, struct guard_message *message,
                     const void *text, size_t bytes, int descriptor)
{
    assert(bytes <= sizeof(message->text));
    message->text_bytes = bytes;
    if (bytes > 0) {
        memcpy(message->text, text, bytes);
    }
    return send_to_guard(guard, message, descriptor);
}

int guard_entrust(struct guard *guard, const void *entrusted, size_t bytes,
                  int connection)
{
    struct guard_message message = {.word = GUARD_ENTRUST};

    return send_text(guard, &message, entrusted, bytes, connection);
}

int guard_go(struct guard *guard, const char *environment,
             size_t environment_bytes, int64_t deadline_ms)
{
    struct guard_message message = {.word = GUARD_GO, .time_ms = deadline_ms};

    return send_text(guard, &message, environment, environment_bytes, -1);
}

void guard_set_deadline(struct guard *guard, int64_t deadline_ms)
{
    const struct guard_message message = {.word = GUARD_DEADLINE,
                                          .time_ms = deadline_ms};

    (void)send_to_guard(guard, &message, -1); /* See guard_receive. */
}

void guard_signal(struct guard *guard, int signal, bool from_terminal)
{
    const struct guard_message message = {
        .word = GUARD_SIGNAL, .number = signal, .flag = from_terminal};

    (void)send_to_guard(guard, &message, -1); /* See guard_receive. */
}

int guard_fd(const struct guard *guard)
{
    return guard->line;
}

void guard_receive(struct guard *guard, struct guard_report *ret_report)
{
    struct guard_message message;
    int descriptor;

    memset(ret_report, 0, sizeof(*ret_report));
    if (guard_line_receive(guard->line, &message, &descriptor) == 0) {
        close_line(guard);
        ret_report->type = GUARD_REPORT_GONE;
    } else if (message.word == GUARD_STARTED) {
        guard->command = message.number;
        ret_report->type = GUARD_REPORT_STARTED;
    } else if (message.word == GUARD_FAILED) {
        ret_report->type = GUARD_REPORT_FAILED;
        ret_report->error = message.number;
        ret_report->before_exec = message.flag;
    } else {
        assert(message.word == GUARD_ENDED);
        ret_report->type = GUARD_REPORT_ENDED;
        ret_report->code = message.number;
        ret_report->by_deadline = message.flag;
    }
}

void guard_take_over(struct guard *guard)
{
    struct family family = {.command = guard->command,
                            .group = guard->own_group ? guard->command : 0,
                            .spared = guard->strangers,
                            .spared_count = guard->strangers_count};
    sigset_t child_dies;

    close_line(guard);
    await_death(guard);
    (void)sigemptyset(&child_dies);
    (void)sigaddset(&child_dies, SIGCHLD);
    (void)pthread_sigmask(SIG_BLOCK, &child_dies, NULL);
    family_kill(&family);
}

void guard_kill(struct guard *guard)
{
    if (guard->process != 0) {
        (void)kill(guard->process, SIGKILL);
    }
}
