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

static bool contains(const pid_t *items, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i] == pid) {
            return true;
        }
    }
    return false;
}

static bool is_spared(const struct family *family, pid_t child)
{
    return contains(family->spared, family->spared_count, child);
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
        /* A killed guard has buried it: its number may be a stranger's. */
        family->command_ended = true;
        family->group = 0;
    } else if (info.si_pid == family->command) {
        family->command_ended = true;
        family->command_code =
            info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    }
}

/* Buries the dead; the command and the spared are left out. Returns how many
 * live, -1 if nobody can say. */
static long reap_others(const struct family *family)
{
    long alive = 0;
    bool has_buried;

    do { /* Whoever is buried may have handed on its own children. */
        pid_t *children = NULL;
        size_t count = 0;

        if (family_list_children(&children, &count) < 0) {
            return -1;
        }
        has_buried = false;
        for (size_t i = 0; i < count; i++) {
            if (children[i] == family->command ||
                is_spared(family, children[i])) {
                continue;
            }
            if (waitpid(children[i], NULL, WNOHANG | __WALL) == 0) {
                alive++;
            } else {
                has_buried = true;
            }
        }
        free(children);
    } while (has_buried && alive == 0);
    return alive;
}

bool family_reap(struct family *family)
{
    pid_t child;

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
    if (family->spared_count > 0) {
        return true;
    }
    /* Where no spared child hides it, the kernel's own word is final. */
    do {
        child = waitpid(-1, NULL, WNOHANG | __WALL);
    } while (child > 0);
    return child < 0 && errno == ECHILD;
}

static bool is_reached_otherwise(const struct family *family, pid_t child,
                                 pid_t foreground)
{
    pid_t group = getpgid(child);

    return (family->group != 0 && group == family->group) ||
           (foreground != 0 && group == foreground) || is_spared(family, child);
}

/* Those in `asked` are left out. Returns the list of all, the caller's to free,
 * or NULL. */
static pid_t *signal_children(const struct family *family, int signal,
                              pid_t foreground, const pid_t *asked,
                              size_t asked_count, size_t *ret_count)
{
    pid_t *children = NULL;

    if (family_list_children(&children, ret_count) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < *ret_count; i++) {
        if (!contains(asked, asked_count, children[i]) &&
            !is_reached_otherwise(family, children[i], foreground)) {
            (void)kill(children[i], signal); /* It may just have died. */
        }
    }
    return children;
}

/* To those who have not been asked. */
static void ask_to_end(struct family *family)
{
    size_t count = 0;
    pid_t *children = signal_children(family, family->ending_signal,
                                      family->ending_foreground, family->asked,
                                      family->asked_count, &count);

    if (children != NULL) {
        free(family->asked);
        family->asked = children;
        family->asked_count = count;
    }
}

void family_signal(struct family *family, int signal, pid_t foreground)
{
    size_t count = 0;

    assert(signal > 0);
    if (family->group != 0) {
        (void)kill(-family->group, signal);
    }
    if (signal == SIGTERM || signal == SIGHUP || signal == SIGINT ||
        signal == SIGQUIT) {
        family->ending_signal = signal;
        family->ending_foreground = foreground;
        family->asked_count = 0;
        ask_to_end(family);
    } else {
        free(signal_children(family, signal, foreground, NULL, 0, &count));
    }
}

void family_end_adopted(struct family *family)
{
    if (family->ending_signal != 0 && family->command_ended &&
        family->group == 0) {
        ask_to_end(family);
    }
}

void family_kill(struct family *family)
{
    const struct timespec round = {0, KILL_ROUND_NS};
    sigset_t child_dies;

    (void)sigemptyset(&child_dies);
    (void)sigaddset(&child_dies, SIGCHLD);
    /* The death of one makes its children ours, so a round after it finds
     * them; a group dies as one, so nobody in it escapes by forking. */
    while (!family_reap(family)) {
        family_signal(family, SIGKILL, /* foreground= */ 0);
        (void)sigtimedwait(&child_dies, NULL, &round);
    }
    free(family->asked);
    family->asked = NULL;
}
