/* SPDX-License-Identifier: MIT */
#include "definitions.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "json.h"
#include "options_read.h"
#include "options_set.h"
#include "yaml.h"

/* The keys of a row, each an option of `permit set`; a switch has another one
 * for false. */
static const struct {
    const char *name;
    int option;
    int option_off; /* 0: no switch. */
    uint32_t field;
} keys[] = {{"kind", OPTION_KIND, 0, PERMIT_DEFINE_KIND},
            {"permits", OPTION_PERMITS_DEFINED, 0, PERMIT_DEFINE_PERMITS},
            {"rate", OPTION_RATE, 0, PERMIT_DEFINE_RATE},
            {"burst", OPTION_BURST, 0, PERMIT_DEFINE_BURST},
            {"max_queue", OPTION_MAX_QUEUE, 0, PERMIT_DEFINE_MAX_QUEUE},
            {"max_wait", OPTION_MAX_WAIT, 0, PERMIT_DEFINE_MAX_WAIT},
            {"hold", OPTION_HOLD_MAX, 0, PERMIT_DEFINE_HOLD},
            {"bypass", OPTION_BYPASS, 0, PERMIT_DEFINE_BYPASS},
            {"per_session", OPTION_PER_SESSION, 0, PERMIT_DEFINE_PER_SESSION},
            {"slots", OPTION_SLOTS, OPTION_NO_SLOTS, PERMIT_DEFINE_SLOTS},
            {"shadow", OPTION_SHADOW, OPTION_NO_SHADOW, PERMIT_DEFINE_SHADOW},
            {"refuse_hopeless", OPTION_REFUSE_HOPELESS,
             OPTION_NO_REFUSE_HOPELESS, PERMIT_DEFINE_REFUSE_HOPELESS}};
#define KEYS_COUNT (sizeof(keys) / sizeof(*keys))

/* A row as libcyaml has it: texts, NULL where the file does not name the key.
 */
struct row {
    char *name;
    char *values[KEYS_COUNT];
};

struct file {
    struct row *rows;
    unsigned count;
};

struct schema {
    cyaml_schema_field_t row_fields[KEYS_COUNT + 2];
    cyaml_schema_value_t row;
    cyaml_schema_field_t file_fields[2];
    cyaml_schema_value_t root;
};

const char *definition_key(size_t key)
{
    return key < KEYS_COUNT ? keys[key].name : NULL;
}

/* ----------------------------------------------------------------- schema */

static cyaml_schema_field_t text_field(const char *key, size_t offset,
                                       enum cyaml_flag flags)
{
    return (cyaml_schema_field_t){
        .key = key,
        .data_offset = (uint32_t)offset,
        .value = {.type = CYAML_STRING,
                  .flags = CYAML_FLAG_POINTER | flags,
                  .data_size = sizeof(char),
                  .string = {.min = 0, .max = CYAML_UNLIMITED}}};
}

static void schema_init(struct schema *schema)
{
    memset(schema, 0, sizeof(*schema));
    schema->row_fields[0] = text_field("name", offsetof(struct row, name),
                                       CYAML_FLAG_SCALAR_QUOTE_DOUBLE);
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        schema->row_fields[i + 1] = text_field(
            keys[i].name, offsetof(struct row, values) + i * sizeof(char *),
            CYAML_FLAG_OPTIONAL);
    }
    schema->row =
        (cyaml_schema_value_t){.type = CYAML_MAPPING,
                               .data_size = sizeof(struct row),
                               .mapping = {.fields = schema->row_fields}};
    schema->file_fields[0] =
        (cyaml_schema_field_t){.key = "semaphores",
                               .data_offset = offsetof(struct file, rows),
                               .count_offset = offsetof(struct file, count),
                               .count_size = sizeof(unsigned),
                               .value = {.type = CYAML_SEQUENCE,
                                         .flags = CYAML_FLAG_POINTER,
                                         .data_size = sizeof(struct row),
                                         .sequence = {.entry = &schema->row,
                                                      .min = 0,
                                                      .max = CYAML_UNLIMITED}}};
    schema->root =
        (cyaml_schema_value_t){.type = CYAML_MAPPING,
                               .flags = CYAML_FLAG_POINTER,
                               .data_size = sizeof(struct file),
                               .mapping = {.fields = schema->file_fields}};
}

/* ------------------------------------------------------------------- load */

/* Which option a value is; 0 if it is neither true nor false where it must be.
 */
static int option_of(size_t key, const char *value)
{
    if (keys[key].option_off == 0 || strcmp(value, "true") == 0) {
        return keys[key].option;
    }
    return strcmp(value, "false") == 0 ? keys[key].option_off : 0;
}

/* Reads a row with the eyes of `permit set`, whose words name an option:
 * "--max-wait: ...". Here it is the row, and the key. */
static void read_row(struct options *own, const struct row *row,
                     struct definition *definition)
{
    struct options set = *own;
    const char *detail = "";
    const char *key = "name";

    set.definition = (struct permit_definition)PERMIT_DEFINITION_INIT;
    if (wire_check_name(row->name, strlen(row->name), /* template_too= */ true,
                        &detail) != PERMIT_OK) {
        (void)options_refuse(&set, "--name: %s", detail);
    }
    for (size_t i = 0; i < KEYS_COUNT && set.error[0] == '\0'; i++) {
        int option = row->values[i] == NULL ? 0 : option_of(i, row->values[i]);

        key = keys[i].name;
        if (option != 0) {
            (void)options_set_take(&set, option, row->values[i]);
        } else if (row->values[i] != NULL) {
            (void)options_refuse(&set, "--%s: must be true or false", key);
        }
    }
    if (set.error[0] == '\0') {
        key = "kind";
        (void)options_set_check(&set);
    }
    if (set.error[0] != '\0') {
        assert(strstr(set.error, ": ") != NULL);
        (void)options_refuse(own, "%.128s: %s%.300s", row->name, key,
                             strstr(set.error, ": "));
        return;
    }
    (void)snprintf(definition->name, sizeof(definition->name), "%s", row->name);
    definition->fields = set.definition;
}

static int compare_rows(const void *left, const void *right)
{
    return strcmp(((const struct row *)left)->name,
                  ((const struct row *)right)->name);
}

/* Sorts the rows. */
static void check_names(struct options *options, struct file *file)
{
    if (file->count > 0) { /* Else there may be no rows. */
        qsort(file->rows, file->count, sizeof(*file->rows), compare_rows);
    }
    for (unsigned i = 1; i < file->count; i++) {
        if (strcmp(file->rows[i - 1].name, file->rows[i].name) == 0) {
            (void)options_refuse(options, "%.128s is there twice",
                                 file->rows[i].name);
        }
    }
}

/* Takes what libcyaml has read. */
static void read_file(struct options *options, struct file *file,
                      struct definitions *definitions)
{
    definitions->rows =
        calloc((size_t)file->count + 1, sizeof(*definitions->rows));
    if (definitions->rows == NULL) {
        (void)options_refuse(options, "%s", permit_strerror(PERMIT_E_NOMEM));
        return;
    }
    check_names(options, file);
    for (unsigned i = 0; i < file->count && options->error[0] == '\0'; i++) {
        read_row(options, &file->rows[i], &definitions->rows[i]);
        definitions->count++;
    }
}

bool definitions_load(struct options *options, const char *file,
                      struct definitions *ret_definitions)
{
    struct definitions definitions = {NULL, 0};
    struct yaml_complaint complaint;
    char wrong[sizeof(options->error)];
    struct schema schema;
    void *data = NULL;

    schema_init(&schema);
    if (!yaml_load(strcmp(file, "-") == 0 ? "/dev/stdin" : file, &schema.root,
                   &data, &complaint)) {
        (void)options_refuse(
            options, "%.200s: %.80s%s%.200s", file, complaint.place,
            complaint.place[0] == '\0' ? "" : ": ", complaint.reason);
        return false;
    }
    if (data != NULL) { /* An empty file has no data. */
        read_file(options, data, &definitions);
    }
    yaml_free(&schema.root, data);
    if (options->error[0] != '\0') {
        memcpy(wrong, options->error, sizeof(wrong));
        (void)snprintf(options->error, sizeof(options->error), "%.100s: %.400s",
                       file, wrong);
        definitions_deinit(&definitions);
        return false;
    }
    *ret_definitions = definitions;
    return true;
}

void definitions_deinit(struct definitions *definitions)
{
    free(definitions->rows);
    *definitions = (struct definitions){NULL, 0};
}

/* ------------------------------------------------------------------ values */

void definition_of(const struct permit_semaphore_info *info,
                   struct definition *ret_definition)
{
    struct permit_definition fields = PERMIT_DEFINITION_INIT;

    fields.fields = PERMIT_DEFINE_KIND | PERMIT_DEFINE_MAX_QUEUE |
                    PERMIT_DEFINE_MAX_WAIT | PERMIT_DEFINE_HOLD |
                    PERMIT_DEFINE_BYPASS | PERMIT_DEFINE_REFUSE_HOPELESS;
    fields.fields |=
        info->kind == PERMIT_RATE
            ? PERMIT_DEFINE_RATE | PERMIT_DEFINE_PER | PERMIT_DEFINE_BURST
            : PERMIT_DEFINE_PERMITS | PERMIT_DEFINE_PER_SESSION;
    fields.fields |= info->kind == PERMIT_BOUNDED ? PERMIT_DEFINE_SLOTS : 0;
    fields.fields |= info->kind == PERMIT_COUNTING ? 0 : PERMIT_DEFINE_SHADOW;
    fields.kind = info->kind;
    fields.permits = info->permits;
    fields.rate = info->rate;
    fields.per_ms = info->per_ms;
    fields.burst = info->burst;
    fields.max_queue =
        info->max_queue < UINT32_MAX ? (uint32_t)info->max_queue : UINT32_MAX;
    fields.max_wait_ms = info->max_wait_ms;
    fields.hold_ms = info->hold_ms;
    fields.bypass = info->bypass;
    fields.per_session = info->per_session;
    fields.slots = info->slots;
    fields.shadow = info->shadow;
    fields.refuse_hopeless = info->refuse_hopeless;
    (void)snprintf(ret_definition->name, sizeof(ret_definition->name), "%s",
                   info->name);
    ret_definition->fields = fields;
}

static const char *kind_text(enum permit_kind kind)
{
    return kind == PERMIT_RATE       ? "rate"
           : kind == PERMIT_COUNTING ? "counting"
                                     : "bounded";
}

static const char *number_text(char text[DEFINITIONS_TEXT_BYTES],
                               uint32_t number)
{
    (void)snprintf(text, DEFINITIONS_TEXT_BYTES, "%" PRIu32, number);
    return text;
}

static const char *switch_text(bool is_on)
{
    return is_on ? "true" : "false";
}

const char *definition_value(const struct definition *definition, size_t key,
                             char text[DEFINITIONS_TEXT_BYTES])
{
    const struct permit_definition *fields = &definition->fields;

    assert(key < KEYS_COUNT);
    if ((fields->fields & keys[key].field) == 0) {
        return NULL;
    }
    switch ((enum permit_define_field)keys[key].field) {
    case PERMIT_DEFINE_KIND:
        return kind_text(fields->kind);
    case PERMIT_DEFINE_PERMITS:
        return number_text(text, fields->permits);
    case PERMIT_DEFINE_RATE:
    case PERMIT_DEFINE_PER:
        return rate_print(text, fields->rate, fields->per_ms);
    case PERMIT_DEFINE_BURST:
        return number_text(text, fields->burst);
    case PERMIT_DEFINE_MAX_QUEUE:
        return number_text(text, fields->max_queue);
    case PERMIT_DEFINE_MAX_WAIT:
        return duration_print(text, fields->max_wait_ms);
    case PERMIT_DEFINE_HOLD:
        return duration_print(text, fields->hold_ms == 0 ? DURATION_INF
                                                         : fields->hold_ms);
    case PERMIT_DEFINE_BYPASS:
        return number_text(text, fields->bypass);
    case PERMIT_DEFINE_PER_SESSION:
        return fields->per_session == 0
                   ? "inf"
                   : number_text(text, fields->per_session);
    case PERMIT_DEFINE_SLOTS:
        return switch_text(fields->slots);
    case PERMIT_DEFINE_SHADOW:
        return switch_text(fields->shadow);
    case PERMIT_DEFINE_REFUSE_HOPELESS:
        return switch_text(fields->refuse_hopeless);
    }
    return NULL;
}

/* -------------------------------------------------------------------- save */

/* Fills a row of its own memory. Returns false without any. */
static bool fill_row(struct row *row, const struct definition *definition)
{
    char text[DEFINITIONS_TEXT_BYTES];
    bool is_filled;

    row->name = strdup(definition->name);
    is_filled = row->name != NULL;
    for (size_t i = 0; i < KEYS_COUNT && is_filled; i++) {
        const char *value = definition_value(definition, i, text);

        row->values[i] = value == NULL ? NULL : strdup(value);
        is_filled = value == NULL || row->values[i] != NULL;
    }
    return is_filled;
}

static bool write_rows(struct file *rows, FILE *file)
{
    const cyaml_config_t config = {.mem_fn = cyaml_mem,
                                   .flags = CYAML_CFG_STYLE_BLOCK};
    struct schema schema;
    char *text = NULL;
    size_t length = 0;
    bool is_written;

    schema_init(&schema);
    if (cyaml_save_data(&text, &length, &config, &schema.root, rows, 0) !=
        CYAML_OK) {
        return false;
    }
    is_written = fwrite(text, 1, length, file) == length;
    free(text);
    return is_written && fflush(file) == 0;
}

bool definitions_save(const struct definitions *definitions, FILE *file)
{
    struct file rows = {.rows =
                            calloc(definitions->count + 1, sizeof(*rows.rows)),
                        .count = (unsigned)definitions->count};
    bool is_saved = rows.rows != NULL;

    for (size_t i = 0; i < definitions->count && is_saved; i++) {
        is_saved = fill_row(&rows.rows[i], &definitions->rows[i]);
    }
    is_saved = is_saved && write_rows(&rows, file);
    for (size_t i = 0; rows.rows != NULL && i < definitions->count; i++) {
        free(rows.rows[i].name);
        for (size_t k = 0; k < KEYS_COUNT; k++) {
            free(rows.rows[i].values[k]);
        }
    }
    free(rows.rows);
    return is_saved;
}

static bool add_value(cJSON *object, size_t key, const char *value)
{
    if (keys[key].option_off != 0) {
        return cJSON_AddBoolToObject(object, keys[key].name,
                                     strcmp(value, "true") == 0) != NULL;
    }
    return value[strspn(value, "0123456789")] == '\0'
               ? cJSON_AddNumberToObject(object, keys[key].name,
                                         strtod(value, NULL)) != NULL
               : json_add_text(object, keys[key].name, value);
}

static bool add_row(cJSON *rows, const struct definition *definition)
{
    char text[DEFINITIONS_TEXT_BYTES];
    cJSON *object = cJSON_CreateObject();
    bool is_added;

    if (!cJSON_AddItemToArray(rows, object)) { /* If either is NULL. */
        cJSON_Delete(object);
        return false;
    }
    is_added = json_add_text(object, "name", definition->name);
    for (size_t i = 0; i < KEYS_COUNT && is_added; i++) {
        const char *value = definition_value(definition, i, text);

        is_added = value == NULL || add_value(object, i, value);
    }
    return is_added;
}

cJSON *definitions_json(const struct definitions *definitions)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *rows = cJSON_AddArrayToObject(object, "semaphores");
    bool is_added = rows != NULL;

    for (size_t i = 0; i < definitions->count && is_added; i++) {
        is_added = add_row(rows, &definitions->rows[i]);
    }
    if (!is_added) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}
