/* SPDX-License-Identifier: MIT */
/* The load generator of the bench: one process, one thread, epoll
 * (edge-triggered), batch-synchronous. Each connection writes one batch of k
 * pairs with one write, waits for all its answers, and writes the next; with
 * k = 1 it writes the acquire, waits, writes the release, waits.
 *
 *   load PEER PORT CONNECTIONS PAIRS SECONDS SERVER_PID [SCRIPT]
 *
 * Prints one JSON object: pairs a second after a warm-up of a second,
 * percentiles from the write of a batch to its last answer, and the CPU seconds
 * of server and generator. */

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

#define INPUT_BYTES 65536
#define SAMPLES_MAX (8u << 20)
#define WARM_UP_NS UINT64_C(1000000000)
#define NS_PER_SECOND 1e9

struct connection {
    int fd;
    struct peer_state state;
    uint32_t answers_due; /* Bytes for the echo. */
    bool is_half_done;    /* One at a time: the acquire was answered. */
    uint64_t written_ns;
    size_t input_bytes;
    uint8_t input[INPUT_BYTES];
};

struct load {
    const struct peer *peer;
    uint32_t pairs;
    uint8_t *batch;
    bool is_counting;
    uint64_t pairs_done;
    uint32_t *samples_ns;
    uint32_t samples_count;
};

static _Noreturn void fail(const char *what)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void write_all(struct connection *connection, size_t length,
                      const uint8_t *bytes)
{
    while (length > 0) {
        ssize_t written = send(connection->fd, bytes, length, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno == EAGAIN) {
                continue; /* A batch fits the socket's buffer but for a blink.
                           */
            }
            fail("send");
        }
        bytes += written;
        length -= (size_t)written;
    }
}

static void write_batch(struct load *load, struct connection *connection)
{
    const struct peer *peer = load->peer;
    struct peer_state *state = &connection->state;
    size_t length = 0;

    if (load->pairs == 1) {
        length = connection->is_half_done
                     ? peer->release(state, load->batch)
                     : peer->acquire(state, load->batch, true);
        connection->answers_due = 1;
    } else {
        for (uint32_t i = 0; i < load->pairs; i++) {
            length += peer->acquire(state, load->batch + length, i == 0);
            length += peer->release(state, load->batch + length);
        }
        connection->answers_due = 2 * load->pairs;
    }
    if (peer->counts_bytes) {
        connection->answers_due = (uint32_t)length;
    }
    connection->written_ns = now_ns();
    write_all(connection, length, load->batch);
}

static void batch_done(struct load *load, struct connection *connection)
{
    uint64_t took_ns = now_ns() - connection->written_ns;

    if (load->is_counting && load->samples_count < SAMPLES_MAX) {
        load->samples_ns[load->samples_count++] =
            took_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)took_ns;
    }
    if (load->pairs == 1) {
        connection->is_half_done = !connection->is_half_done;
        if (connection->is_half_done) {
            return;
        }
    }
    if (load->is_counting) {
        load->pairs_done += load->pairs;
    }
}

/* Counts what came; returns whether nothing is due any more. */
static bool read_answers(const struct peer *peer, struct connection *connection)
{
    for (;;) {
        size_t used = 0;
        int64_t answers;
        ssize_t got =
            recv(connection->fd, connection->input + connection->input_bytes,
                 INPUT_BYTES - connection->input_bytes, 0);

        if (got < 0 && errno == EAGAIN) {
            return connection->answers_due == 0;
        }
        if (got <= 0) {
            fail("the server closed the connection");
        }
        connection->input_bytes += (size_t)got;
        answers =
            peer->count(connection->input, connection->input_bytes, &used);
        if (answers < 0 || answers > connection->answers_due) {
            errno = EPROTO;
            fail("an answer that was not due, or not of its kind");
        }
        connection->answers_due -= (uint32_t)answers;
        connection->input_bytes -= used;
        memmove(connection->input, connection->input + used,
                connection->input_bytes);
        if (connection->answers_due == 0) {
            return true;
        }
    }
}

static void open_connection(const struct peer *peer,
                            struct connection *connection, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t setup[PEER_SETUP_BYTES_MAX];
    int one = 1;
    size_t length;

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) !=
            0) {
        fail("connect");
    }
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one,
                     sizeof(one));
    length = peer->setup(&connection->state, setup, &connection->answers_due);
    write_all(connection, length, setup);
    while (connection->answers_due > 0) {
        size_t used = 0;
        ssize_t got =
            recv(connection->fd, connection->input + connection->input_bytes,
                 INPUT_BYTES - connection->input_bytes, 0);
        if (got <= 0) {
            fail("setup");
        }
        connection->input_bytes += (size_t)got;
        int64_t answers =
            peer->count(connection->input, connection->input_bytes, &used);
        if (answers < 0 || answers > connection->answers_due) {
            errno = EPROTO;
            fail("setup was refused");
        }
        connection->answers_due -= (uint32_t)answers;
        connection->input_bytes -= used;
        memmove(connection->input, connection->input + used,
                connection->input_bytes);
    }
    (void)fcntl(connection->fd, F_SETFL, O_NONBLOCK);
}

static double server_cpu_seconds(const char *pid)
{
    char path[64];
    unsigned long user = 0;
    unsigned long system = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    file = fopen(path, "re");
    if (file == NULL ||
        fscanf(file,
               "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
               "%lu %lu",
               &user, &system) != 2) {
        fail(path);
    }
    (void)fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double own_cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double percentile_us(const struct load *load, double share)
{
    if (load->samples_count == 0) {
        return 0;
    }
    return load->samples_ns[(uint32_t)(share * (load->samples_count - 1))] /
           1e3;
}

static void serve(struct load *load, int epoll, uint64_t until_ns)
{
    struct epoll_event events[64];

    while (now_ns() < until_ns) {
        int count = epoll_wait(epoll, events, 64, 1000);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (read_answers(load->peer, connection)) {
                batch_done(load, connection);
                write_batch(load, connection);
            }
        }
    }
}

int main(int argc, char **argv)
{
    struct load load = {0};
    struct connection *connections;
    uint32_t count;
    uint64_t start_ns;
    double seconds;
    double server_cpu;
    double own_cpu;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (argc < 7 || (load.peer = peer_find(argv[1])) == NULL) {
        (void)fprintf(stderr, "usage: load PEER PORT CONNECTIONS PAIRS SECONDS "
                              "SERVER_PID [SCRIPT]\n");
        return 64;
    }
    count = (uint32_t)strtoul(argv[3], NULL, 10);
    load.pairs = (uint32_t)strtoul(argv[4], NULL, 10);
    connections = calloc(count, sizeof(*connections));
    load.batch = malloc((size_t)load.pairs * 2 * PEER_REQUEST_BYTES_MAX);
    load.samples_ns = malloc(SAMPLES_MAX * sizeof(*load.samples_ns));
    if (count == 0 || count > 999 || load.pairs == 0 || connections == NULL ||
        load.batch == NULL || load.samples_ns == NULL || epoll < 0) {
        fail("start");
    }
    for (uint32_t i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                    .data.ptr = &connections[i]};
        connections[i].state.connection = i;
        connections[i].state.script = argc > 7 ? argv[7] : "";
        open_connection(load.peer, &connections[i],
                        (uint16_t)strtoul(argv[2], NULL, 10));
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) != 0) {
            fail("epoll_ctl");
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        write_batch(&load, &connections[i]);
    }
    serve(&load, epoll, now_ns() + WARM_UP_NS);
    load.is_counting = true;
    server_cpu = server_cpu_seconds(argv[6]);
    own_cpu = own_cpu_seconds();
    start_ns = now_ns();
    serve(&load, epoll,
          start_ns + (uint64_t)(strtod(argv[5], NULL) * NS_PER_SECOND));
    seconds = (double)(now_ns() - start_ns) / NS_PER_SECOND;
    server_cpu = server_cpu_seconds(argv[6]) - server_cpu;
    own_cpu = own_cpu_seconds() - own_cpu;
    qsort(load.samples_ns, load.samples_count, sizeof(*load.samples_ns),
          compare);
    printf("{\"peer\":\"%s\",\"connections\":%u,\"pairs\":%u,"
           "\"pairs_per_second\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"p999_us\":%.1f,\"seconds\":%.3f,\"server_cpu_seconds\":%.2f,"
           "\"load_cpu_seconds\":%.2f}\n",
           load.peer->name, count, load.pairs,
           (double)load.pairs_done / seconds, percentile_us(&load, 0.5),
           percentile_us(&load, 0.99), percentile_us(&load, 0.999), seconds,
           server_cpu, own_cpu);
    return EXIT_SUCCESS;
}
