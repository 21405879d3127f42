/* SPDX-License-Identifier: MIT */
#include "guard_process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"
#include "family.h"

struct guard_self {
    const struct guard_task *task;
    int connection; /* The copy that holds the line open, or -1. */
    struct guard_message entrusted; /* For when the wrapper is dead. */
    bool is_orphaned;
    bool has_continued; /* Them, by SIGCONT, since the last SIGTSTP. */
    int deaths;         /* A signalfd of SIGCHLD. */
    int deadline;       /* A timerfd. */
    struct family family;
};

/* ----------------------------------------------------------- the command */

/* Says why there is no command, to the guard, and ends this process. */
static _Noreturn void give_up(int failure_pipe, int error)
{
    ssize_t written = write(failure_pipe, &error, sizeof(error));

    (void)written; /* If the guard is gone nobody wants to know. */
    _exit(127);
}

static void become_command(const struct guard_task *task, pid_t guard,
                           const struct guard_message *go, int failure_pipe)
{
    pid_t group = task->command.own_group ? 0 : task->wrapper_group;

    /* Its own group, or back into the wrapper's: the guard has left that. */
    if (setpgid(0, group) < 0 ||
        (task->command.no_stdin && descriptor_to_null(STDIN_FILENO) < 0) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        give_up(failure_pipe, -errno);
    }
    if (getppid() != guard) {
        _exit(127); /* The guard died before the death signal was asked for. */
    }
    for (size_t at = 0; at < go->text_bytes; at += strlen(go->text + at) + 1) {
        char *equals = strchr(go->text + at, '=');

        assert(equals != NULL);
        *equals = '\0';
        if (setenv(go->text + at, equals + 1, /* overwrite= */ 1) < 0) {
            give_up(failure_pipe, -errno);
        }
        *equals = '=';
    }
    if (sigprocmask(SIG_SETMASK, &task->command_mask, NULL) < 0) {
        give_up(failure_pipe, -errno);
    }
    (void)execvp(task->command.argv[0], task->command.argv);
    give_up(failure_pipe, errno);
}

/* Returns the command's process, or 0 with *ret_error set: an errno, negative
 * if exec was not even tried. */
static pid_t start_command(const struct guard_task *task,
                           struct guard_message *go, int *ret_error)
{
    int failure_pipe[2];
    pid_t guard = getpid();
    pid_t command;
    int error = 0;
    ssize_t length;

    if (pipe2(failure_pipe, O_CLOEXEC) < 0) {
        *ret_error = -errno;
        return 0;
    }
    command = fork();
    if (command == 0) {
        become_command(task, guard, go, failure_pipe[1]);
    }
    *ret_error = command < 0 ? -errno : 0;
    (void)close(failure_pipe[1]);
    do {
        length = read(failure_pipe[0], &error, sizeof(error));
    } while (length < 0 && errno == EINTR);
    (void)close(failure_pipe[0]);
    if (command < 0) {
        return 0;
    }
    if (length == (ssize_t)sizeof(error)) {
        *ret_error = error;
        return 0; /* It is about to exit; the family buries it. */
    }
    return command;
}

/* ------------------------------------------------------------- the guard */

static void say(const struct guard_self *self, enum guard_word word, int number,
                bool flag)
{
    const struct guard_message message = {
        .word = word, .number = number, .flag = flag};

    /* A dead wrapper is seen at the end of the line. */
    (void)guard_line_send(self->task->line, &message, -1);
}

static void set_deadline(const struct guard_self *self, int64_t deadline_ms)
{
    int64_t at_ms = deadline_ms > 0 ? deadline_ms : 1; /* 0 would be never. */
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ms / 1000),
                     .tv_nsec = (long)(at_ms % 1000) * 1000000L}};

    (void)timerfd_settime(self->deadline, TFD_TIMER_ABSTIME, &when, NULL);
}

static void end_all(struct guard_self *self, bool by_deadline)
{
    family_kill(&self->family);
    say(self, GUARD_ENDED, self->family.command_code, by_deadline);
}

static void take_entrusted(struct guard_self *self,
                           const struct guard_message *message, int descriptor)
{
    self->entrusted = *message;
    if (descriptor != -1) {
        if (self->connection != -1) {
            (void)close(self->connection);
        }
        self->connection = descriptor;
    }
}

/* Waits for the wrapper's next word. Returns false if it is dead. */
static bool hear(struct guard_self *self, struct guard_message *ret_message)
{
    int descriptor;

    if (guard_line_receive(self->task->line, ret_message, &descriptor) == 0) {
        self->is_orphaned = true;
        return false;
    }
    if (ret_message->word == GUARD_ENTRUST) {
        take_entrusted(self, ret_message, descriptor);
    }
    return true;
}

/* A SIGCONT that comes late takes back the stop that the terminal has sent
 * meanwhile: after one, SIGTSTP is for all. A second one at most stays pending
 * until they go on, which discards it. */
static void pass_on(struct guard_self *self, int signal, bool from_terminal)
{
    bool is_told = from_terminal && !(signal == SIGTSTP && self->has_continued);

    family_signal(&self->family, signal,
                  is_told ? self->task->wrapper_group : 0);
    self->has_continued =
        signal == SIGCONT || (self->has_continued && signal != SIGTSTP);
}

/* Obeys the wrapper. Returns false when everybody is dead. */
static bool obey(struct guard_self *self)
{
    struct guard_message message;

    if (!hear(self, &message)) {
        end_all(self, false);
        return false;
    }
    if (message.word == GUARD_SIGNAL) {
        pass_on(self, message.number, message.flag);
    } else if (message.word == GUARD_DEADLINE) {
        set_deadline(self, message.time_ms);
    }
    return true;
}

/* Buries the dead. Returns false when nobody is left. */
static bool bury(struct guard_self *self)
{
    struct signalfd_siginfo death;
    ssize_t length = read(self->deaths, &death, sizeof(death));

    (void)length; /* It says only that somebody died. */
    if (family_reap(&self->family)) {
        say(self, GUARD_ENDED, self->family.command_code, false);
        return false;
    }
    family_end_adopted(&self->family);
    return true;
}

static void watch(struct guard_self *self)
{
    struct pollfd events[] = {{.fd = self->task->line, .events = POLLIN},
                              {.fd = self->deaths, .events = POLLIN},
                              {.fd = self->deadline, .events = POLLIN}};
    bool goes_on = true;

    while (goes_on) {
        if (poll(events, 3, -1) < 0) {
            continue; /* EINTR: every signal is blocked, but for a debugger. */
        }
        if (events[1].revents != 0) {
            goes_on = bury(self);
        } else if (events[2].revents != 0) {
            end_all(self, true);
            goes_on = false;
        } else if (events[0].revents != 0) {
            goes_on = obey(self);
        }
    }
}

/* Waits for the wrapper's go. Returns false if there will be none. */
static bool await_go(struct guard_self *self, struct guard_message *ret_go)
{
    while (hear(self, ret_go)) {
        if (ret_go->word == GUARD_GO) {
            return true;
        }
    }
    return false;
}

/* Returns 0 or a negative errno. */
static int prepare(struct guard_self *self)
{
    sigset_t child_dies;

    (void)sigemptyset(&child_dies);
    (void)sigaddset(&child_dies, SIGCHLD);
    self->deaths = signalfd(-1, &child_dies, SFD_CLOEXEC | SFD_NONBLOCK);
    self->deadline = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    /* If somebody has stopped the guard, the wrapper's death wakes it. */
    if (self->deaths < 0 || self->deadline < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGCONT) < 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || setpgid(0, 0) < 0) {
        return -errno;
    }
    return 0;
}

/* From now on the command's input and output are the command's alone. */
static void let_go(const struct guard_self *self)
{
    descriptors_let_go((const int[]){self->task->line, self->connection,
                                     self->deaths, self->deadline},
                       4, /* stderr_too= */ true);
}

/* Starts the command, and returns when nobody is left of it. */
static void guard_command(struct guard_self *self, struct guard_message *go,
                          int error)
{
    const struct guard_task *task = self->task;

    if (error == 0 && clock_now_ms() >= go->time_ms) {
        say(self, GUARD_ENDED, 0, true); /* It was stopped until now. */
        return;
    }
    if (error == 0) {
        set_deadline(self, go->time_ms);
        self->family.command = start_command(task, go, &error);
    }
    if (self->family.command == 0) {
        say(self, GUARD_FAILED, error < 0 ? -error : error, error < 0);
        return;
    }
    self->family.group = task->command.own_group ? self->family.command : 0;
    say(self, GUARD_STARTED, self->family.command, false);
    let_go(self);
    watch(self);
}

void guard_process(const struct guard_task *task)
{
    static struct guard_self self; /* Its message is large. */
    static struct guard_message message;
    int error;

    self.task = task;
    self.connection = -1;
    error = prepare(&self);
    if (await_go(&self, &message)) {
        guard_command(&self, &message, error);
    }
    let_go(&self);
    /* Until the wrapper has given back, it may still die. */
    while (!self.is_orphaned) {
        (void)hear(&self, &message);
    }
    if (self.entrusted.text_bytes > 0) {
        (void)close(self.connection); /* What is entrusted may take time. */
        task->command.on_orphaned(self.entrusted.text);
    }
}
