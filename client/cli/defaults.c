/* SPDX-License-Identifier: MIT */
#include "defaults.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options_read.h"
#include "options_take.h"
#include "yaml.h"

static const struct {
    const char *name;
    int option;
    const char *variable; /* Wins over it. */
} keys[] = {{"server", 's', "PERMIT_SERVER"},
            {"name", OPTION_NAME, "PERMIT_CLIENT_NAME"},
            {"progress", OPTION_PROGRESS, NULL},
            {"progress_interval", OPTION_PROGRESS_INTERVAL, NULL},
            {"kill_after", OPTION_KILL_AFTER, NULL},
            {"on_lost", OPTION_ON_LOST, NULL},
            {"on_unreachable", OPTION_ON_UNREACHABLE, NULL}};
#define KEYS_COUNT (sizeof(keys) / sizeof(*keys))
#define NO_FILE (-1) /* Beside the errnos. */

struct defaults {
    char *values[KEYS_COUNT]; /* NULL: not in the file. */
};

struct schema {
    cyaml_schema_field_t fields[KEYS_COUNT + 1];
    cyaml_schema_value_t root;
};

/* Every value is a text: the options know how to read it. */
static void schema_init(struct schema *schema)
{
    memset(schema, 0, sizeof(*schema));
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        schema->fields[i] = (cyaml_schema_field_t){
            .key = keys[i].name,
            .data_offset = (uint32_t)(i * sizeof(char *)),
            .value = {.type = CYAML_STRING,
                      .flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                      .data_size = sizeof(char),
                      .string = {.min = 0, .max = CYAML_UNLIMITED}}};
    }
    schema->root =
        (cyaml_schema_value_t){.type = CYAML_MAPPING,
                               .flags = CYAML_FLAG_POINTER,
                               .data_size = sizeof(struct defaults),
                               .mapping = {.fields = schema->fields}};
}

/* Returns false if there is none: nobody said where, or the path is too long to
 * be one. */
static bool find_path(char *path, size_t bytes)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int length = 0;

    if (config != NULL && *config == '/') { /* The standard: else ignored. */
        length = snprintf(path, bytes, "%s/permit/config.yaml", config);
    } else if (home != NULL && *home != '\0') {
        length = snprintf(path, bytes, "%s/.config/permit/config.yaml", home);
    }
    return length > 0 && (size_t)length < bytes;
}

/* Returns 0, ENOENT if it is not there, the errno of what is wrong, or NO_FILE:
 * a pipe, say, would be waited for. */
static int look_at(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat about;
    int error = 0;

    if (file < 0) {
        return errno == ENOTDIR ? ENOENT : errno;
    }
    if (fstat(file, &about) < 0) {
        error = errno;
    } else if (!S_ISREG(about.st_mode)) {
        error = NO_FILE;
    }
    (void)close(file);
    return error;
}

static bool apply(struct options *options, const struct defaults *defaults,
                  const char *path)
{
    char wrong[sizeof(options->error)];

    for (size_t i = 0; i < KEYS_COUNT; i++) {
        const char *variable =
            keys[i].variable == NULL ? NULL : getenv(keys[i].variable);

        if (defaults->values[i] != NULL &&
            (variable == NULL || *variable == '\0')) {
            (void)options_take(options, keys[i].option, defaults->values[i]);
        }
        if (options->error[0] != '\0') {
            assert(strchr(options->error, ':') != NULL);
            /* "--on-lost: ..." becomes "FILE: on_lost: ...". */
            (void)snprintf(wrong, sizeof(wrong), "%s",
                           strchr(options->error, ':'));
            (void)snprintf(options->error, sizeof(options->error),
                           "%.250s: %s%.200s", path, keys[i].name, wrong);
            return false;
        }
    }
    return true;
}

bool defaults_load(struct options *options, struct defaults **ret_defaults)
{
    char path[PATH_MAX];
    struct yaml_complaint complaint;
    struct schema schema;
    void *data = NULL;
    int error = find_path(path, sizeof(path)) ? look_at(path) : ENOENT;

    *ret_defaults = NULL;
    if (error == ENOENT) {
        return true;
    }
    if (error != 0) {
        (void)options_refuse(options, "%.250s: %s", path,
                             error == NO_FILE ? "not a regular file"
                                              : strerror(error));
        return false;
    }
    schema_init(&schema);
    if (!yaml_load(path, &schema.root, &data, &complaint)) {
        (void)options_refuse(
            options, "%.250s: %.40s%s%.150s", path, complaint.place,
            complaint.place[0] == '\0' ? "" : ": ", complaint.reason);
        return false;
    }
    *ret_defaults = data;
    /* An empty file has no data. */
    return data == NULL || apply(options, data, path);
}

void defaults_destroy(struct defaults *defaults)
{
    struct schema schema;

    schema_init(&schema);
    yaml_free(&schema.root, defaults);
}
