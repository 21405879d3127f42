/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config_keys.h"
#include "duration.h"
#include "listener.h"

#define YEAR_MS (INT64_C(365) * 24 * 3600 * 1000)
#define ENVIRONMENT_NAME_BYTES 128

#define AT(field) offsetof(struct config, field)
#define DURATION(section, name, field, min, inf, restart)                      \
    {                                                                          \
        section, name, CONFIG_DURATION, AT(field), min, 100 * YEAR_MS, inf,    \
            restart                                                            \
    }
#define COUNT(name, field, max)                                                \
    {                                                                          \
        "limits", name, CONFIG_COUNT, AT(field), 1, max, CONFIG_NO_INF, true   \
    }
#define ENGINE(name) COUNT(#name, engine_limits.name, 10000000)
#define SESSION(name) COUNT(#name, session_limits.name, 1000000)
#define BYTES(name)                                                            \
    {                                                                          \
        "limits", #name, CONFIG_BYTES, AT(session_limits.name), 4096, 1 << 30, \
            CONFIG_NO_INF, true                                                \
    }
#define PERIOD(name)                                                           \
    {                                                                          \
        "limits", #name, CONFIG_PERIOD, AT(session_limits.name##_ms), 10,      \
            24 * 3600000l, CONFIG_NO_INF, true                                 \
    }

const struct config_key config_keys[CONFIG_KEYS_COUNT] = {
    {"", "insecure_listen", CONFIG_BOOL, AT(insecure_listen), 0, 0,
     CONFIG_NO_INF, true},
    DURATION("", "drain_timeout", drain_timeout_ms, 0, DURATION_INF, false),
    {"", "priority_step", CONFIG_DURATION, AT(priority_step_ms), 0, YEAR_MS,
     CONFIG_NO_INF, false},
    {"http", "listen", CONFIG_ADDRESS, AT(http_listen), 0, 0, CONFIG_NO_INF,
     true},
    DURATION("session", "heartbeat", heartbeat_ms, 10, CONFIG_NO_INF, true),
    DURATION("session", "timeout", session_timeout_ms, 20, CONFIG_NO_INF, true),
    DURATION("session", "linger", linger_max_ms, 0, CONFIG_NO_INF, true),
    DURATION("session", "grace", grace_ms, 0, CONFIG_NO_INF, true),
    ENGINE(max_sessions),
    ENGINE(max_semaphores),
    ENGINE(max_semaphores_with_slots),
    ENGINE(max_semaphores_with_estimates),
    ENGINE(max_templated),
    ENGINE(max_templated_per_session),
    ENGINE(max_waiters),
    ENGINE(max_grants),
    ENGINE(max_lost),
    ENGINE(max_waiters_per_session),
    ENGINE(max_grants_per_session),
    SESSION(max_connections),
    SESSION(max_connections_before_hello),
    SESSION(max_connections_per_address_before_hello),
    SESSION(max_answers_per_session),
    SESSION(max_in_flight),
    SESSION(max_http_connections),
    PERIOD(hello_timeout),
    PERIOD(frame_timeout),
    PERIOD(slow_client_timeout),
    BYTES(max_input_buffer),
    BYTES(max_output_buffer),
    BYTES(max_output_before_hello),
    {"defaults", "max_queue", CONFIG_COUNT, AT(defaults.max_queue), 0,
     UINT32_MAX, CONFIG_NO_INF, true},
    DURATION("defaults", "max_wait", defaults.max_wait_ms, 0, -1, true),
    DURATION("defaults", "hold", defaults.hold_ms, 1, 0, true),
    {"log", "level", CONFIG_LEVEL, AT(log_level), 0, 0, CONFIG_NO_INF, false},
    {"log", "format", CONFIG_FORMAT, AT(log_format), 0, 0, CONFIG_NO_INF, true},
};

const struct config_name config_level_names[] = {{"error", LOG_ERR},
                                                 {"warning", LOG_WARNING},
                                                 {"info", LOG_INFO},
                                                 {"debug", LOG_DEBUG},
                                                 {NULL, 0}};
const struct config_name config_format_names[] = {
    {"auto", LOG_FORMAT_AUTO},
    {"logfmt", LOG_FORMAT_LOGFMT},
    {"journal", LOG_FORMAT_JOURNAL},
    {NULL, 0}};
const struct config_name config_kind_names[] = {{"bounded", ENGINE_BOUNDED},
                                                {"counting", ENGINE_COUNTING},
                                                {"rate", ENGINE_RATE},
                                                {NULL, 0}};
static const struct config_name bool_names[] = {
    {"false", false}, {"true", true}, {NULL, 0}};

static bool read_name(const struct config_name *names, const char *text,
                      int64_t *ret_value)
{
    for (; names->text != NULL; names++) {
        if (strcmp(names->text, text) == 0) {
            *ret_value = names->value;
            return true;
        }
    }
    return false;
}

/* Reads text as a whole number of min to max. */
static bool read_count(const char *text, int64_t min, int64_t max,
                       int64_t *ret_number)
{
    char *end;
    long long number;

    errno = 0;
    number = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 ||
        number < min || number > max) {
        return false;
    }
    *ret_number = number;
    return true;
}

/* "65536", "64KiB", "1MiB". */
static bool read_bytes(const char *text, int64_t min, int64_t max,
                       int64_t *ret_bytes)
{
    char digits[32];
    size_t length = strspn(text, "0123456789");
    const char *unit = text + length;
    int64_t scale = strcmp(unit, "KiB") == 0   ? 1024
                    : strcmp(unit, "MiB") == 0 ? 1024 * 1024
                    : *unit == '\0'            ? 1
                                               : 0;

    if (scale == 0 || length >= sizeof(digits)) {
        return false;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (!read_count(digits, 0, max / scale, ret_bytes)) {
        return false;
    }
    *ret_bytes *= scale;
    return *ret_bytes >= min;
}

static bool read_duration(const struct config_key *key, const char *text,
                          int64_t *ret_ms)
{
    int64_t ms;

    if (!duration_parse(text, &ms)) {
        return false;
    }
    if (ms == DURATION_INF) {
        *ret_ms = key->inf;
        return key->inf != CONFIG_NO_INF;
    }
    *ret_ms = ms;
    return ms >= key->min && ms <= key->max;
}

static bool set_address(char **field, const char *text,
                        char error[CONFIG_ERROR_BYTES])
{
    bool is_none = strcmp(text, "null") == 0 || strcmp(text, "~") == 0;
    char *copy;

    if (!is_none && !listener_check(text, true, error)) {
        return false;
    }
    copy = is_none ? NULL : strdup(text);
    if (!is_none && copy == NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "no memory");
        return false;
    }
    free(*field);
    *field = copy;
    return true;
}

/* Reads every type but an address: a word is a number too. */
static bool read_number(const struct config_key *key, const char *text,
                        int64_t *ret_number)
{
    switch (key->type) {
    case CONFIG_BOOL:
        return read_name(bool_names, text, ret_number);
    case CONFIG_LEVEL:
        return read_name(config_level_names, text, ret_number);
    case CONFIG_FORMAT:
        return read_name(config_format_names, text, ret_number);
    case CONFIG_KIND:
        return read_name(config_kind_names, text, ret_number);
    case CONFIG_COUNT:
        *ret_number = key->inf;
        return (key->inf != CONFIG_NO_INF && strcmp(text, "inf") == 0) ||
               read_count(text, key->min, key->max, ret_number);
    case CONFIG_BYTES:
        return read_bytes(text, key->min, key->max, ret_number);
    case CONFIG_PERIOD:
    case CONFIG_DURATION:
        return read_duration(key, text, ret_number);
    case CONFIG_ADDRESS:
    case CONFIG_RATE:
        break;
    }
    return false;
}

static void store_number(void *field, enum config_type type, int64_t number)
{
    switch (type) {
    case CONFIG_BOOL:
        *(bool *)field = number != 0;
        break;
    case CONFIG_LEVEL:
        *(int *)field = (int)number;
        break;
    case CONFIG_FORMAT:
        *(enum log_format *)field = (enum log_format)number;
        break;
    case CONFIG_KIND:
        *(enum engine_kind *)field = (enum engine_kind)number;
        break;
    case CONFIG_COUNT:
    case CONFIG_BYTES:
    case CONFIG_PERIOD:
        *(uint32_t *)field = (uint32_t)number;
        break;
    case CONFIG_DURATION:
        *(int64_t *)field = number;
        break;
    case CONFIG_ADDRESS:
    case CONFIG_RATE:
        break;
    }
}

/* Says what the value of key must be. */
static void complain(const struct config_key *key,
                     char error[CONFIG_ERROR_BYTES])
{
    static const char *const musts[] = {
        [CONFIG_BOOL] = "must be true or false",
        [CONFIG_DURATION] = "must be a duration",
        [CONFIG_COUNT] = "must be a whole number of ",
        [CONFIG_BYTES] = "must be a size of 4KiB to 1024MiB, like 64KiB",
        [CONFIG_PERIOD] = "must be a duration of 10ms to 1d, like 5s",
        [CONFIG_LEVEL] = "must be error, warning, info or debug",
        [CONFIG_FORMAT] = "must be auto, logfmt or journal",
        [CONFIG_KIND] = "must be bounded, counting or rate"};
    const char *or_inf = key->inf == CONFIG_NO_INF ? "" : ", or inf";

    if (key->type == CONFIG_COUNT) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "%s%" PRId64 " to %" PRId64 "%s", musts[key->type],
                       key->min, key->max, or_inf);
    } else if (key->type == CONFIG_DURATION) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "%s%s, like 250ms, 30s or 2h%s", musts[key->type],
                       key->min == 1 ? " above 0" : "", or_inf);
    } else {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "%s", musts[key->type]);
    }
}

static bool set_rate(struct engine_definition *definition, const char *text,
                     char error[CONFIG_ERROR_BYTES])
{
    const char *wrong =
        rate_parse(text, &definition->rate, &definition->per_ms);

    if (wrong != NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "must be %s", wrong);
    }
    return wrong == NULL;
}

bool config_set(void *base, const struct config_key *key, const char *text,
                char error[CONFIG_ERROR_BYTES])
{
    void *field = (char *)base + key->offset;
    int64_t number = 0;

    if (key->type == CONFIG_ADDRESS) {
        return set_address(field, text, error);
    }
    if (key->type == CONFIG_RATE) {
        return set_rate(base, text, error);
    }
    if (!read_number(key, text, &number)) {
        complain(key, error);
        return false;
    }
    store_number(field, key->type, number);
    return true;
}

static bool read_environment(struct config *config,
                             char error[CONFIG_ERROR_BYTES])
{
    char reason[CONFIG_ERROR_BYTES];

    for (size_t i = 0; i < CONFIG_KEYS_COUNT; i++) {
        const struct config_key *key = &config_keys[i];
        char name[ENVIRONMENT_NAME_BYTES];
        const char *text;

        (void)snprintf(name, sizeof(name), "PERMITD_%s%s%s", key->section,
                       key->section[0] == '\0' ? "" : "_", key->name);
        for (char *at = name; *at != '\0'; at++) {
            *at = (char)toupper((unsigned char)*at);
        }
        text = getenv(name);
        if (text != NULL && !config_set(config, key, text, reason)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "%s: %.300s", name,
                           reason);
            return false;
        }
    }
    return true;
}

static void clear_listen(struct config *config)
{
    while (config->listen_count > 0) {
        free(config->listen[--config->listen_count]);
    }
}

static bool add_listen(struct config *config, const char *address)
{
    char *copy = strdup(address);

    if (copy == NULL || config->listen_count == CONFIG_ADDRESSES_MAX) {
        free(copy);
        return false;
    }
    config->listen[config->listen_count++] = copy;
    return true;
}

static struct config *config_create(void)
{
    struct config *config = calloc(1, sizeof(*config));

    if (config == NULL) {
        return NULL;
    }
    config->drain_timeout_ms = INT64_C(3600) * 1000;
    config->priority_step_ms = DEFAULT_PRIORITY_STEP_MS;
    config->heartbeat_ms = SESSION_HEARTBEAT_MS;
    config->linger_max_ms = SESSION_LINGER_MAX_MS;
    config->grace_ms = SESSION_GRACE_MS;
    config->engine_limits = (struct engine_limits)ENGINE_LIMITS_DEFAULT;
    config->session_limits = (struct session_limits)SESSION_LIMITS_DEFAULT;
    config->defaults =
        (struct engine_definition){.kind = ENGINE_BOUNDED,
                                   .permits = 1,
                                   .max_queue = DEFAULT_MAX_QUEUE,
                                   .max_wait_ms = -1,
                                   .hold_ms = 0};
    config->log_level = LOG_INFO;
    config->log_format = LOG_FORMAT_AUTO;
    config->http_listen = strdup("127.0.0.1:7418");
    if (config->http_listen == NULL || !add_listen(config, "127.0.0.1:7417")) {
        config_destroy(config);
        return NULL;
    }
    return config;
}

/* Reads file, then conf.d beside it. */
static bool read_files(struct config *config, const char *file,
                       char error[CONFIG_ERROR_BYTES])
{
    const char *slash = strrchr(file, '/');
    char pattern[4096];
    glob_t found = {0};
    bool is_read = config_read_file(config, file, error);

    (void)snprintf(pattern, sizeof(pattern), "%.*sconf.d/*.yaml",
                   slash == NULL ? 0 : (int)(slash + 1 - file), file);
    if (is_read && glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; is_read && i < found.gl_pathc; i++) {
            is_read = config_read_file(config, found.gl_pathv[i], error);
        }
    }
    globfree(&found);
    return is_read;
}

static bool apply_flags(struct config *config, const struct config_flags *flags,
                        char error[CONFIG_ERROR_BYTES])
{
    if (flags->listen_count > 0) {
        clear_listen(config);
    }
    for (size_t i = 0; i < flags->listen_count; i++) {
        if (!add_listen(config, flags->listen[i])) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "--listen: no memory");
            return false;
        }
    }
    return flags->http_listen == NULL ||
           set_address(&config->http_listen, flags->http_listen, error);
}

static bool check_addresses(const struct config *config,
                            char error[CONFIG_ERROR_BYTES])
{
    char reason[LISTENER_TEXT_BYTES];

    for (size_t i = 0; i <= config->listen_count; i++) {
        bool is_http = i == config->listen_count;
        const char *address = is_http ? config->http_listen : config->listen[i];
        if (address != NULL &&
            !listener_check(address, config->insecure_listen, reason)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "%s: %s",
                           is_http ? "http.listen" : "listen", reason);
            return false;
        }
    }
    return true;
}

static bool check_session(struct config *config, char error[CONFIG_ERROR_BYTES])
{
    if (config->session_timeout_ms == 0) {
        config->session_timeout_ms =
            SESSION_TIMEOUT_FACTOR * config->heartbeat_ms;
    }
    if (config->session_timeout_ms < 2 * config->heartbeat_ms) {
        (void)snprintf(error, CONFIG_ERROR_BYTES,
                       "session.timeout: must be at least twice "
                       "session.heartbeat, for one Ping may come late");
        return false;
    }
    return true;
}

bool config_load(const struct config_flags *flags, struct config **ret_config,
                 char error[CONFIG_ERROR_BYTES])
{
    struct config *config = config_create();
    const char *listen = getenv("PERMITD_LISTEN");

    if (config == NULL) {
        (void)snprintf(error, CONFIG_ERROR_BYTES, "no memory");
        return false;
    }
    if (flags->file != NULL && !read_files(config, flags->file, error)) {
        goto fail;
    }
    if (listen != NULL) {
        clear_listen(config);
        if (!add_listen(config, listen)) {
            (void)snprintf(error, CONFIG_ERROR_BYTES, "no memory");
            goto fail;
        }
    }
    if (!read_environment(config, error) ||
        !apply_flags(config, flags, error) || !check_session(config, error) ||
        !check_addresses(config, error)) {
        goto fail;
    }
    *ret_config = config;
    return true;
fail:
    config_destroy(config);
    return false;
}

void config_destroy(struct config *config)
{
    if (config == NULL) {
        return;
    }
    clear_listen(config);
    for (size_t i = 0; i < config->http_allowed_hosts_count; i++) {
        free(config->http_allowed_hosts[i]);
    }
    for (size_t i = 0; i < config->semaphores_count; i++) {
        free(config->semaphores[i].name);
    }
    free(config->semaphores);
    free(config->http_listen);
    free(config);
}
