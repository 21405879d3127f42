/* SPDX-License-Identifier: MIT */
#include "broken_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* ---------------------------------------------------------------- the ways */

#define WAYS_MAX 7
#define IS_SHORT (-1) /* It moves one byte. */
#define IS_END (-2)   /* recv() says that there is no more. */

/* The call, and in which ways it fails: first the one that lasts. One without
 * that can only be tried again: what an eventfd or a timerfd says to those who
 * ask it rightly. */
#define CALLS(X)                                                               \
    X(socket, true, EMFILE, ENOBUFS, ENOMEM)                                   \
    X(connect, true, ECONNREFUSED, EINTR, EAGAIN, ETIMEDOUT, ENETUNREACH)      \
    X(setsockopt, true, ENOMEM)                                                \
    X(getsockopt, true, ENOBUFS)                                               \
    X(recv, true, ECONNRESET, EINTR, EAGAIN, ETIMEDOUT, ENOMEM, IS_SHORT,      \
      IS_END)                                                                  \
    X(send, true, EPIPE, EINTR, EAGAIN, ECONNRESET, ETIMEDOUT, ENOBUFS,        \
      IS_SHORT)                                                                \
    X(poll, true, ENOMEM, EINTR)                                               \
    X(eventfd, true, EMFILE, ENOMEM)                                           \
    X(timerfd_create, true, EMFILE, ENOMEM)                                    \
    X(timerfd_settime, true, ENOMEM)                                           \
    X(read, false, EINTR, EAGAIN)                                              \
    X(write, false, EINTR)                                                     \
    X(mmap, true, ENOMEM)                                                      \
    X(madvise, true, ENOMEM, EINVAL)                                           \
    X(pthread_create, true, EAGAIN, ENOMEM)                                    \
    X(fcntl, true, EMFILE)                                                     \
    X(getaddrinfo, true, EAI_AGAIN, EAI_MEMORY, EAI_SYSTEM)                    \
    X(gethostname, true, ENAMETOOLONG)                                         \
    X(getpwuid_r, true, ENOMEM, EINTR, ERANGE)

enum call {
#define X(name, lasts, ...) CALL_##name,
    CALLS(X)
#undef X
};

static const struct {
    const char *name;
    bool lasts;
    int ways[WAYS_MAX + 1]; /* Ends with 0. */
} calls[] = {
#define X(name, lasts, ...) {#name, lasts, {__VA_ARGS__}},
    CALLS(X)
#undef X
};

static atomic_size_t count;
static atomic_size_t fails_at; /* 0: never. */
static atomic_bool fails_all;
static atomic_uint fails_by;
static atomic_int first_failed = -1;
static _Thread_local bool is_on;
static _Thread_local bool takes_memory;

void calls_arm(size_t n, bool all, unsigned way)
{
    atomic_store(&fails_at, 0);
    atomic_store(&fails_all, all);
    atomic_store(&fails_by, way);
    if (n != 0) {
        atomic_store(&count, 0);
        atomic_store(&first_failed, -1);
    }
    atomic_store(&fails_at, n);
}

void calls_begin(void)
{
    is_on = true;
}

void calls_end(void)
{
    is_on = false;
}

bool calls_are_on(void)
{
    return is_on;
}

bool calls_take_memory(void)
{
    return takes_memory;
}

size_t calls_count(void)
{
    return atomic_load(&count);
}

static unsigned ways_of(enum call call)
{
    unsigned ways = 0;

    while (calls[call].ways[ways] != 0) {
        ways++;
    }
    return ways;
}

const char *calls_failed(unsigned *ret_ways)
{
    int call = atomic_load(&first_failed);

    if (call < 0) {
        return NULL;
    }
    *ret_ways = ways_of((enum call)call);
    return calls[call].name;
}

/* Returns the way in which this call is to fail, or 0. */
static int failure(enum call call)
{
    size_t at = atomic_load(&fails_at);
    bool all = atomic_load(&fails_all);
    size_t n;
    int none = -1;

    if (!is_on) {
        return 0;
    }
    n = atomic_fetch_add(&count, 1) + 1;
    if (at == 0 || (all ? n < at || !calls[call].lasts : n != at)) {
        return 0;
    }
    (void)atomic_compare_exchange_strong(&first_failed, &none, (int)call);
    return calls[call].ways[all ? 0 : atomic_load(&fails_by) % ways_of(call)];
}

static int fail(int way)
{
    errno = way;
    return -1;
}

/* ------------------------------------------------------------- the wrappers
 */

#define WRAP(type, name, parameters)                                           \
    type __real_##name parameters;                                             \
    type __wrap_##name parameters;                                             \
    type __wrap_##name parameters

/* A call of which nothing happens where it fails. */
#define WRAP_INT(name, parameters, arguments)                                  \
    WRAP(int, name, parameters)                                                \
    {                                                                          \
        int way = failure(CALL_##name);                                        \
                                                                               \
        return way != 0 ? fail(way) : __real_##name arguments;                 \
    }

WRAP_INT(socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP_INT(setsockopt,
         (int fd, int level, int name, const void *value, socklen_t bytes),
         (fd, level, name, value, bytes))
WRAP_INT(getsockopt,
         (int fd, int level, int name, void *value, socklen_t *bytes),
         (fd, level, name, value, bytes))
WRAP_INT(poll, (struct pollfd * fds, nfds_t fds_count, int timeout_ms),
         (fds, fds_count, timeout_ms))
WRAP_INT(eventfd, (unsigned value, int flags), (value, flags))
WRAP_INT(timerfd_create, (clockid_t clock, int flags), (clock, flags))
WRAP_INT(timerfd_settime,
         (int fd, int flags, const struct itimerspec *when,
          struct itimerspec *before),
         (fd, flags, when, before))
WRAP_INT(madvise, (void *memory, size_t bytes, int advice),
         (memory, bytes, advice))
WRAP_INT(gethostname, (char *name, size_t bytes), (name, bytes))

/* Interrupted, it goes on by itself. */
WRAP(int, connect, (int fd, const struct sockaddr *name, socklen_t bytes))
{
    int way = failure(CALL_connect);

    if (way == EINTR) {
        (void)__real_connect(fd, name, bytes);
    }
    return way != 0 ? fail(way) : __real_connect(fd, name, bytes);
}

WRAP(ssize_t, recv, (int fd, void *bytes, size_t length, int flags))
{
    int way = failure(CALL_recv);

    if (way == IS_END) {
        return 0;
    }
    return way > 0
               ? fail(way)
               : __real_recv(fd, bytes, way == IS_SHORT ? 1 : length, flags);
}

WRAP(ssize_t, send, (int fd, const void *bytes, size_t length, int flags))
{
    int way = failure(CALL_send);

    return way > 0
               ? fail(way)
               : __real_send(fd, bytes, way == IS_SHORT ? 1 : length, flags);
}

WRAP(ssize_t, read, (int fd, void *bytes, size_t length))
{
    int way = failure(CALL_read);

    return way != 0 ? fail(way) : __real_read(fd, bytes, length);
}

WRAP(ssize_t, write, (int fd, const void *bytes, size_t length))
{
    int way = failure(CALL_write);

    return way != 0 ? fail(way) : __real_write(fd, bytes, length);
}

WRAP(void *, mmap,
     (void *address, size_t bytes, int protection, int flags, int fd,
      off_t offset))
{
    int way = failure(CALL_mmap);

    if (way != 0) {
        errno = way;
        return MAP_FAILED;
    }
    return __real_mmap(address, bytes, protection, flags, fd, offset);
}

/* The library asks for a copy of a descriptor only. */
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    int way = failure(CALL_fcntl);
    va_list arguments;
    int argument;

    va_start(arguments, command);
    argument = va_arg(arguments, int);
    va_end(arguments);
    return way != 0 ? fail(way) : __real_fcntl(fd, command, argument);
}

WRAP(int, getaddrinfo,
     (const char *host, const char *port, const struct addrinfo *hints,
      struct addrinfo **ret_addresses))
{
    int way = failure(CALL_getaddrinfo);
    struct addrinfo own = *hints;
    int error = way;

    if (way == EAI_SYSTEM) {
        errno = EMFILE;
    }
    if (strcmp(host, "permitd.test") == 0 &&
        (hints->ai_flags & AI_NUMERICHOST) == 0) {
        host = "127.0.0.1";
        own.ai_flags |= AI_NUMERICHOST;
    }
    if (way == 0) {
        takes_memory = true;
        error = __real_getaddrinfo(host, port, &own, ret_addresses);
        takes_memory = false;
    }
    return error;
}

WRAP(int, getpwuid_r,
     (uid_t uid, struct passwd *entry, char *room, size_t room_bytes,
      struct passwd **ret_found))
{
    int error = failure(CALL_getpwuid_r);

    if (error == 0) {
        takes_memory = true;
        error = __real_getpwuid_r(uid, entry, room, room_bytes, ret_found);
        takes_memory = false;
    }
    return error;
}

/* -------------------------------------------------------------- the threads
 */

struct start {
    void *(*routine)(void *arg);
    void *arg;
};

static void *run_on(void *arg)
{
    struct start start = *(struct start *)arg;

    free(arg);
    is_on = true;
    return start.routine(start.arg);
}

WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes,
      void *(*routine)(void *arg), void *arg))
{
    int error = failure(CALL_pthread_create);
    struct start *start;

    if (!is_on || error != 0) {
        return error != 0
                   ? error
                   : __real_pthread_create(thread, attributes, routine, arg);
    }
    takes_memory = true;
    start = malloc(sizeof(*start));
    if (start == NULL) {
        abort();
    }
    *start = (struct start){routine, arg};
    error = __real_pthread_create(thread, attributes, run_on, start);
    if (error != 0) {
        free(start);
    }
    takes_memory = false;
    return error;
}
