/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "address.h"
#include "clock.h"
#include "local_limit.h"
#include "memory.h"
#include "sized.h"

#define LOG_BYTES 1024

static enum permit_status refuse(char *error, size_t error_bytes,
                                 enum permit_status status, const char *text)
{
    if (error != NULL && error_bytes > 0) {
        (void)snprintf(error, error_bytes, "%s", text);
    }
    return status;
}

static const char *or_environment(const char *given, const char *variable,
                                  const char *otherwise)
{
    if (given == NULL) {
        given = getenv(variable);
        given = given != NULL && *given != '\0' ? given : otherwise;
    }
    return given;
}

/* Who runs this process, for people: $USER is not set everywhere. */
static void user_name(char *name, size_t bytes)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char room[1024];

    if (getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) == 0 &&
        found != NULL) {
        (void)snprintf(name, bytes, "%s", entry.pw_name);
    } else {
        (void)snprintf(name, bytes, "%u", (unsigned)geteuid());
    }
}

/* Names are for people only: what is not to be had is left out. */
static void take_names(struct settings *settings, const char *name,
                       const char *purpose)
{
    char user[WIRE_TEXT_BYTES_MAX + 1];

    (void)gethostname(settings->host, sizeof(settings->host) - 1);
    (void)snprintf(settings->purpose, sizeof(settings->purpose), "%s", purpose);
    if (*name != '\0') {
        (void)snprintf(settings->name, sizeof(settings->name), "%s", name);
        return;
    }
    user_name(user, sizeof(user));
    (void)snprintf(settings->name, sizeof(settings->name), "%.48s@%.64s:%d",
                   user, settings->host, (int)getpid());
}

static uint64_t take_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) < 0) {
        /* A machine that has just started: not all of them do at once. */
        seed = (uint64_t)clock_now_ns() ^ (uint64_t)getpid() << 48;
    }
    return seed;
}

static enum permit_status check(const struct permit_options *options,
                                const char *name, const char *servers,
                                char *text, size_t text_bytes)
{
    const struct permit_allocator *allocator = options->allocator;

    if (options->connect_timeout_ms <= 0 || options->answer_timeout_ms <= 0) {
        return refuse(text, text_bytes, PERMIT_E_INVALID,
                      "a time-out is at least 1");
    }
    if (options->linger_ms < 0 || options->heartbeat_ms < 0) {
        return refuse(text, text_bytes, PERMIT_E_INVALID,
                      "linger_ms and heartbeat_ms are at least 0");
    }
    if (options->local_permits < -1 || options->local_permits > INT32_MAX) {
        return refuse(text, text_bytes, PERMIT_E_INVALID,
                      "local_permits is from -1 to 2147483647");
    }
    if (strlen(name) > WIRE_TEXT_BYTES_MAX ||
        (options->purpose != NULL &&
         strlen(options->purpose) > WIRE_TEXT_BYTES_MAX)) {
        return refuse(text, text_bytes, PERMIT_E_INVALID,
                      "name and purpose have at most 128 bytes");
    }
    if (allocator != NULL &&
        (allocator->alloc == NULL || allocator->free == NULL)) {
        return refuse(text, text_bytes, PERMIT_E_INVALID,
                      "an allocator has both alloc and free");
    }
    return address_check(servers, text, text_bytes);
}

enum permit_status settings_init(const struct permit_options *options,
                                 struct settings *ret_settings, char *error,
                                 size_t error_bytes)
{
    struct permit_options own = PERMIT_OPTIONS_INIT;
    struct settings settings = {.allocator = memory_default};
    enum permit_status status = PERMIT_OK;
    const char *servers;
    const char *name;
    char text[ADDRESS_BYTES_MAX + 128] = "";

    if (options != NULL) {
        status = sized_copy(&own, sizeof(own), options, sizeof(own));
    }
    if (status != PERMIT_OK) {
        return refuse(error, error_bytes, status,
                      status == PERMIT_E_INVALID
                          ? "start from PERMIT_OPTIONS_INIT"
                          : "an option is newer than this library");
    }
    servers =
        or_environment(own.server, "PERMIT_SERVER", PERMIT_DEFAULT_SERVER);
    name = or_environment(own.name, "PERMIT_CLIENT_NAME", "");
    status = check(&own, name, servers, text, sizeof(text));
    if (status != PERMIT_OK) {
        return refuse(error, error_bytes, status, text);
    }
    if (own.allocator != NULL) {
        settings.allocator = *own.allocator;
    }
    settings.servers =
        memory_take_buffer(&settings.allocator, strlen(servers) + 1);
    if (settings.servers == NULL) {
        return refuse(error, error_bytes, PERMIT_E_NOMEM, "out of memory");
    }
    memcpy(settings.servers, servers, strlen(servers) + 1);
    take_names(&settings, name, own.purpose != NULL ? own.purpose : "");
    settings.connect_timeout_ms = own.connect_timeout_ms;
    settings.answer_timeout_ms = own.answer_timeout_ms;
    settings.linger_ms = own.linger_ms;
    settings.heartbeat_ms = own.heartbeat_ms;
    settings.local_permits =
        own.local_permits < 0 ? LOCAL_LIMIT_NONE : (uint32_t)own.local_permits;
    if (own.end != NULL) {
        settings.end = *own.end;
    }
    settings.seed = take_seed();
    settings.log = own.log;
    settings.log_arg = own.log_arg;
    *ret_settings = settings;
    return PERMIT_OK;
}

void settings_deinit(struct settings *settings)
{
    memory_give(&settings->allocator, settings->servers);
    settings->servers = NULL;
}

struct core_options settings_core_options(const struct settings *settings)
{
    return (struct core_options){.name = settings->name,
                                 .host = settings->host,
                                 .purpose = settings->purpose,
                                 .pid = (uint64_t)getpid(),
                                 .answer_timeout_ms =
                                     settings->answer_timeout_ms,
                                 .end = &settings->end,
                                 .heartbeat_ms = settings->heartbeat_ms,
                                 .linger_ms = settings->linger_ms,
                                 .allocator = &settings->allocator};
}

void settings_log(const struct settings *settings, enum permit_log_level level,
                  const char *format, ...)
{
    char text[LOG_BYTES];
    va_list arguments;

    if (settings->log == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    settings->log(settings->log_arg, level, text);
}
