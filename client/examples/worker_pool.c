/* SPDX-License-Identifier: MIT */
/* A pool of threads over one client: jobs wait in a bounded queue, and each
 * runs under a permit.
 *
 *     permit set jobs --permits 3
 *     cc worker_pool.c $(pkg-config --cflags --libs permit) -o worker_pool
 *     ./worker_pool jobs 8 100 50     # 8 threads, 100 jobs of 50 ms
 *
 * A job is stopped when its grant is lost. While the daemon is away, jobs wait
 * for it. SIGTERM or SIGINT drains the pool: jobs that have a permit are
 * finished, those that wait for one are left; the second signal kills. Exits
 * with 1 if a job was stopped or could not be asked for. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <permit/permit.h>

enum { QUEUE_MAX = 16, THREADS_MAX = 256, AGAIN_MS = 500, STEP_MS = 5 };

struct pool {
    struct permit_client *client; /* Of all threads. */
    const char *semaphore;
    int job_ms;
    int drain_fd; /* An eventfd, readable from the signal on. */
    sigset_t signals;
    pthread_mutex_t mutex; /* Guards what follows. */
    pthread_cond_t changed;
    int jobs[QUEUE_MAX]; /* A ring. */
    int first;
    int count;
    bool is_closed; /* No job is put in any more. */
    bool is_draining;
    int done;
    int failed;
};

/* --------------------------------------------------------------- the queue */

static bool put_job(struct pool *pool, int job)
{
    bool is_taken;

    pthread_mutex_lock(&pool->mutex);
    while (pool->count == QUEUE_MAX && !pool->is_draining) {
        pthread_cond_wait(&pool->changed, &pool->mutex);
    }
    is_taken = !pool->is_draining;
    if (is_taken) {
        pool->jobs[(pool->first + pool->count++) % QUEUE_MAX] = job;
        pthread_cond_broadcast(&pool->changed);
    }
    pthread_mutex_unlock(&pool->mutex);
    return is_taken;
}

static bool take_job(struct pool *pool, int *ret_job)
{
    bool is_taken;

    pthread_mutex_lock(&pool->mutex);
    while (pool->count == 0 && !pool->is_closed && !pool->is_draining) {
        pthread_cond_wait(&pool->changed, &pool->mutex);
    }
    is_taken = pool->count > 0 && !pool->is_draining;
    if (is_taken) {
        *ret_job = pool->jobs[pool->first];
        pool->first = (pool->first + 1) % QUEUE_MAX;
        pool->count--;
        pthread_cond_broadcast(&pool->changed);
    }
    pthread_mutex_unlock(&pool->mutex);
    return is_taken;
}

/* --------------------------------------------------------------- the jobs */

/* An acquire that is to be given back may always be asked again: what a lost
 * session got is given back with it. */
static bool may_ask_again(enum permit_status status)
{
    return permit_status_is_retriable(status) ||
           status == PERMIT_E_OUTCOME_UNKNOWN || status == PERMIT_E_NO_ANSWER;
}

static enum permit_status acquire(struct pool *pool, int job,
                                  struct permit_grant **ret_grant)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct pollfd drain = {.fd = pool->drain_fd, .events = POLLIN};
    enum permit_status status;

    request.semaphore = pool->semaphore;
    request.cancel_fd = pool->drain_fd;
    for (;;) {
        status = permit_acquire(pool->client, &request, ret_grant);
        if (!may_ask_again(status)) {
            return status;
        }
        fprintf(stderr, "job %d waits: %s\n", job, permit_strerror(status));
        if (poll(&drain, 1, AGAIN_MS) == 1) {
            return PERMIT_E_CANCELLED;
        }
    }
}

/* Stands for what a job does. A long computation looks at its grant between two
 * steps, which costs next to nothing; one that waits for descriptors watches
 * permit_grant_event_fd() too. */
static bool work(const struct permit_grant *grant, int job_ms)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

    for (int ms = 0; ms < job_ms && permit_grant_is_valid(grant);
         ms += STEP_MS) {
        nanosleep(&step, NULL);
    }
    return permit_grant_is_valid(grant);
}

static void run_job(struct pool *pool, int job)
{
    struct permit_grant *grant = NULL;
    enum permit_status status = acquire(pool, job, &grant);
    bool is_done = status == PERMIT_OK && work(grant, pool->job_ms);

    if (is_done) {
        printf("job %d: done, fence %" PRIu64 "\n", job,
               permit_grant_fence(grant));
    } else if (status == PERMIT_OK) {
        printf("job %d: stopped, its grant is lost\n", job);
    } else if (status == PERMIT_E_CANCELLED) {
        printf("job %d: left\n", job);
    } else {
        printf("job %d: failed: %s\n", job, permit_strerror(status));
    }
    permit_grant_destroy(grant); /* Gives it back, too. */
    pthread_mutex_lock(&pool->mutex);
    pool->done += is_done;
    pool->failed += !is_done && status != PERMIT_E_CANCELLED;
    pthread_mutex_unlock(&pool->mutex);
}

static void *run_jobs(void *arg)
{
    struct pool *pool = arg;
    int job;

    while (take_job(pool, &job)) {
        run_job(pool, job);
    }
    return NULL;
}

/* Waits for the signal; cancelled where none comes. */
static void *await_signal(void *arg)
{
    struct pool *pool = arg;
    int number;

    sigwait(&pool->signals, &number);
    pthread_sigmask(SIG_UNBLOCK, &pool->signals,
                    NULL); /* The next one kills. */
    eventfd_write(pool->drain_fd, 1);
    pthread_mutex_lock(&pool->mutex);
    pool->is_draining = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* ------------------------------------------------------------ the program */

static void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
    int error = pthread_create(thread, NULL, run, arg);

    if (error != 0) {
        errno = error;
        perror("worker_pool: no thread");
        exit(EXIT_FAILURE); /* The session ends, and gives all back. */
    }
}

static void run_pool(struct pool *pool, int threads_count, int jobs_count)
{
    pthread_t threads[THREADS_MAX];
    pthread_t signal_thread;
    int job = 0;

    start_thread(&signal_thread, await_signal, pool);
    for (int i = 0; i < threads_count; i++) {
        start_thread(&threads[i], run_jobs, pool);
    }
    while (job < jobs_count && put_job(pool, job + 1)) {
        job++;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->is_closed = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < threads_count; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_cancel(signal_thread);
    pthread_join(signal_thread, NULL);
    printf("%d done, %d failed, %d left\n", pool->done, pool->failed,
           jobs_count - pool->done - pool->failed);
}

int main(int argc, char **argv)
{
    struct pool pool = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                        .changed = PTHREAD_COND_INITIALIZER};
    int threads_count = argc == 5 ? atoi(argv[2]) : 0;
    int jobs_count = argc == 5 ? atoi(argv[3]) : 0;
    char error[256];

    if (threads_count < 1 || threads_count > THREADS_MAX || jobs_count < 1) {
        fprintf(stderr, "usage: worker_pool SEMAPHORE THREADS JOBS JOB_MS\n");
        return EX_USAGE;
    }
    pool.semaphore = argv[1];
    pool.job_ms = atoi(argv[4]);
    /* Before any thread is started: they all inherit it, and only
     * await_signal() gets the signals. */
    sigemptyset(&pool.signals);
    sigaddset(&pool.signals, SIGTERM);
    sigaddset(&pool.signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &pool.signals, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    pool.drain_fd = eventfd(0, EFD_CLOEXEC);
    if (pool.drain_fd == -1) {
        perror("worker_pool: eventfd");
        return EXIT_FAILURE;
    }
    if (permit_client_create(NULL, &pool.client, error, sizeof(error)) !=
        PERMIT_OK) {
        fprintf(stderr, "worker_pool: %s\n", error);
        return EX_UNAVAILABLE;
    }
    run_pool(&pool, threads_count, jobs_count);
    permit_client_destroy(pool.client);
    close(pool.drain_fd);
    return pool.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
