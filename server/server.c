/* SPDX-License-Identifier: MIT */
#include "server_private.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "listener.h"
#include "log.h"

/* Everything that this turn of the loop still has to do comes before `turn`,
 * for events are handled in the order in which they became active. */
void server_want_turn(void *arg, bool later)
{
    struct server *server = arg;
    struct timeval now = {0, 0};

    if (later) {
        (void)event_add(server->turn, &now);
    } else if (!event_pending(server->turn, EV_TIMEOUT, NULL)) {
        event_active(server->turn, EV_TIMEOUT, 0);
    }
}

static void arm_timer(struct server *server, uint64_t now_ns, uint64_t due_ns)
{
    uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    struct timeval wait;

    if (wait_ns > CLOCK_LOOK_MS * NS_PER_MS) {
        wait_ns = CLOCK_LOOK_MS * NS_PER_MS;
    }
    wait.tv_sec = 0;
    wait.tv_usec = (suseconds_t)((wait_ns + 999) / 1000);
    (void)event_add(server->timer, &wait);
}

void server_stop(struct server *server, enum server_exit exit_code)
{
    server->exit = exit_code;
    (void)event_base_loopbreak(server->base);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    enum permit_status status;
    uint64_t now_ns;
    uint64_t push_ns;
    uint64_t due_ns;

    (void)fd;
    (void)what;
    now_ns = clock_now_ns(&server->clock);
    if (server->clock.polls_due > 0) {
        arm_timer(server, now_ns, now_ns);
        return; /* on_timer() counts the polls, and comes back here. */
    }
    sessions_push_waiting(server->sessions, now_ns, connections_can_push,
                          server->connections);
    status = connections_turn(server->connections);
    if (status != PERMIT_OK) {
        log_event(LOG_ERR, "store_failed", "reason=%s",
                  permit_status_reason(status));
        server_stop(server, status == PERMIT_E_NOMEM ? SERVER_EXIT_SYSTEM
                                                     : SERVER_EXIT_STORE);
        return;
    }
    server_go_on_draining(server);
    if (server->is_stopping && connections_count(server->connections) == 0) {
        server_stop(server, SERVER_EXIT_STOPPED);
    }
    now_ns = clock_now_ns(&server->clock);
    due_ns = engine_next_deadline(server->engine);
    /* Who has begun to wait in this turn is told in the next, not in a second.
     */
    push_ns = sessions_waiting_due(server->sessions, now_ns);
    arm_timer(server, now_ns, push_ns < due_ns ? push_ns : due_ns);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    struct engine_event tick = {.type = ENGINE_TICK,
                                .now_ns = clock_now_ns(&server->clock)};

    (void)fd;
    (void)what;
    if (server->clock.polls_due > 0) {
        server->clock.polls_due--;
        arm_timer(server, tick.now_ns, tick.now_ns);
        return;
    }
    if (!sessions_have_work(server->sessions) &&
        engine_next_deadline(server->engine) <= tick.now_ns) {
        sessions_apply(server->sessions, &tick);
    }
    server_want_turn(server, false);
}

static void get_facts(void *arg, struct http_facts *ret_facts)
{
    struct server *server = arg;
    uint64_t now_ns = clock_now_ns(&server->clock);

    *ret_facts = (struct http_facts){
        .now_ns = now_ns,
        .now_ms = clock_wall_ms(),
        .start_ms = server->start_ms,
        .config_loaded_ms = server->config_loaded_ms,
        .uptime_ms = (int64_t)((now_ns - server->start_ns) / NS_PER_MS),
        .boot_id = server->boot_id,
        .name = server->name,
        .version = SERVER_VERSION,
        .store_kind = server->store->kind,
        .grants_survive_restart = server->store->survives_restart,
        .last_reload_ok = server->last_reload_ok,
        .fd_limit_reached = server->fd_limit_reached,
        .connections = connections_count(server->connections),
        .connections_max = server->started->session_limits.max_connections};
}

static const char *get_configured(void *arg, size_t index)
{
    const struct server *server = arg;

    return index < server->config->semaphores_count
               ? server->config->semaphores[index].name
               : NULL;
}

static enum server_exit open_http(struct server *server,
                                  char error[SERVER_ERROR_BYTES])
{
    const struct config *config = server->started;
    struct http_options options = {
        .base = server->base,
        .sessions = server->sessions,
        .engine = server->engine,
        .connections_max = config->session_limits.max_http_connections,
        .allowed_hosts = (const char *const *)config->http_allowed_hosts,
        .allowed_hosts_count = config->http_allowed_hosts_count,
        .get_facts = get_facts,
        .get_configured = get_configured,
        .arg = server};
    enum listener_result result;

    if (config->http_listen == NULL) {
        return SERVER_EXIT_STOPPED;
    }
    result = listener_open(config->http_listen, config->insecure_listen,
                           &options.fd, server->http_address, error);
    if (result != LISTENER_OPEN) {
        return server_to_exit(result);
    }
    server->http = http_create(&options);
    if (server->http == NULL) {
        (void)close(options.fd);
        return SERVER_EXIT_SYSTEM;
    }
    return SERVER_EXIT_STOPPED;
}

static enum permit_status get_random(void *bytes, size_t length)
{
    return getrandom(bytes, length, 0) == (ssize_t)length
               ? PERMIT_OK
               : PERMIT_E_UNAVAILABLE;
}

static bool make_names(struct server *server)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t bytes[BOOT_ID_BYTES];
    char host[64] = "localhost";

    if (get_random(bytes, sizeof(bytes)) != PERMIT_OK) {
        return false;
    }
    for (size_t i = 0; i < BOOT_ID_BYTES; i++) {
        server->boot_id[i] = alphabet[bytes[i] % 32];
    }
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(server->name, sizeof(server->name), "%s@%s", SERVER_NAME,
                   host);
    return true;
}

/* As many descriptors as the system lets us have. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void on_libevent_log(int severity, const char *message)
{
    char text[LOG_TEXT_BYTES];

    log_event(severity >= EVENT_LOG_ERR    ? LOG_ERR
              : severity == EVENT_LOG_WARN ? LOG_WARNING
                                           : LOG_DEBUG,
              "libevent", "message=%s", log_text(text, message));
}

static void on_libevent_fatal(int error)
{
    log_event(LOG_ERR, "libevent_failed", "error=%d", error);
    abort();
}

static struct event_base *make_base(void)
{
    struct event_config *options = event_config_new();
    struct event_base *base = NULL;

    if (options != NULL &&
        event_config_set_flag(options, EVENT_BASE_FLAG_PRECISE_TIMER) == 0) {
        base = event_base_new_with_config(options);
    }
    if (options != NULL) {
        event_config_free(options);
    }
    return base;
}

/* The wall clock in units of 2^-24 s: so many that no daemon makes as many
 * grants in the same time, so a start a moment after a crash, without a store,
 * is above all numbers given before. */
static uint64_t first_fence(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* Cannot fail on Linux. */
    return ((uint64_t)now.tv_sec << 24) +
           ((uint64_t)now.tv_nsec << 24) / 1000000000u;
}

static enum server_exit make_parts(struct server *server,
                                   char error[SERVER_ERROR_BYTES])
{
    const struct config *config = server->started;
    uint8_t secret[ENGINE_HASH_SECRET_BYTES];
    struct sessions_options sessions = {
        .limits = &config->session_limits,
        .boot_id = server->boot_id,
        .server = SERVER_NAME "/" SERVER_VERSION,
        .heartbeat_ms = config->heartbeat_ms,
        .session_timeout_ms = config->session_timeout_ms,
        .linger_max_ms = config->linger_max_ms,
        .grace_ms = config->grace_ms,
        .random = get_random};
    struct connections_options connections = {.clock = &server->clock,
                                              .limits = &config->session_limits,
                                              .session_timeout_ms =
                                                  config->session_timeout_ms,
                                              .want_turn = server_want_turn,
                                              .arg = server};

    (void)snprintf(error, SERVER_ERROR_BYTES,
                   "getrandom: %s: there is no randomness for secrets",
                   strerror(errno));
    if (get_random(secret, sizeof(secret)) != PERMIT_OK ||
        !make_names(server)) {
        return SERVER_EXIT_SYSTEM;
    }
    (void)snprintf(error, SERVER_ERROR_BYTES, "no memory: lower `limits`");
    server->base = make_base();
    server->engine =
        engine_create(&config->engine_limits, first_fence(), secret);
    explicit_bzero(secret, sizeof(secret));
    if (server->engine != NULL) {
        engine_set_defaults(server->engine, &config->defaults);
        engine_set_priority_step(server->engine, config->priority_step_ms);
    }
    server->store = store_memory_create();
    if (server->base == NULL || server->engine == NULL ||
        server->store == NULL) {
        return SERVER_EXIT_SYSTEM;
    }
    server->gate = gate_create(server->store);
    sessions.engine = server->engine;
    sessions.gate = server->gate;
    sessions.grants_survive_restart = server->store->survives_restart;
    server->sessions = server->gate == NULL ? NULL : sessions_create(&sessions);
    connections.base = server->base;
    connections.sessions = server->sessions;
    connections.gate = server->gate;
    server->connections =
        server->sessions == NULL ? NULL : connections_create(&connections);
    server->turn = evtimer_new(server->base, on_turn, server);
    server->timer = evtimer_new(server->base, on_timer, server);
    return server->connections == NULL || server->turn == NULL ||
                   server->timer == NULL || !server_heed_signals(server)
               ? SERVER_EXIT_SYSTEM
               : SERVER_EXIT_STOPPED;
}

enum server_exit server_create(struct config *config,
                               const struct config_flags *flags,
                               struct server **ret_server,
                               char error[SERVER_ERROR_BYTES])
{
    struct server *server = calloc(1, sizeof(*server));
    enum server_exit result;

    (void)snprintf(error, SERVER_ERROR_BYTES, "no memory");
    if (server == NULL) {
        config_destroy(config);
        return SERVER_EXIT_SYSTEM;
    }
    server->started = config;
    server->config = config;
    server->flags = flags;
    server->start_ms = clock_wall_ms();
    server->start_ns = clock_now_ns(&server->clock);
    server->config_loaded_ms = flags->file == NULL ? -1 : server->start_ms;
    server->last_reload_ok = true;
    event_set_log_callback(on_libevent_log);
    event_set_fatal_callback(on_libevent_fatal);
    raise_descriptors();
    (void)signal(SIGPIPE, SIG_IGN);
    result = make_parts(server, error);
    if (result == SERVER_EXIT_STOPPED) {
        result = server_open_listeners(server, error);
    }
    if (result == SERVER_EXIT_STOPPED) {
        result = open_http(server, error);
    }
    if (result != SERVER_EXIT_STOPPED) {
        server_destroy(server);
        return result;
    }
    server_apply_config(server, NULL, config);
    *ret_server = server;
    return SERVER_EXIT_STOPPED;
}

void server_tell_ready(struct server *server, int fd)
{
    for (size_t i = 0; i < server->acceptors_count; i++) {
        (void)dprintf(fd, "permit %s\n", server->acceptors[i].address);
    }
    if (server->http != NULL) {
        (void)dprintf(fd, "http %s\n", server->http_address);
    }
    (void)close(fd);
}

enum server_exit server_run(struct server *server)
{
    log_event(LOG_INFO, "serving", "version=%s boot_id=%s address=%s http=%s",
              SERVER_VERSION, server->boot_id, server->acceptors[0].address,
              server->http == NULL ? "none" : server->http_address);
    server_want_turn(server, true);
    if (event_base_dispatch(server->base) != 0) {
        return SERVER_EXIT_SYSTEM;
    }
    log_event(LOG_INFO, "stopped", "exit=%d log_dropped=%" PRIu64,
              (int)server->exit, log_dropped());
    return server->exit;
}

void server_free_event(struct event *event)
{
    if (event != NULL) {
        event_free(event);
    }
}

void server_destroy(struct server *server)
{
    if (server == NULL) {
        return;
    }
    http_destroy(server->http);
    server_close_listeners(server);
    server_free_event(server->turn);
    server_free_event(server->timer);
    server_ignore_signals(server);
    connections_destroy(server->connections);
    if (server->base != NULL) {
        /* What was freed above is finalized in a turn of its own. */
        (void)event_base_loop(server->base, EVLOOP_NONBLOCK);
        event_base_free(server->base);
    }
    sessions_destroy(server->sessions);
    gate_destroy(server->gate);
    if (server->store != NULL) {
        server->store->destroy(server->store);
    }
    engine_destroy(server->engine);
    if (server->config != server->started) {
        config_destroy(server->config);
    }
    config_destroy(server->started);
    free(server);
}
