/* SPDX-License-Identifier: MIT */
/* other_clock.so: LD_PRELOAD it, and a process has clocks of its own. The file
 * that $OTHER_CLOCK names holds a struct other_clock, which may be written
 * while the process runs: its wall clock and CLOCK_BOOTTIME may jump; how fast
 * its clocks run stands from its start on.
 *
 * It bends what permitd and libpermit ask of time, and nothing else; what a
 * suspended machine does to CLOCK_BOOTTIME alone cannot be had otherwise. */

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CLOCKS 12 /* Of Linux. */
#define FDS 4096
#define NS_PER_S INT64_C(1000000000)

struct other_clock {
    int64_t wall_ns; /* How much later it is. */
    int64_t boot_ns;
    int64_t rate_ppm; /* 1,000,000: as fast as the others. */
};

static const struct other_clock same = {0, 0, 1000000};
static const volatile struct other_clock *other = &same;
static int64_t start_ns[CLOCKS];
static int64_t rate_ppm = 1000000;
static clockid_t timers[FDS]; /* By descriptor. */

static int64_t to_ns(const struct timespec *at)
{
    return at->tv_sec * NS_PER_S + at->tv_nsec;
}

static struct timespec from_ns(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static int64_t really_ns(clockid_t clock)
{
    struct timespec now = {0, 0};

    (void)syscall(SYS_clock_gettime, clock, &now);
    return to_ns(&now);
}

static __attribute__((constructor)) void begin(void)
{
    const char *path = getenv("OTHER_CLOCK");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *map = MAP_FAILED;

    for (clockid_t clock = 0; clock < CLOCKS; clock++) {
        start_ns[clock] = really_ns(clock);
    }
    if (fd != -1) {
        map = mmap(NULL, sizeof(same), PROT_READ, MAP_SHARED, fd, 0);
        (void)close(fd);
    }
    if (map == MAP_FAILED) {
        abort(); /* The test did not say what it wants. */
    }
    other = map;
    rate_ppm = other->rate_ppm;
}

static int64_t scale(int64_t ns, int64_t by_ppm, int64_t of_ppm)
{
    return ns / of_ppm * by_ppm + ns % of_ppm * by_ppm / of_ppm;
}

/* The wall clock jumps, but runs as all do. */
static int64_t jump_ns(clockid_t clock)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        return other->wall_ns;
    case CLOCK_BOOTTIME:
        return other->boot_ns;
    default:
        return 0;
    }
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock < 0 || clock >= CLOCKS) { /* Of a process or thread. */
        return (int)syscall(SYS_clock_gettime, clock, now);
    }
    *now =
        from_ns(start_ns[clock] + jump_ns(clock) +
                scale(really_ns(clock) - start_ns[clock], rate_ppm, 1000000));
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec at;

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *ret_now)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_REALTIME, &at);
    if (ret_now != NULL) {
        *ret_now = at.tv_sec;
    }
    return at.tv_sec;
}

int timerfd_create(clockid_t clock, int flags)
{
    int fd = (int)syscall(SYS_timerfd_create, clock, flags);

    if (fd >= FDS) {
        abort();
    }
    if (fd >= 0) {
        timers[fd] = clock;
    }
    return fd;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *when,
                    struct itimerspec *before)
{
    struct itimerspec really = {{0, 0}, {0, 0}};
    int64_t at_ns = to_ns(&when->it_value);
    clockid_t clock = timers[fd];

    if (at_ns != 0) { /* Else it is disarmed. */
        if ((flags & TFD_TIMER_ABSTIME) != 0) {
            at_ns = start_ns[clock] +
                    scale(at_ns - start_ns[clock] - jump_ns(clock), 1000000,
                          rate_ppm);
        } else {
            at_ns = scale(at_ns, 1000000, rate_ppm);
        }
        really.it_value = from_ns(at_ns < 1 ? 1 : at_ns);
    }
    return (int)syscall(SYS_timerfd_settime, fd, flags, &really, before);
}

static int really_ms(int ms)
{
    return ms <= 0 ? ms : (int)scale(ms, 1000000, rate_ppm);
}

int poll(struct pollfd *fds, nfds_t count, int ms)
{
    return (int)syscall(SYS_poll, fds, count, really_ms(ms));
}

int epoll_wait(int fd, struct epoll_event *events, int events_max, int ms)
{
    return (int)syscall(SYS_epoll_wait, fd, events, events_max, really_ms(ms));
}
