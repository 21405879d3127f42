/* SPDX-License-Identifier: MIT */
/* Fifty users of a resource that bears five at a time, and a monitor.
 *
 *     permit set resource --permits 5
 *     cc fifty_users.c $(pkg-config --cflags --libs permit) -o fifty_users
 *     ./fifty_users resource
 *
 * Each user has a client of its own, as if it were on another machine, and
 * takes three turns; here they are threads, so that they can count themselves
 * without permitd: that is the proof, and the exit code, that never more than
 * five were inside. The monitor says once a second, and in the end, who holds
 * and who waits. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include <permit/permit.h>

enum { USERS = 50, PERMITS = 5, TURNS = 3 };

struct resource {
    const char *semaphore;
    pthread_mutex_t mutex; /* Guards what follows. */
    pthread_cond_t changed;
    int inside;
    int most; /* That were inside at once. */
    int turns;
    int left; /* Users that are not done. */
    int failed;
};

struct user {
    pthread_t thread;
    struct resource *resource;
    char name[16];
};

static enum permit_status fail(struct permit_client *client, const char *name,
                               enum permit_status status)
{
    char error[256];

    permit_client_last_error(client, error, sizeof(error));
    fprintf(stderr, "%s: %s\n", name, error);
    return status;
}

static struct permit_client *connect_as(const char *name)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    struct permit_client *client;
    char error[256];

    options.name = name; /* What others see of it. */
    if (permit_client_create(&options, &client, error, sizeof(error)) !=
        PERMIT_OK) {
        fprintf(stderr, "%s: %s\n", name, error);
        return NULL;
    }
    return client;
}

/* --------------------------------------------------------------- the users */

static void use(struct resource *resource)
{
    const struct timespec work = {.tv_nsec = 40000000}; /* Stands for it. */

    pthread_mutex_lock(&resource->mutex);
    resource->turns++;
    resource->inside++;
    if (resource->inside > resource->most) {
        resource->most = resource->inside;
    }
    pthread_mutex_unlock(&resource->mutex);
    nanosleep(&work, NULL);
    pthread_mutex_lock(&resource->mutex);
    resource->inside--;
    pthread_mutex_unlock(&resource->mutex);
}

static enum permit_status take_turns(struct permit_client *client,
                                     struct user *user)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    enum permit_status status = PERMIT_OK;

    request.semaphore = user->resource->semaphore;
    request.expect_permits = PERMITS; /* Another limit is a mistake. */
    for (int i = 0; i < TURNS && status == PERMIT_OK; i++) {
        struct permit_grant *grant;

        status = permit_acquire(client, &request, &grant);
        if (status == PERMIT_OK) {
            use(user->resource);
            /* PERMIT_E_EXPIRED if it was lost meanwhile. */
            status = permit_grant_release(grant, 0);
            permit_grant_destroy(grant);
        }
    }
    return status == PERMIT_OK ? PERMIT_OK : fail(client, user->name, status);
}

static void *be_user(void *arg)
{
    struct user *user = arg;
    struct permit_client *client = connect_as(user->name);
    bool is_done = client != NULL && take_turns(client, user) == PERMIT_OK;

    permit_client_destroy(client);
    pthread_mutex_lock(&user->resource->mutex);
    user->resource->failed += !is_done;
    user->resource->left--;
    pthread_cond_signal(&user->resource->changed);
    pthread_mutex_unlock(&user->resource->mutex);
    return NULL;
}

/* ------------------------------------------------------------- the monitor */

static void print(const struct permit_list *holders,
                  const struct permit_list *waiters)
{
    printf("%zu hold, %zu wait\n", permit_list_count(holders),
           permit_list_count(waiters));
    for (size_t i = 0; i < permit_list_count(holders); i++) {
        const struct permit_holder_info *row = permit_list_holder(holders, i);

        printf("  %s holds since %" PRId64 " ms, fence %" PRIu64 "\n",
               row->client.name, row->held_ms, row->fence);
    }
    for (size_t i = 0; i < permit_list_count(waiters); i++) {
        const struct permit_waiter_info *row = permit_list_waiter(waiters, i);

        printf("  %s waits since %" PRId64 " ms, position %" PRIu64 "\n",
               row->client.name, row->waited_ms, row->position);
    }
    fflush(stdout);
}

/* Two lists are two moments: who was granted in between is in none of them, or
 * in both if he waits for his next turn. */
static enum permit_status look(struct permit_client *client,
                               const char *semaphore)
{
    struct permit_list *holders = NULL;
    struct permit_list *waiters = NULL;
    enum permit_status status;

    status = permit_list_holders(client, semaphore, &holders);
    if (status == PERMIT_OK) {
        status = permit_list_waiters(client, semaphore, &waiters);
    }
    if (status == PERMIT_OK) {
        print(holders, waiters);
    }
    permit_list_destroy(waiters);
    permit_list_destroy(holders);
    return status == PERMIT_OK ? PERMIT_OK : fail(client, "monitor", status);
}

/* Looks once a second until no user is left, and then once more. */
static enum permit_status monitor(struct permit_client *client,
                                  struct resource *resource)
{
    struct timespec next;

    clock_gettime(CLOCK_REALTIME, &next); /* The condition's clock. */
    next.tv_sec++;
    pthread_mutex_lock(&resource->mutex);
    while (resource->left > 0) {
        if (pthread_cond_timedwait(&resource->changed, &resource->mutex,
                                   &next) != 0) {
            pthread_mutex_unlock(&resource->mutex);
            look(client, resource->semaphore); /* Users say what fails, too. */
            next.tv_sec++;
            pthread_mutex_lock(&resource->mutex);
        }
    }
    pthread_mutex_unlock(&resource->mutex);
    return look(client, resource->semaphore);
}

int main(int argc, char **argv)
{
    struct resource resource = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                                .changed = PTHREAD_COND_INITIALIZER};
    struct permit_client *client;
    struct user users[USERS];
    enum permit_status status;

    if (argc != 2) {
        fprintf(stderr, "usage: fifty_users SEMAPHORE\n");
        return EX_USAGE;
    }
    client = connect_as("monitor");
    if (client == NULL) {
        return EX_UNAVAILABLE;
    }
    resource.semaphore = argv[1];
    resource.left = USERS;
    for (int i = 0; i < USERS; i++) {
        users[i].resource = &resource;
        snprintf(users[i].name, sizeof(users[i].name), "user-%02d", i + 1);
        if (pthread_create(&users[i].thread, NULL, be_user, &users[i]) != 0) {
            fprintf(stderr, "fifty_users: no thread for %s\n", users[i].name);
            exit(EXIT_FAILURE); /* Connections end: all is given back. */
        }
    }
    status = monitor(client, &resource);
    for (int i = 0; i < USERS; i++) {
        pthread_join(users[i].thread, NULL);
    }
    permit_client_destroy(client);
    printf("%d turns, at most %d inside at once, %d users failed\n",
           resource.turns, resource.most, resource.failed);
    return status == PERMIT_OK && resource.failed == 0 &&
                   resource.most <= PERMITS
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}
