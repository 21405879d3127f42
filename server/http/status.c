/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"
#include "http_private.h"

static bool add_number(cJSON *object, const char *key, double number)
{
    return cJSON_AddNumberToObject(object, key, number) != NULL;
}

static bool add_text_or_null(cJSON *object, const char *key, const char *text)
{
    return text != NULL ? json_add_text(object, key, text)
                        : cJSON_AddNullToObject(object, key) != NULL;
}

static bool add_bool(cJSON *object, const char *key, bool value)
{
    return cJSON_AddBoolToObject(object, key, value) != NULL;
}

/* ----------------------------------------------------------------- process */

/* Pages of memory in use, or -1. */
static long resident_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = -1;

    if (file != NULL) {
        if (fscanf(file, "%*s %ld", &pages) != 1) {
            pages = -1;
        }
        (void)fclose(file);
    }
    return pages;
}

/* Open descriptors, or -1. */
static int count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = -3; /* ".", ".." and the directory's own. */

    if (directory == NULL) {
        return -1;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

/* What can't be had is null. */
static bool add_process(cJSON *status)
{
    cJSON *process = cJSON_AddObjectToObject(status, "process");
    long pages = resident_pages();
    int fds = count_fds();
    struct rlimit limit = {0, 0};
    struct timespec cpu = {0, 0};

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return process != NULL &&
           (pages < 0
                ? cJSON_AddNullToObject(process, "rss_bytes") != NULL
                : add_number(process, "rss_bytes",
                             (double)pages * (double)sysconf(_SC_PAGESIZE))) &&
           (fds < 0 ? cJSON_AddNullToObject(process, "open_fds") != NULL
                    : add_number(process, "open_fds", fds)) &&
           add_number(process, "max_fds", (double)limit.rlim_cur) &&
           json_add_seconds(process, "cpu_seconds",
                            (int64_t)cpu.tv_sec * 1000 + cpu.tv_nsec / 1000000);
}

/* ------------------------------------------------------------------ status */

static bool add_store(cJSON *status, const struct http_facts *facts)
{
    cJSON *store = cJSON_AddObjectToObject(status, "store");

    return store != NULL && json_add_text(store, "kind", facts->store_kind) &&
           add_text_or_null(store, "sync", facts->store_sync) &&
           json_add_text(store, "state",
                         facts->store_failed ? "failed" : "ok") &&
           add_bool(store, "grants_survive_restart",
                    facts->grants_survive_restart);
}

static bool add_config(cJSON *status, const struct http_facts *facts)
{
    cJSON *config = cJSON_AddObjectToObject(status, "config");

    return config != NULL &&
           json_add_time(config, "loaded_at", facts->config_loaded_ms) &&
           add_bool(config, "last_reload_ok", facts->last_reload_ok);
}

static bool add_counts(cJSON *status, const struct http_facts *facts,
                       const struct engine_totals *engine)
{
    cJSON *connections = cJSON_AddObjectToObject(status, "connections");
    cJSON *sessions = cJSON_AddObjectToObject(status, "sessions");
    cJSON *totals = cJSON_AddObjectToObject(status, "totals");

    return connections != NULL && sessions != NULL && totals != NULL &&
           add_number(connections, "current", facts->connections) &&
           add_number(connections, "max", facts->connections_max) &&
           add_number(sessions, "current", engine->sessions) &&
           add_number(sessions, "disconnected",
                      engine->sessions_disconnected) &&
           add_number(totals, "grants_total", (double)engine->grants_total) &&
           add_number(totals, "releases_total",
                      (double)engine->releases_total) &&
           add_number(totals, "timeouts_total",
                      (double)engine->timeouts_total) &&
           add_number(totals, "lost_total", (double)engine->lost_total);
}

static const char *state_name(const struct http_facts *facts,
                              const struct engine_totals *engine)
{
    if (facts->store_failed) {
        return "failed";
    }
    return engine->draining ? "draining" : "ready";
}

/* The one answer that needs the server's facts and the engine's totals. */
void status_serve(struct http *http, struct evhttp_request *request)
{
    cJSON *status = cJSON_CreateObject();
    struct http_facts facts;
    struct engine_totals engine;

    http->options.get_facts(http->options.arg, &facts);
    engine_get_totals(http->options.engine, &engine);
    if (status == NULL || !add_number(status, "schema_version", 1) ||
        !json_add_text(status, "boot_id", facts.boot_id) ||
        !json_add_text(status, "name", facts.name) ||
        !json_add_text(status, "version", facts.version) ||
        !add_text_or_null(status, "revision", facts.revision) ||
        !add_number(status, "protocol_version", FRAME_VERSION) ||
        !json_add_time(status, "now", facts.now_ms) ||
        !json_add_time(status, "start_time", facts.start_ms) ||
        !json_add_seconds(status, "uptime_seconds", facts.uptime_ms) ||
        !json_add_text(status, "state", state_name(&facts, &engine)) ||
        !add_bool(status, "draining", engine.draining) ||
        !json_add_id(status, "fence", engine.fence) ||
        !add_store(status, &facts) || !add_config(status, &facts) ||
        !add_counts(status, &facts, &engine) || !add_process(status)) {
        cJSON_Delete(status);
        status = NULL;
    }
    reply_json(request, status);
}

void status_serve_version(struct http *http, struct evhttp_request *request)
{
    cJSON *version = cJSON_CreateObject();
    struct http_facts facts;

    http->options.get_facts(http->options.arg, &facts);
    if (version == NULL || !json_add_text(version, "version", facts.version) ||
        !add_text_or_null(version, "revision", facts.revision) ||
        !add_number(version, "protocol_version", FRAME_VERSION)) {
        cJSON_Delete(version);
        version = NULL;
    }
    reply_json(request, version);
}

/* ------------------------------------------------------------------ probes */

void status_serve_live(struct http *http, struct evhttp_request *request)
{
    (void)http;
    reply_text(request, "ok\n");
}

static bool add_name(cJSON *array, const char *name)
{
    cJSON *item = cJSON_CreateString(name);

    if (item == NULL || !cJSON_AddItemToArray(array, item)) {
        cJSON_Delete(item);
        return false;
    }
    return true;
}

/* Adds `failing`, a list of checks. */
static bool add_failing(cJSON *object, const struct http_facts *facts,
                        bool is_draining)
{
    cJSON *failing = cJSON_AddArrayToObject(object, "failing");

    return failing != NULL && (!is_draining || add_name(failing, "draining")) &&
           (!facts->store_failed || add_name(failing, "store")) &&
           (!facts->fd_limit_reached || add_name(failing, "fd_limit"));
}

static bool add_warnings(cJSON *object, const struct http_facts *facts)
{
    cJSON *warnings = cJSON_AddArrayToObject(object, "warnings");

    return warnings != NULL &&
           (facts->last_reload_ok || add_name(warnings, "reload_failed"));
}

static bool is_verbose(struct evhttp_request *request)
{
    const char *query =
        evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));

    return query != NULL && strncmp(query, "verbose", strlen("verbose")) == 0;
}

bool status_is_ready(const struct http_facts *facts,
                     const struct engine_totals *engine)
{
    return !engine->draining && !facts->store_failed &&
           !facts->fd_limit_reached;
}

void status_serve_ready(struct http *http, struct evhttp_request *request)
{
    bool wants_all = is_verbose(request);
    bool is_ready;
    cJSON *answer;
    struct http_facts facts;
    struct engine_totals engine;

    http->options.get_facts(http->options.arg, &facts);
    engine_get_totals(http->options.engine, &engine);
    is_ready = status_is_ready(&facts, &engine);
    if (is_ready && !wants_all) {
        reply_text(request, "ok\n");
        return;
    }
    answer = is_ready ? cJSON_CreateObject()
                      : problem_json(request, HTTP_SERVUNAVAIL,
                                     engine.draining ? PERMIT_E_DRAINING
                                                     : PERMIT_E_UNAVAILABLE,
                                     "not ready: `failing` says why");
    if (answer == NULL || !add_failing(answer, &facts, engine.draining) ||
        (wants_all && !add_warnings(answer, &facts))) {
        cJSON_Delete(answer);
        answer = NULL;
    }
    if (is_ready) {
        reply_json(request, answer);
        return;
    }
    reply_problem_json(request, HTTP_SERVUNAVAIL, answer);
}
