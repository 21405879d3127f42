/* SPDX-License-Identifier: MIT */
#include "family.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Between two rounds of killing, if no death is heard of before. */
#define KILL_ROUND_NS 10000000L

struct pids {
    pid_t *items;
    size_t count;
    size_t capacity;
};

static int pids_add(struct pids *pids, pid_t pid)
{
    if (pids->count == pids->capacity) {
        size_t capacity = pids->capacity == 0 ? 16 : 2 * pids->capacity;
        pid_t *items = realloc(pids->items, capacity * sizeof(*items));

        if (items == NULL) {
            return -ENOMEM;
        }
        pids->items = items;
        pids->capacity = capacity;
    }
    pids->items[pids->count++] = pid;
    return 0;
}

/* A child belongs to the thread that made it, so each thread has a list. */
static int list_of_thread(const char *thread, struct pids *pids)
{
    char path[64];
    FILE *file;
    long pid;
    int error = 0;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/children",
                   thread);
    file = fopen(path, "re");
    if (file == NULL) {
        return -errno;
    }
    while (error == 0 && fscanf(file, "%ld", &pid) == 1) {
        error = pids_add(pids, (pid_t)pid);
    }
    (void)fclose(file); /* Only read. */
    return error;
}

int family_list_children(pid_t **ret_children, size_t *ret_count)
{
    struct pids pids = {NULL, 0, 0};
    const struct dirent *entry;
    int error = 0;
    DIR *threads = opendir("/proc/self/task");

    if (threads == NULL) {
        return -errno;
    }
    while (error == 0 && (entry = readdir(threads)) != NULL) {
        if (entry->d_name[0] != '.') {
            error = list_of_thread(entry->d_name, &pids);
            /* A thread that has ended meanwhile handed its children on. */
            error = error == -ENOENT ? 0 : error;
        }
    }
    (void)closedir(threads);
    if (error < 0) {
        free(pids.items);
        return error;
    }
    *ret_children = pids.items;
    *ret_count = pids.count;
    return 0;
}

static bool is_spared(const struct family *family, pid_t child)
{
    for (size_t i = 0; i < family->spared_count; i++) {
        if (family->spared[i] == child) {
            return true;
        }
    }
    return false;
}

/* Learns how the command ended, and leaves its zombie where it is. */
static void look_at_command(struct family *family)
{
    siginfo_t info = {.si_pid = 0};

    if (family->command_ended) {
        return;
    }
    if (waitid(P_PID, (id_t)family->command, &info,
               WEXITED | WNOHANG | WNOWAIT) < 0) {
        family->command_ended = true; /* A killed guard has buried it. */
    } else if (info.si_pid == family->command) {
        family->command_ended = true;
        family->command_code =
            info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    }
}

/* Returns how many children live, the command and the spared left out; -1 if
 * nobody can say. */
static long reap_others(const struct family *family)
{
    pid_t *children = NULL;
    size_t count = 0;
    long alive = 0;

    if (family_list_children(&children, &count) < 0) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (children[i] != family->command && !is_spared(family, children[i]) &&
            waitpid(children[i], NULL, WNOHANG) == 0) {
            alive++;
        }
    }
    free(children);
    return alive;
}

bool family_reap(struct family *family)
{
    siginfo_t info;

    if (family->command != 0) {
        look_at_command(family);
    }
    if (reap_others(family) != 0 ||
        (family->command != 0 && !family->command_ended)) {
        return false;
    }
    if (family->command != 0) {
        (void)waitpid(family->command, NULL, WNOHANG);
        family->command = 0;
        family->group = 0;
    }
    /* The list may have missed one that was adopted while it was read; the
     * kernel's own word is final, where no spared child hides it. */
    if (family->spared_count > 0) {
        return reap_others(family) == 0;
    }
    info.si_pid = 0;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 &&
           errno == ECHILD;
}

static bool is_reached_otherwise(const struct family *family, pid_t child,
                                 bool from_terminal, pid_t foreground)
{
    pid_t group = getpgid(child);

    return (family->group != 0 && group == family->group) ||
           (from_terminal && group == foreground) || is_spared(family, child);
}

void family_signal(const struct family *family, int signal, bool from_terminal,
                   pid_t foreground)
{
    pid_t *children = NULL;
    size_t count = 0;

    assert(signal > 0);
    if (family->group != 0) {
        (void)kill(-family->group, signal);
    }
    if (family_list_children(&children, &count) < 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_reached_otherwise(family, children[i], from_terminal,
                                  foreground)) {
            (void)kill(children[i], signal); /* It may just have died. */
        }
    }
    free(children);
}

void family_kill(struct family *family)
{
    const struct timespec round = {0, KILL_ROUND_NS};
    sigset_t child_dies;

    (void)sigemptyset(&child_dies);
    (void)sigaddset(&child_dies, SIGCHLD);
    for (;;) {
        /* The death of one makes its children ours, so a round after it finds
         * them; a group dies as one, so nobody in it escapes by forking. */
        family_signal(family, SIGKILL, false, 0);
        if (family_reap(family)) {
            return;
        }
        (void)sigtimedwait(&child_dies, NULL, &round);
    }
}
