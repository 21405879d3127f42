/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

static _Noreturn void be_daemon(const char *listen, int ready_fd)
{
    const char *program = getenv("PERMITD_BIN");
    char number[16];

    /* A test that dies takes its daemon along. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(number, sizeof(number), "%d", ready_fd);
    if (program != NULL) {
        (void)execl(program, program, "--listen", listen, "--http", "null",
                    "--ready-fd", number, (char *)NULL);
    }
    (void)fprintf(stderr, "PERMITD_BIN does not name a daemon\n");
    _exit(127);
}

static void start_on(struct daemon *daemon, const char *listen)
{
    int ready[2];
    char line[128];
    FILE *file;

    ck_assert_int_eq(pipe(ready), 0);
    daemon->pid = fork();
    ck_assert_int_ge(daemon->pid, 0);
    if (daemon->pid == 0) {
        (void)close(ready[0]);
        be_daemon(listen, ready[1]);
    }
    (void)close(ready[1]);
    file = fdopen(ready[0], "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), file));
    (void)fclose(file);
    ck_assert_int_eq(sscanf(line, "permit %127s", daemon->server), 1);
}

void daemon_start(struct daemon *daemon)
{
    start_on(daemon, "127.0.0.1:0");
}

void daemon_restart(struct daemon *daemon)
{
    char listen[128];

    (void)strcpy(listen, daemon->server);
    start_on(daemon, listen);
}

static int end(struct daemon *daemon, int signal)
{
    int status;

    ck_assert_int_eq(kill(daemon->pid, signal), 0);
    ck_assert_int_eq(waitpid(daemon->pid, &status, 0), daemon->pid);
    return status;
}

void daemon_stop(struct daemon *daemon)
{
    int status = end(daemon, SIGTERM);

    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                  "permitd ended with status %#x", (unsigned)status);
}

void daemon_kill(struct daemon *daemon)
{
    (void)end(daemon, SIGKILL);
}

size_t open_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t count = 0;

    ck_assert_ptr_nonnull(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}
