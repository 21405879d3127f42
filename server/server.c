/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "http/http.h"
#include "listener.h"
#include "log.h"
#include "session.h"
#include "store/store.h"

#define ACCEPT_PAUSE_MS 100 /* Without descriptors. */
#define STOP_MS 4000        /* SIGTERM to exit, at most. */
#define RETRY_AFTER_MS 1000 /* What a client is told at SIGTERM. */
#define BOOT_ID_BYTES 26
#define NAME_BYTES 96

struct acceptor {
    struct server *server;
    struct evconnlistener *listener;
    char address[LISTENER_TEXT_BYTES];
};

struct server {
    struct config *started; /* As at the start: limits and addresses. */
    struct config *config;  /* As last loaded: semaphores, log level. */
    const struct config_flags *flags;
    struct event_base *base;
    struct clock clock;
    struct engine *engine;
    struct store *store;
    struct gate *gate;
    struct sessions *sessions;
    struct connections *connections;
    struct http *http;
    struct acceptor acceptors[CONFIG_ADDRESSES_MAX];
    size_t acceptors_count;
    char http_address[LISTENER_TEXT_BYTES];
    struct event *turn;         /* The end of a turn. */
    struct event *timer;        /* What is due next. */
    struct event *accept_pause; /* Listeners off, for want of descriptors. */
    struct event *stop_timer;
    struct event *drain_timer;
    struct event *signals[4];
    char boot_id[BOOT_ID_BYTES + 1];
    char name[NAME_BYTES];
    int64_t start_ms;
    int64_t config_loaded_ms;
    uint64_t start_ns;
    bool last_reload_ok;
    bool is_draining;
    bool is_stopping;
    bool fd_limit_reached;
    enum server_exit exit;
};

/* ------------------------------------------------------------------ the turn
 */

static struct timeval after_ms(int64_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

/* Everything that this turn of the loop still has to do comes before `turn`,
 * for events are handled in the order in which they became active. */
static void want_turn(void *arg, bool later)
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

static void stop(struct server *server, enum server_exit exit_code)
{
    server->exit = exit_code;
    (void)event_base_loopbreak(server->base);
}

static void begin_stop(struct server *server, const char *why)
{
    struct timeval limit = after_ms(STOP_MS);

    if (server->is_stopping) {
        return;
    }
    server->is_stopping = true;
    log_event(LOG_INFO, "stopping", "why=%s", why);
    for (size_t i = 0; i < server->acceptors_count; i++) {
        (void)evconnlistener_disable(server->acceptors[i].listener);
    }
    connections_goaway(server->connections, WIRE_GOAWAY_SHUTDOWN,
                       RETRY_AFTER_MS, "the daemon stops");
    (void)event_add(server->stop_timer, &limit);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    struct engine_totals totals;
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
    push_ns = sessions_push_waiting(server->sessions, now_ns,
                                    connections_can_push, server->connections);
    status = connections_turn(server->connections);
    if (status != PERMIT_OK) {
        log_event(LOG_ERR, "store_failed", "reason=%s",
                  permit_status_reason(status));
        stop(server,
             status == PERMIT_E_NOMEM ? SERVER_EXIT_SYSTEM : SERVER_EXIT_STORE);
        return;
    }
    engine_get_totals(server->engine, &totals);
    if (server->is_draining && totals.grants == 0) {
        begin_stop(server, "drained");
    }
    if (server->is_stopping && connections_count(server->connections) == 0) {
        stop(server, SERVER_EXIT_STOPPED);
    }
    now_ns = clock_now_ns(&server->clock);
    due_ns = engine_next_deadline(server->engine);
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
    want_turn(server, false);
}

/* ----------------------------------------------------------------- listening
 */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *peer, int length, void *arg)
{
    struct acceptor *acceptor = arg;
    char host[64] = "";
    char port[16] = "";
    char address[CONNECTION_ADDRESS_BYTES];

    (void)listener;
    acceptor->server->fd_limit_reached = false;
    if (peer->sa_family == AF_UNIX) {
        (void)snprintf(address, sizeof(address), "%.*s",
                       CONNECTION_ADDRESS_BYTES - 1, acceptor->address);
    } else {
        (void)getnameinfo(peer, (socklen_t)length, host, sizeof(host), port,
                          sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
        (void)snprintf(address, sizeof(address),
                       peer->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
                       port);
    }
    connections_add(acceptor->server->connections, fd, host, address);
}

static void set_accepting(struct server *server, bool is_on)
{
    for (size_t i = 0; i < server->acceptors_count; i++) {
        if (is_on) {
            (void)evconnlistener_enable(server->acceptors[i].listener);
        } else {
            (void)evconnlistener_disable(server->acceptors[i].listener);
        }
    }
}

/* Without descriptors a listener would spin: it is off for a while. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct acceptor *acceptor = arg;
    struct timeval pause = after_ms(ACCEPT_PAUSE_MS);

    (void)listener;
    if (!acceptor->server->fd_limit_reached) { /* Once, until one is there. */
        log_event(LOG_WARNING, "accept_failed", "error=\"%s\"",
                  strerror(EVUTIL_SOCKET_ERROR()));
    }
    acceptor->server->fd_limit_reached = true;
    set_accepting(acceptor->server, false);
    (void)event_add(acceptor->server->accept_pause, &pause);
}

static void on_accept_pause(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd;
    (void)what;
    if (!server->is_stopping) {
        set_accepting(server, true);
    }
}

static enum server_exit to_exit(enum listener_result result)
{
    return result == LISTENER_INVALID ? SERVER_EXIT_CONFIG
                                      : SERVER_EXIT_ADDRESS;
}

static enum server_exit open_listeners(struct server *server,
                                       char error[SERVER_ERROR_BYTES])
{
    const struct config *config = server->started;

    for (size_t i = 0; i < config->listen_count; i++) {
        struct acceptor *acceptor = &server->acceptors[i];
        int fd = -1;
        enum listener_result result =
            listener_open(config->listen[i], config->insecure_listen, &fd,
                          acceptor->address, error);
        if (result != LISTENER_OPEN) {
            return to_exit(result);
        }
        acceptor->server = server;
        acceptor->listener = evconnlistener_new(
            server->base, on_accept, acceptor,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
        if (acceptor->listener == NULL) {
            (void)close(fd);
            return SERVER_EXIT_SYSTEM;
        }
        evconnlistener_set_error_cb(acceptor->listener, on_accept_error);
        server->acceptors_count++;
    }
    return SERVER_EXIT_STOPPED;
}

/* ---------------------------------------------------------------------- http
 */

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
        .arg = server};
    enum listener_result result;

    if (config->http_listen == NULL) {
        return SERVER_EXIT_STOPPED;
    }
    result = listener_open(config->http_listen, config->insecure_listen,
                           &options.fd, server->http_address, error);
    if (result != LISTENER_OPEN) {
        return to_exit(result);
    }
    server->http = http_create(&options);
    if (server->http == NULL) {
        (void)close(options.fd);
        return SERVER_EXIT_SYSTEM;
    }
    return SERVER_EXIT_STOPPED;
}

/* ------------------------------------------------------------------- signals
 */

static void on_stop_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    stop(arg, SERVER_EXIT_STOPPED);
}

static void on_drain_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    begin_stop(arg, "drain_timeout");
}

static void on_term(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    begin_stop(arg, "signal");
}

/* The server's own events are rare and wait for nobody: what work the engine
 * has left is done first. */
static void apply(struct server *server, const struct engine_event *event)
{
    while (sessions_have_work(server->sessions)) {
        sessions_continue(server->sessions);
    }
    sessions_apply(server->sessions, event);
    while (sessions_have_work(server->sessions)) {
        sessions_continue(server->sessions);
    }
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    struct engine_event event = {.type = ENGINE_DRAIN,
                                 .now_ns = clock_now_ns(&server->clock)};

    (void)fd;
    (void)what;
    if (server->is_draining) {
        return;
    }
    server->is_draining = true;
    log_event(LOG_INFO, "draining", "why=signal");
    apply(server, &event);
    if (server->config->drain_timeout_ms >= 0) {
        struct timeval limit = after_ms(server->config->drain_timeout_ms);
        (void)event_add(server->drain_timer, &limit);
    }
    want_turn(server, false);
}

static bool define(struct server *server,
                   const struct config_semaphore *semaphore)
{
    struct engine_event event = {.type = ENGINE_DEFINE,
                                 .now_ns = clock_now_ns(&server->clock)};
    const char *detail = NULL;

    event.define.semaphore = semaphore->name;
    event.define.definition = semaphore->definition;
    apply(server, &event);
    if (sessions_own_answer(server->sessions, &detail) != PERMIT_OK) {
        log_event(LOG_ERR, "semaphore_refused", "name=%s reason=\"%s\"",
                  semaphore->name, detail == NULL ? "" : detail);
        return false;
    }
    return true;
}

static bool is_same_definition(const struct engine_definition *a,
                               const struct engine_definition *b)
{
    return a->kind == b->kind && a->permits == b->permits &&
           a->max_queue == b->max_queue && a->max_wait_ms == b->max_wait_ms &&
           a->hold_ms == b->hold_ms;
}

/* Applies what differs between two configurations; what `permit set` changed
 * since stays where the file's entry did not change. */
static void apply_config(struct server *server, const struct config *before,
                         const struct config *after)
{
    char key[CONFIG_KEY_BYTES];
    size_t index = 0;

    for (size_t i = 0; i < after->semaphores_count; i++) {
        const struct config_semaphore *semaphore = &after->semaphores[i];
        const struct config_semaphore *former =
            before == NULL ? NULL : config_find(before, semaphore->name);
        if (former == NULL ||
            !is_same_definition(&former->definition, &semaphore->definition)) {
            (void)define(server, semaphore);
        }
    }
    if (before == NULL) {
        return;
    }
    for (size_t i = 0; i < before->semaphores_count; i++) {
        if (config_find(after, before->semaphores[i].name) == NULL) {
            log_event(LOG_NOTICE, "semaphore_left",
                      "name=%s why=\"its entry is gone; permit delete removes "
                      "it\"",
                      before->semaphores[i].name);
        }
    }
    while (config_next_restart_key(before, after, &index, key)) {
        log_event(LOG_WARNING, "restart_needed", "key=%s", key);
    }
}

static void on_reload(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    struct config *config;
    char error[CONFIG_ERROR_BYTES];

    (void)fd;
    (void)what;
    if (!config_load(server->flags, &config, error)) {
        server->last_reload_ok = false;
        log_event(LOG_ERR, "reload_failed", "error=\"%s\"", error);
        return;
    }
    apply_config(server, server->config, config);
    log_set(config->log_level, server->started->log_format);
    if (server->config != server->started) {
        config_destroy(server->config);
    }
    server->config = config;
    server->last_reload_ok = true;
    server->config_loaded_ms = clock_wall_ms();
    log_event(LOG_INFO, "reloaded", "semaphores=%zu",
              server->config->semaphores_count);
    want_turn(server, false);
}

static bool add_events(struct server *server)
{
    static const struct {
        int number;
        event_callback_fn callback;
    } handlers[] = {{SIGTERM, on_term},
                    {SIGINT, on_term},
                    {SIGUSR2, on_drain},
                    {SIGHUP, on_reload}};

    server->turn = evtimer_new(server->base, on_turn, server);
    server->timer = evtimer_new(server->base, on_timer, server);
    server->accept_pause = evtimer_new(server->base, on_accept_pause, server);
    server->stop_timer = evtimer_new(server->base, on_stop_limit, server);
    server->drain_timer = evtimer_new(server->base, on_drain_limit, server);
    if (server->turn == NULL || server->timer == NULL ||
        server->accept_pause == NULL || server->stop_timer == NULL ||
        server->drain_timer == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
        server->signals[i] = evsignal_new(server->base, handlers[i].number,
                                          handlers[i].callback, server);
        if (server->signals[i] == NULL ||
            event_add(server->signals[i], NULL) != 0) {
            return false;
        }
    }
    return true;
}

/* -------------------------------------------------------------------- create
 */

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
        .grace_ms = config->grace_ms,
        .random = get_random};
    struct connections_options connections = {.clock = &server->clock,
                                              .limits = &config->session_limits,
                                              .session_timeout_ms =
                                                  config->session_timeout_ms,
                                              .want_turn = want_turn,
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
    return server->connections == NULL || !add_events(server)
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
        result = open_listeners(server, error);
    }
    if (result == SERVER_EXIT_STOPPED) {
        result = open_http(server, error);
    }
    if (result != SERVER_EXIT_STOPPED) {
        server_destroy(server);
        return result;
    }
    apply_config(server, NULL, config);
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
    want_turn(server, true);
    if (event_base_dispatch(server->base) != 0) {
        return SERVER_EXIT_SYSTEM;
    }
    log_event(LOG_INFO, "stopped", "exit=%d log_dropped=%" PRIu64,
              (int)server->exit, log_dropped());
    return server->exit;
}

static void free_event(struct event *event)
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
    for (size_t i = 0; i < server->acceptors_count; i++) {
        const char *address = server->acceptors[i].address;
        evconnlistener_free(server->acceptors[i].listener);
        if (strncmp(address, "unix:", 5) == 0) {
            (void)unlink(address + 5);
        }
    }
    free_event(server->turn);
    free_event(server->timer);
    free_event(server->accept_pause);
    free_event(server->stop_timer);
    free_event(server->drain_timer);
    for (size_t i = 0; i < sizeof(server->signals) / sizeof(*server->signals);
         i++) {
        free_event(server->signals[i]);
    }
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
