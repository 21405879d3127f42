/* SPDX-License-Identifier: MIT */
#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "transport.h"

/* Two own it: who asked, and the thread, which may outlive a client and its
 * allocator; so its memory is malloc's. */
struct lookup {
    atomic_int owners;
    atomic_bool is_done;
    int wake_fd;
    struct addrinfo *addresses;
    char text[128];
    char host[ADDRESS_BYTES_MAX];
    char port[6];
};

void lookup_drop(struct lookup *lookup)
{
    if (lookup == NULL || atomic_fetch_sub(&lookup->owners, 1) > 1) {
        return;
    }
    if (lookup->addresses != NULL) {
        freeaddrinfo(lookup->addresses);
    }
    (void)close(lookup->wake_fd);
    free(lookup);
}

static void *look_up(void *arg)
{
    static const struct addrinfo hints = {.ai_flags = AI_NUMERICSERV,
                                          .ai_family = AF_UNSPEC,
                                          .ai_socktype = SOCK_STREAM};
    struct lookup *lookup = arg;
    char buffer[128];
    int error =
        getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);

    if (error != 0) {
        lookup->addresses = NULL;
        (void)snprintf(lookup->text, sizeof(lookup->text), "%s",
                       error == EAI_SYSTEM
                           ? strerror_r(errno, buffer, sizeof(buffer))
                           : gai_strerror(error));
    }
    atomic_store(&lookup->is_done, true);
    transport_raise(lookup->wake_fd);
    lookup_drop(lookup);
    return NULL;
}

/* No signal of the host is ever handled there. Returns 0 or an errno. */
static int start_thread(struct lookup *lookup)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    int error = pthread_attr_init(&attributes);

    if (error != 0) {
        return error;
    }
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, look_up, lookup);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return error;
}

struct lookup *lookup_start(const char *host, const char *port, int wake_fd)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));

    if (lookup == NULL) {
        return NULL;
    }
    atomic_init(&lookup->owners, 2);
    (void)snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    (void)snprintf(lookup->port, sizeof(lookup->port), "%s", port);
    lookup->wake_fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 0);
    if (lookup->wake_fd == -1 || start_thread(lookup) != 0) {
        if (lookup->wake_fd != -1) {
            (void)close(lookup->wake_fd);
        }
        free(lookup);
        return NULL;
    }
    return lookup;
}

bool lookup_is_done(const struct lookup *lookup,
                    const struct addrinfo **ret_addresses,
                    const char **ret_text)
{
    if (!atomic_load(&lookup->is_done)) {
        return false;
    }
    *ret_addresses = lookup->addresses;
    *ret_text = lookup->text;
    return true;
}
