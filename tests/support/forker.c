/* SPDX-License-Identifier: MIT */
/* forker MILLISECONDS: a command that runs away from who would kill it.
 *
 * It writes "up" to descriptor 9 and leaves behind some lines of processes:
 * each forks the next and ends at once, every other one in a session of its
 * own, until the time is over. So a list of them is old when it is read. */

#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINES 3

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Noreturn void run_away(int64_t until_ms)
{
    for (int generation = 0; now_ms() < until_ms; generation++) {
        if (fork() != 0) { /* The child goes on, or nobody does. */
            break;
        }
        if (generation % 2 == 0) {
            (void)setsid();
        }
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    int64_t until_ms = now_ms() + (argc > 1 ? atol(argv[1]) : 1000);

    for (int line = 0; line < LINES; line++) {
        if (fork() == 0) {
            run_away(until_ms);
        }
    }
    return write(9, "up\n", 3) == 3 ? EXIT_SUCCESS : EXIT_FAILURE;
}
