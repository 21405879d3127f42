/* SPDX-License-Identifier: MIT */
/* `permit status`, `holders` and `waiters`: tables for people, or JSON in the
 * shape of the HTTP endpoint. */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commands.h"
#include "duration.h"
#include "exit_code.h"
#include "json.h"
#include "report.h"
#include "text.h"
#include "wire.h"

/* One kind of list: how to ask for it, and how to show a row. */
struct view {
    const char *key; /* In JSON. */
    const char *const *columns;
    size_t columns_count;
    enum permit_status (*ask)(struct permit_client *client, const char *name,
                              struct permit_list **ret_list);
    cJSON *(*json)(const struct permit_list *list, size_t index);
    void (*row)(struct text_table *table, const struct permit_list *list,
                size_t index);
};

#define COLUMNS(array) array, sizeof(array) / sizeof(*(array))

/* ------------------------------------------------------------------ cells */

static void add_number(struct text_table *table, uint64_t number)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%" PRIu64, number);
    text_table_add(table, text);
}

static void add_age(struct text_table *table, int64_t ms)
{
    char text[TEXT_AGE_BYTES];

    text_table_add(table, text_age(text, sizeof(text), ms));
}

static void add_client(struct text_table *table,
                       const struct permit_client_info *client)
{
    text_table_add(table, client->name);
    text_table_add(table, client->host);
    add_number(table, client->pid);
    text_table_add(table, client->purpose);
    text_table_add(table, client->address);
}

/* ------------------------------------------------------------- semaphores */

static const char *const semaphore_columns[] = {
    "NAME",     "KIND",     ">PERMITS",     ">HELD", ">AVAILABLE",
    ">HOLDERS", ">WAITERS", ">OLDEST WAIT", "STATE"};

static cJSON *semaphore_json(const struct permit_list *list, size_t index)
{
    return json_semaphore(permit_list_semaphore(list, index));
}

/* The words of JSON, where they are chosen. */
static void add_word(struct text_table *table, const cJSON *object,
                     const char *key)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    text_table_add(table, text == NULL ? "?" : text);
}

/* What there is of it, as it was defined. */
static void add_limit(struct text_table *table,
                      const struct permit_semaphore_info *info)
{
    char text[RATE_TEXT_BYTES];

    if (info->kind == PERMIT_RATE) {
        text_table_add(table, rate_print(text, info->rate, info->per_ms));
    } else {
        add_number(table, info->permits);
    }
}

static void add_state(struct text_table *table,
                      const struct permit_semaphore_info *info)
{
    char text[64];
    bool is_template = info->name[strlen(info->name) - 1] == '*';

    (void)snprintf(text, sizeof(text), "%s%s",
                   is_template ? "template" : json_state(info),
                   info->shadow ? ", shadow" : "");
    text_table_add(table, text);
}

static void semaphore_row(struct text_table *table,
                          const struct permit_list *list, size_t index)
{
    const struct permit_semaphore_info *info =
        permit_list_semaphore(list, index);
    cJSON *object = json_semaphore(info);

    text_table_add(table, info->name);
    add_word(table, object, "kind");
    add_limit(table, info);
    add_number(table, info->held);
    add_number(table, info->available);
    add_number(table, info->holders);
    add_number(table, info->waiters);
    add_age(table, info->oldest_wait_ms);
    add_state(table, info);
    cJSON_Delete(object);
}

/* ---------------------------------------------------- holders and waiters */

/* The other semaphores of a grant, or of a waiter. */
static void add_others(struct text_table *table, const char *semaphore,
                       const struct permit_part_info *parts, uint32_t count)
{
    char text[PERMIT_PARTS_MAX * (PERMIT_NAME_BYTES + 12)] = "";
    size_t at = 0;

    for (uint32_t i = 0; i < count && at < sizeof(text); i++) {
        if (strcmp(parts[i].semaphore, semaphore) != 0) {
            at += (size_t)snprintf(text + at, sizeof(text) - at,
                                   "%s%s:%" PRIu32, at == 0 ? "" : " ",
                                   parts[i].semaphore, parts[i].permits);
        }
    }
    text_table_add(table, text[0] == '\0' ? "-" : text);
}

static const char *const holder_columns[] = {"NAME",     "HOST",    ">PID",
                                             "PURPOSE",  "ADDRESS", ">SINCE",
                                             ">PERMITS", "FENCE",   "ALSO"};

static cJSON *holder_json(const struct permit_list *list, size_t index)
{
    return json_holder(permit_list_holder(list, index), clock_wall_ms());
}

static void holder_row(struct text_table *table, const struct permit_list *list,
                       size_t index)
{
    const struct permit_holder_info *info = permit_list_holder(list, index);

    add_client(table, &info->client);
    add_age(table, info->held_ms);
    add_number(table, info->permits);
    add_number(table, info->fence);
    add_others(table, info->semaphore, info->parts, info->parts_count);
}

static const char *set_aside_text(enum permit_set_aside set_aside)
{
    switch (set_aside) {
    case PERMIT_SET_ASIDE_PAUSED:
        return "paused";
    case PERMIT_SET_ASIDE_SHARE:
        return "share";
    case PERMIT_SET_ASIDE_DISCONNECTED:
        return "disconnected";
    case PERMIT_SET_ASIDE_NO:
        break;
    }
    return "-";
}

static const char *const waiter_columns[] = {
    ">POSITION", "NAME",     "HOST",      ">PID",      "PURPOSE", "ADDRESS",
    ">SINCE",    ">PERMITS", ">PRIORITY", "SET ASIDE", "ALSO"};

static cJSON *waiter_json(const struct permit_list *list, size_t index)
{
    return json_waiter(permit_list_waiter(list, index), clock_wall_ms());
}

static void waiter_row(struct text_table *table, const struct permit_list *list,
                       size_t index)
{
    const struct permit_waiter_info *info = permit_list_waiter(list, index);

    add_number(table, info->position);
    add_client(table, &info->client);
    add_age(table, info->waited_ms);
    add_number(table, info->permits);
    add_number(table, info->priority);
    text_table_add(table, set_aside_text(info->set_aside));
    add_others(table, info->semaphore, info->parts, info->parts_count);
}

/* ------------------------------------------------------------------- show */

static const struct view one_view = {NULL, COLUMNS(semaphore_columns),
                                     permit_query, semaphore_json,
                                     semaphore_row};
static const struct view semaphores_view = {
    "semaphores", COLUMNS(semaphore_columns), permit_list_semaphores,
    semaphore_json, semaphore_row};
static const struct view holders_view = {"holders", COLUMNS(holder_columns),
                                         permit_list_holders, holder_json,
                                         holder_row};
static const struct view waiters_view = {"waiters", COLUMNS(waiter_columns),
                                         permit_list_waiters, waiter_json,
                                         waiter_row};

/* Returns NULL without memory. */
static cJSON *list_json(const struct view *view, const struct permit_list *list)
{
    size_t count = permit_list_count(list);
    cJSON *object = cJSON_CreateObject();
    cJSON *rows;

    if (!json_add_time(object, "now", clock_wall_ms()) ||
        cJSON_AddNumberToObject(object, "total", (double)count) == NULL ||
        cJSON_AddNumberToObject(object, "offset", 0) == NULL) {
        goto fail;
    }
    rows = cJSON_AddArrayToObject(object, view->key);
    for (size_t i = 0; rows != NULL && i < count; i++) {
        cJSON *row = view->json(list, i);

        if (row == NULL) {
            goto fail;
        }
        (void)cJSON_AddItemToArray(rows, row); /* Fails on NULL only. */
    }
    if (rows != NULL) {
        return object;
    }
fail:
    cJSON_Delete(object);
    return NULL;
}

static int print_table(const struct options *options, const struct view *view,
                       const struct permit_list *list)
{
    struct text_table *table =
        text_table_create(view->columns, view->columns_count);
    int code = EX_OK;

    if (table == NULL) {
        return report_status(options, NULL, PERMIT_E_NOMEM);
    }
    for (size_t i = 0; i < permit_list_count(list); i++) {
        view->row(table, list, i);
    }
    if (!text_table_print(table, stdout)) {
        code = report_status(options, NULL, PERMIT_E_NOMEM);
    }
    text_table_destroy(table);
    return code;
}

static int show(const struct options *options, const struct view *view,
                const char *name)
{
    struct permit_client *client;
    struct permit_list *list = NULL;
    enum permit_status status = report_connect(options, &client);
    int code;

    if (status != PERMIT_OK) {
        return exit_code_of(status);
    }
    code = report_status(options, client, view->ask(client, name, &list));
    if (code == 0 && !options->json) {
        code = print_table(options, view, list);
    } else if (code == 0) {
        code = report_json(options, view->key == NULL ? view->json(list, 0)
                                                      : list_json(view, list));
    }
    permit_list_destroy(list);
    permit_client_destroy(client);
    return code;
}

int status_command(const struct options *options)
{
    char prefix[WIRE_NAME_BYTES_MAX + 1];

    if (options->semaphore != NULL && !options->is_prefix) {
        return show(options, &one_view, options->semaphore);
    }
    return show(options, &semaphores_view, options_prefix(options, prefix));
}

int holders_command(const struct options *options)
{
    return show(options, &holders_view, options->semaphore);
}

int waiters_command(const struct options *options)
{
    return show(options, &waiters_view, options->semaphore);
}
