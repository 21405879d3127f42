/* SPDX-License-Identifier: MIT */
#include "server_private.h"

#include "log.h"

/* The server's own events are rare and wait for nobody: what work the engine
 * has left is done first. */
void server_apply(struct server *server, const struct engine_event *event)
{
    while (sessions_have_work(server->sessions)) {
        sessions_continue(server->sessions);
    }
    sessions_apply(server->sessions, event);
    while (sessions_have_work(server->sessions)) {
        sessions_continue(server->sessions);
    }
}

static void define(struct server *server,
                   const struct config_semaphore *semaphore)
{
    struct engine_event event = {.type = ENGINE_DEFINE,
                                 .now_ns = clock_now_ns(&server->clock)};
    const char *detail = NULL;

    event.define.semaphore = semaphore->name;
    event.define.definition = semaphore->definition;
    server_apply(server, &event);
    if (sessions_own_answer(server->sessions, &detail) != PERMIT_OK) {
        log_event(LOG_ERR, "semaphore_refused", "name=%s reason=\"%s\"",
                  semaphore->name, detail == NULL ? "" : detail);
    }
}

/* Names the semaphores that stay though their entries are gone. */
static void tell_left(const struct config *before, const struct config *after)
{
    for (size_t i = 0; i < before->semaphores_count; i++) {
        const char *name = before->semaphores[i].name;
        if (config_find(after, name) != NULL) {
            continue;
        }
        log_event(LOG_NOTICE, "semaphore_left",
                  "name=%s why=\"its entry is gone; permit delete removes "
                  "it\"",
                  name);
    }
}

void server_apply_config(struct server *server, const struct config *before,
                         const struct config *after)
{
    char key[CONFIG_KEY_BYTES];
    size_t index = 0;

    for (size_t i = 0; i < after->semaphores_count; i++) {
        const struct config_semaphore *semaphore = &after->semaphores[i];
        const struct config_semaphore *former =
            before == NULL ? NULL : config_find(before, semaphore->name);
        if (former == NULL || !config_same_definition(&former->definition,
                                                      &semaphore->definition)) {
            define(server, semaphore);
        }
    }
    if (before == NULL) {
        return;
    }
    tell_left(before, after);
    while (config_next_restart_key(before, after, &index, key)) {
        log_event(LOG_WARNING, "restart_needed", "key=%s", key);
    }
}

void server_reload(struct server *server)
{
    struct config *config;
    char error[CONFIG_ERROR_BYTES];

    if (!config_load(server->flags, &config, error)) {
        server->last_reload_ok = false;
        log_event(LOG_ERR, "reload_failed", "error=\"%s\"", error);
        return;
    }
    server_apply_config(server, server->config, config);
    engine_set_priority_step(server->engine, config->priority_step_ms);
    log_set(config->log_level, server->started->log_format);
    if (server->config != server->started) {
        config_destroy(server->config);
    }
    server->config = config;
    server->last_reload_ok = true;
    server->config_loaded_ms = clock_wall_ms();
    log_event(LOG_INFO, "reloaded", "semaphores=%zu",
              server->config->semaphores_count);
    server_want_turn(server, false);
}
