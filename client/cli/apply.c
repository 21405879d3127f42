/* SPDX-License-Identifier: MIT */
/* `permit export` and `apply`. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "definitions.h"
#include "exit_code.h"
#include "json.h"
#include "report.h"

/* ------------------------------------------------------------------ export */

/* Returns false without memory. What a template made is not defined by itself.
 */
static bool take_rows(const struct permit_list *list,
                      struct definitions *definitions)
{
    size_t count = permit_list_count(list);

    definitions->rows = calloc(count + 1, sizeof(*definitions->rows));
    for (size_t i = 0; definitions->rows != NULL && i < count; i++) {
        const struct permit_semaphore_info *info =
            permit_list_semaphore(list, i);

        if (info->template_name[0] == '\0') {
            definition_of(info, &definitions->rows[definitions->count++]);
        }
    }
    return definitions->rows != NULL;
}

static int print_rows(const struct options *options,
                      const struct permit_list *list)
{
    struct definitions definitions = {NULL, 0};
    int code = EX_OK;

    if (!take_rows(list, &definitions)) {
        return report_status(options, NULL, PERMIT_E_NOMEM);
    }
    if (options->json) {
        code = report_json(options, definitions_json(&definitions));
    } else if (!definitions_save(&definitions, stdout)) {
        report_error(options, "output", "cannot write to stdout");
        code = EX_IOERR;
    }
    definitions_deinit(&definitions);
    return code;
}

int export_command(const struct options *options)
{
    struct permit_client *client;
    struct permit_list *list = NULL;
    enum permit_status status = report_connect(options, &client);
    char prefix[WIRE_NAME_BYTES_MAX + 1];
    int code;

    if (status != PERMIT_OK) {
        return exit_code_of(status);
    }
    options_prefix(options, prefix);
    code = report_status(options, client,
                         options->semaphore == NULL || options->is_prefix
                             ? permit_list_semaphores(client, prefix, &list)
                             : permit_query(client, options->semaphore, &list));
    if (code == 0) {
        code = print_rows(options, list);
    }
    permit_list_destroy(list);
    permit_client_destroy(client);
    return code;
}

/* ------------------------------------------------------------------- apply */

struct apply {
    const struct options *options;
    struct permit_client *client;
    const struct permit_list *list; /* By name, in bytes. */
    cJSON *changed;                 /* Rows, told with --json. */
    size_t unchanged_count;
    int code; /* Of the first that failed. */
};

/* Returns the semaphore as it is, or NULL if it is not there, or only for as
 * long as its template keeps it. */
static const struct permit_semaphore_info *find(const struct permit_list *list,
                                                const char *name)
{
    size_t from = 0;
    size_t to = permit_list_count(list);

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct permit_semaphore_info *info =
            permit_list_semaphore(list, middle);
        int order = strcmp(name, info->name);

        if (order == 0) {
            return info->template_name[0] == '\0' ? info : NULL;
        }
        from = order > 0 ? middle + 1 : from;
        to = order < 0 ? middle : to;
    }
    return NULL;
}

/* One key of a definition that is to be another than it was. */
struct change {
    const char *key;
    const char *before; /* NULL: the semaphore is not there. */
    const char *after;
    char before_text[DEFINITIONS_TEXT_BYTES];
    char after_text[DEFINITIONS_TEXT_BYTES];
};

/* Looks for the next one from *key on, and moves *key behind it. */
static bool next_change(const struct definition *definition,
                        const struct definition *was, size_t *key,
                        struct change *ret_change)
{
    struct change *change = ret_change;

    for (; definition_key(*key) != NULL; (*key)++) {
        change->key = definition_key(*key);
        change->before = was == NULL
                             ? NULL
                             : definition_value(was, *key, change->before_text);
        change->after = definition_value(definition, *key, change->after_text);
        if (change->after != NULL &&
            (change->before == NULL ||
             strcmp(change->before, change->after) != 0)) {
            (*key)++;
            return true;
        }
    }
    return false;
}

static void tell_words(const struct apply *apply,
                       const struct definition *definition,
                       const struct definition *was)
{
    const char *separator = "";
    struct change change;
    size_t key = 0;

    (void)printf("%s: %s", definition->name,
                 was != NULL               ? ""
                 : apply->options->dry_run ? "would be made"
                                           : "made");
    while (was != NULL && next_change(definition, was, &key, &change)) {
        (void)printf("%s%s %s -> %s", separator, change.key,
                     change.before == NULL ? "-" : change.before, change.after);
        separator = ", ";
    }
    (void)printf("\n");
}

/* Returns false without memory. */
static bool tell_json(const struct apply *apply,
                      const struct definition *definition,
                      const struct definition *was)
{
    cJSON *row = cJSON_CreateObject();
    cJSON *changes;
    struct change change;
    size_t key = 0;
    bool is_told;

    if (!cJSON_AddItemToArray(apply->changed, row)) { /* If it is NULL. */
        return false;
    }
    is_told = json_add_text(row, "name", definition->name) &&
              cJSON_AddBoolToObject(row, "made", was == NULL) != NULL;
    changes = cJSON_AddObjectToObject(row, "changes");
    while (is_told && next_change(definition, was, &key, &change)) {
        cJSON *object = cJSON_AddObjectToObject(changes, change.key);

        is_told = (change.before == NULL
                       ? cJSON_AddNullToObject(object, "from") != NULL
                       : json_add_text(object, "from", change.before)) &&
                  json_add_text(object, "to", change.after);
    }
    return is_told;
}

static void apply_one(struct apply *apply, const struct definition *definition)
{
    const struct permit_semaphore_info *info =
        find(apply->list, definition->name);
    struct options own = *apply->options;
    struct definition was;
    struct change change;
    size_t key = 0;
    int code = EX_OK;

    if (info != NULL) {
        definition_of(info, &was);
        if (!next_change(definition, &was, &key, &change)) {
            apply->unchanged_count++;
            return;
        }
    }
    own.semaphore = definition->name; /* Of what is said. */
    if (!own.dry_run) {
        code = report_status(&own, apply->client,
                             permit_define(apply->client, definition->name,
                                           &definition->fields));
    }
    if (code == EX_OK && !own.json && !own.quiet) {
        tell_words(apply, definition, info == NULL ? NULL : &was);
    } else if (code == EX_OK && own.json &&
               !tell_json(apply, definition, info == NULL ? NULL : &was)) {
        code = report_status(&own, NULL, PERMIT_E_NOMEM);
    }
    apply->code = apply->code == EX_OK ? code : apply->code;
}

/* Does it, and tells; what fails does not keep the others from it. */
static int apply_all(struct apply *apply, const struct definitions *definitions)
{
    const struct options *options = apply->options;
    cJSON *object = cJSON_CreateObject();
    int code;

    if (cJSON_AddBoolToObject(object, "dry_run", options->dry_run) != NULL) {
        apply->changed = cJSON_AddArrayToObject(object, "changed");
    }
    if (apply->changed == NULL) {
        cJSON_Delete(object);
        return report_status(options, NULL, PERMIT_E_NOMEM);
    }
    for (size_t i = 0; i < definitions->count; i++) {
        apply_one(apply, &definitions->rows[i]);
    }
    if (!options->json) {
        report_note(options, true, "%zu as they were", apply->unchanged_count);
        cJSON_Delete(object);
        return apply->code;
    }
    if (cJSON_AddNumberToObject(object, "unchanged",
                                (double)apply->unchanged_count) == NULL) {
        cJSON_Delete(object);
        object = NULL;
    }
    code = report_json(options, object);
    return apply->code == EX_OK ? code : apply->code;
}

static int apply_connected(const struct options *options,
                           const struct definitions *definitions)
{
    struct permit_list *list = NULL;
    struct apply apply = {.options = options};
    enum permit_status status = report_connect(options, &apply.client);
    int code;

    if (status != PERMIT_OK) {
        return exit_code_of(status);
    }
    code = report_status(options, apply.client,
                         permit_list_semaphores(apply.client, "", &list));
    if (code == EX_OK) {
        apply.list = list;
        code = apply_all(&apply, definitions);
    }
    permit_list_destroy(list);
    permit_client_destroy(apply.client);
    return code;
}

int apply_command(const struct options *options)
{
    struct definitions definitions;
    struct options own = *options;
    int code;

    if (!definitions_load(&own, options->file, &definitions)) {
        report_error(options, "config", "%s", own.error);
        return EX_CONFIG;
    }
    code = apply_connected(options, &definitions);
    definitions_deinit(&definitions);
    return code;
}
