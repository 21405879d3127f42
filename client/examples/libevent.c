/* SPDX-License-Identifier: MIT */
/* Many jobs in one thread, in a program whose loop is libevent's: each runs
 * under a permit, and nothing blocks.
 *
 *     permit set jobs --permits 3
 *     cc libevent.c $(pkg-config --cflags --libs permit libevent_core) -o jobs
 *     ./jobs jobs 20
 *
 * A job is stopped when its grant is lost. SIGTERM or SIGINT ends all of them
 * at once. $PERMIT_SERVER must be an address in numbers or a Unix path, for to
 * look up a name would block; see permit_async_set_resolver(). Exits with 0 if
 * all jobs were done. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include <event2/event.h>

#include <permit/adapter/libevent.h>
#include <permit/async.h>

enum { JOBS_MAX = 1000 }; /* As many as a queue has by default. */

struct program {
    struct event_base *base;
    struct permit_async *client;
    struct job *jobs;
    int jobs_count;
    int ended;
    int done;
};

struct job {
    struct program *program;
    int number;
    struct permit_grant *grant; /* While it works. */
    struct event *work; /* A timer: it stands for what the job waits for. */
};

/* ---------------------------------------------------------------- the jobs */

/* Comes once for each; may be called from any callback. */
static void end_job(struct job *job, const char *what, const char *why)
{
    struct program *program = job->program;

    printf("job %d: %s%s%s\n", job->number, what, *why == '\0' ? "" : ": ",
           why);
    event_del(job->work);
    permit_grant_destroy(job->grant);
    job->grant = NULL;
    program->ended++;
    if (program->ended == program->jobs_count) {
        event_base_loopbreak(program->base);
    }
}

/* The work is done; only EXPIRED says that it was without its permit. What the
 * server did not answer, the end of the session gives back. */
static void on_released(void *arg, const struct permit_answer *answer)
{
    struct job *job = arg;

    if (answer->status == PERMIT_E_EXPIRED) {
        end_job(job, "unprotected", answer->text);
    } else {
        job->program->done++;
        end_job(job, "done", "");
    }
}

static void on_worked(evutil_socket_t fd, short events, void *arg)
{
    struct job *job = arg;
    enum permit_status status;

    (void)fd;
    (void)events;
    status = permit_async_release(job->grant, 0, on_released, job);
    if (status != PERMIT_OK) {
        end_job(job, "unprotected", permit_strerror(status));
    }
}

/* Comes before the server gives the permit to another, and never after the
 * release. */
static void on_lost(void *arg, struct permit_grant *grant,
                    enum permit_loss loss)
{
    (void)grant; /* Is job->grant. */
    end_job(arg, "stopped, its grant is lost", permit_loss_name(loss));
}

static void on_acquired(void *arg, const struct permit_answer *answer)
{
    const struct timeval work = {.tv_usec = 20000};
    struct job *job = arg;

    if (answer->status != PERMIT_OK) {
        end_job(job, "failed", answer->text);
        return;
    }
    job->grant = answer->grant; /* Ours now. */
    if (event_add(job->work, &work) != 0) {
        end_job(job, "stopped", "out of memory");
    }
}

/* What libevent and calloc() give. To exit is enough: the connection ends, and
 * what was held is given back with it. */
static void *need(void *made)
{
    if (made == NULL) {
        fprintf(stderr, "libevent: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return made;
}

static void start_job(struct job *job, const char *semaphore)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    enum permit_status status;

    job->work = need(evtimer_new(job->program->base, on_worked, job));
    request.semaphore = semaphore;
    request.on_lost = on_lost;
    request.on_lost_arg = job;
    status = permit_async_acquire(job->program->client, &request, on_acquired,
                                  job, NULL);
    if (status != PERMIT_OK) {
        end_job(job, "not asked", permit_strerror(status));
    }
}

/* ------------------------------------------------------------ the program */

static void on_signal(evutil_socket_t number, short events, void *arg)
{
    struct program *program = arg;

    (void)number;
    (void)events;
    event_base_loopbreak(program->base);
}

static struct event *watch_signal(struct program *program, int number)
{
    struct event *event =
        need(evsignal_new(program->base, number, on_signal, program));

    event_add(event, NULL);
    return event;
}

/* Until all jobs ended, or a signal came. */
static void run(struct program *program, const char *semaphore)
{
    struct event *term = watch_signal(program, SIGTERM);
    struct event *interrupt = watch_signal(program, SIGINT);

    for (int i = 0; i < program->jobs_count; i++) {
        program->jobs[i].program = program;
        program->jobs[i].number = i + 1;
        start_job(&program->jobs[i], semaphore);
    }
    if (program->ended < program->jobs_count) {
        event_base_dispatch(program->base);
    }
    permit_async_destroy(program->client); /* Ends what is under way. */
    for (int i = 0; i < program->jobs_count; i++) {
        if (program->jobs[i].grant != NULL) {
            end_job(&program->jobs[i], "stopped", "");
        }
        event_free(program->jobs[i].work);
    }
    event_free(term);
    event_free(interrupt);
}

int main(int argc, char **argv)
{
    struct program program = {.jobs_count = argc == 3 ? atoi(argv[2]) : 0};
    char error[256] = "no loop";

    if (program.jobs_count < 1 || program.jobs_count > JOBS_MAX) {
        fprintf(stderr, "usage: libevent SEMAPHORE JOBS\n");
        return EX_USAGE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    program.base = need(event_base_new());
    program.jobs = need(calloc((size_t)program.jobs_count, sizeof(struct job)));
    if (permit_async_create(NULL, &program.client, error, sizeof(error)) !=
            PERMIT_OK ||
        permit_libevent_attach(program.client, program.base) != PERMIT_OK) {
        fprintf(stderr, "libevent: %s\n", error);
        return EXIT_FAILURE;
    }
    run(&program, argv[1]);
    event_base_free(program.base);
    free(program.jobs);
    printf("%d of %d done\n", program.done, program.jobs_count);
    return program.done == program.jobs_count ? EXIT_SUCCESS : EXIT_FAILURE;
}
