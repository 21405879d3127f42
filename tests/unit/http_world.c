/* SPDX-License-Identifier: MIT */
#include "http_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <check.h>
#include <event2/buffer.h>

/* --------------------------------------------------- what the daemon knows */

size_t semaphores_count;
size_t holders_count;
size_t semaphores_views;
size_t holders_views;
struct engine_totals totals;
struct http_facts facts;

void engine_get_totals(const struct engine *engine,
                       struct engine_totals *ret_totals)
{
    (void)engine;
    *ret_totals = totals;
}

static void fill_semaphore(size_t i, struct permit_semaphore_info *ret_row)
{
    static char names[HTTP_SLICE_ROWS][32];
    char *name = names[i % HTTP_SLICE_ROWS];

    (void)snprintf(name, sizeof(names[0]), "s/%06zu", i);
    /* Every third is idle, active, saturated. */
    *ret_row = (struct permit_semaphore_info){.name = name,
                                              .kind = PERMIT_BOUNDED,
                                              .permits = 2,
                                              .held = i % 3,
                                              .available = 2 - i % 3,
                                              .holders = i % 3,
                                              .max_wait_ms = -1,
                                              .oldest_wait_ms = -1,
                                              .oldest_hold_ms = -1,
                                              .template_name = "s/*"};
}

size_t sessions_view_semaphores(struct sessions *sessions, const char *prefix,
                                size_t offset, uint64_t now_ns,
                                struct permit_semaphore_info *rows,
                                size_t rows_max, size_t *ret_total)
{
    size_t count = 0;

    (void)sessions;
    (void)now_ns;
    *ret_total =
        strncmp("s/", prefix, strlen(prefix)) == 0 ? semaphores_count : 0;
    while (count < rows_max && offset + count < *ret_total) {
        fill_semaphore(offset + count, &rows[count]);
        count++;
    }
    return count;
}

bool sessions_view_semaphore(struct sessions *sessions, const char *name,
                             uint64_t now_ns,
                             struct permit_semaphore_info *ret_row)
{
    static const char *const names[] = {"jobs", "a/holders", "a+b", "a/*"};

    (void)sessions;
    (void)now_ns;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0) {
            fill_semaphore(2, ret_row);
            ret_row->name = names[i];
            return true;
        }
    }
    return false;
}

static const struct permit_client_info client_info = {
    17, "al\"ice\n\xff", "ci-4", 812, "make", "127.0.0.1:9", true};
char label_value[] = "<night>\xff";
static const struct permit_label labels[] = {{"j\"ob", label_value}};

/* Of every row: the first is of the semaphore that was asked for. */
static struct permit_part_info parts[] = {{"", 1, 0, NULL},
                                          {"api", 2, 0, NULL}};

size_t sessions_view_holders(struct sessions *sessions, const char *semaphore,
                             size_t offset, uint64_t now_ns,
                             struct permit_holder_info *rows, size_t rows_max,
                             size_t *ret_total)
{
    size_t count = 0;

    (void)sessions;
    (void)now_ns;
    holders_views++;
    parts[0].semaphore = semaphore;
    *ret_total = holders_count;
    while (count < rows_max && offset + count < holders_count) {
        rows[count] = (struct permit_holder_info){
            .grant_id = 9007199254740993u + offset + count,
            .semaphore = semaphore,
            .permits = 1,
            .client = client_info,
            .expires_in_ms = -1,
            .labels = labels,
            .labels_count = 1,
            .parts = parts,
            .parts_count = 2};
        count++;
    }
    return count;
}

size_t sessions_view_waiters(struct sessions *sessions, const char *semaphore,
                             size_t offset, uint64_t now_ns,
                             struct permit_waiter_info *rows, size_t rows_max,
                             size_t *ret_total)
{
    size_t count = 0;

    (void)sessions;
    (void)now_ns;
    *ret_total = 9;
    parts[0].semaphore = semaphore;
    while (count < rows_max && offset + count < *ret_total) {
        rows[count] =
            (struct permit_waiter_info){.acquire_id = 1,
                                        .position = offset + count + 1,
                                        .semaphore = semaphore,
                                        .permits = 1,
                                        .client = client_info,
                                        .expires_in_ms = -1,
                                        .labels = labels,
                                        .labels_count = 1,
                                        .parts = parts,
                                        .parts_count = 2,
                                        .priority = 3};
        count++;
    }
    return count;
}

static void get_facts(void *arg, struct http_facts *ret_facts)
{
    ck_assert_ptr_eq(arg, &facts);
    *ret_facts = facts;
}

static const char *get_configured(void *arg, size_t index)
{
    ck_assert_ptr_eq(arg, &facts);
    return index == 0 ? "jobs" : NULL;
}

/* ----------------------------------------------------------------- fixture */

struct event_base *base;
struct http *http;
static struct sockaddr_in address;

static int listen_on_loopback(void)
{
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    address = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return fd;
}

struct http_options http_world_options(void)
{
    static const char *const hosts[] = {"status.example.org"};
    struct http_options options = {.connections_max = CONNECTIONS_MAX,
                                   .allowed_hosts = hosts,
                                   .allowed_hosts_count = 1,
                                   .get_facts = get_facts,
                                   .get_configured = get_configured,
                                   .arg = &facts};

    semaphores_count = 5;
    holders_count = 3;
    totals = (struct engine_totals){.fence = 9007199254740995u,
                                    .sessions = 3,
                                    .sessions_disconnected = 1,
                                    .grants_total = 88};
    facts = (struct http_facts){.now_ms = 1795219823123,
                                .start_ms = 1795219000000,
                                .config_loaded_ms = -1,
                                .uptime_ms = 812400,
                                .boot_id = "01HF",
                                .name = "permitd@here",
                                .version = "0.1.0",
                                .store_kind = "memory",
                                .last_reload_ok = true,
                                .connections = 2,
                                .connections_max = 10000};
    base = event_base_new();
    ck_assert_ptr_nonnull(base);
    options.base = base;
    options.fd = listen_on_loopback();
    return options;
}

void http_world_start(void)
{
    struct http_options options = http_world_options();

    http = http_create(&options);
    ck_assert_ptr_nonnull(http);
}

void http_world_stop(void)
{
    http_destroy(http);
    event_base_free(base);
}

/* ------------------------------------------------------------------ clients */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct client *client = arg;
    int count;

    (void)what;
    count = evbuffer_read(client->answer, fd, -1);
    if (count == 0 || (count < 0 && errno != EAGAIN)) {
        client->is_closed = true;
        (void)event_del(client->event);
    }
}

void client_send(struct client *client, const char *bytes, size_t length)
{
    ck_assert_int_eq(send(client->fd, bytes, length, MSG_NOSIGNAL),
                     (ssize_t)length);
}

struct client client_open(const char *request)
{
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM, 0),
                            .answer = evbuffer_new()};

    ck_assert_int_ge(client.fd, 0);
    ck_assert_ptr_nonnull(client.answer);
    ck_assert_int_eq(
        connect(client.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(fcntl(client.fd, F_SETFL, O_NONBLOCK), 0);
    client_send(&client, request, strlen(request));
    return client;
}

void client_watch(struct client *client)
{
    client->event =
        event_new(base, client->fd, EV_READ | EV_PERSIST, on_readable, client);
    ck_assert_ptr_nonnull(client->event);
    ck_assert_int_eq(event_add(client->event, NULL), 0);
}

void client_close(struct client *client)
{
    if (client->event != NULL) {
        event_free(client->event);
    }
    evbuffer_free(client->answer);
    (void)close(client->fd);
}

int client_wait(struct client *client)
{
    int turns = 0;

    while (!client->is_closed) {
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
        turns++;
    }
    return turns;
}

char *exchange(const char *request)
{
    struct client client = client_open(request);
    size_t length;
    char *answer;

    client_watch(&client);
    (void)client_wait(&client);
    length = evbuffer_get_length(client.answer);
    answer = calloc(1, length + 1);
    ck_assert_ptr_nonnull(answer);
    (void)evbuffer_remove(client.answer, answer, length);
    client_close(&client);
    ck_assert_uint_eq(http_connections(http), 0);
    return answer;
}

char *get(const char *path)
{
    char request[1024];

    (void)snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: localhost:7418\r\n\r\n", path);
    return exchange(request);
}

cJSON *body_of(const char *answer)
{
    const char *body = strstr(answer, "\r\n\r\n");
    cJSON *json;

    ck_assert_ptr_nonnull(body);
    json = cJSON_Parse(body);
    ck_assert_msg(json != NULL, "%s", answer);
    return json;
}

cJSON *get_json(const char *path)
{
    char *answer = get(path);
    cJSON *json;

    ck_assert_msg(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s",
                  answer);
    ck_assert_ptr_nonnull(strstr(answer, "Content-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "Cache-Control: no-store\r\n"));
    json = body_of(answer);
    free(answer);
    return json;
}
