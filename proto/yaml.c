/* SPDX-License-Identifier: MIT */
#include "yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Takes what libcyaml logs of a failure: the reason first, then places from the
 * innermost on. */
__attribute__((format(printf, 3, 0))) static void
on_log(cyaml_log_t level, void *arg, const char *format, va_list arguments)
{
    struct yaml_complaint *complaint = arg;
    const char *place;
    char line[256];

    (void)level; /* Errors only, as config_with() asks. */
    (void)vsnprintf(line, sizeof(line), format, arguments);
    line[strcspn(line, "\n")] = '\0';
    place = strstr(line, "(line:");
    if (place != NULL && complaint->place[0] == '\0') {
        (void)snprintf(complaint->place, sizeof(complaint->place), "%s",
                       place + 1);
        complaint->place[strcspn(complaint->place, ")")] = '\0';
    } else if (place == NULL && complaint->reason[0] == '\0' &&
               strstr(line, "Backtrace") == NULL) {
        bool has_prefix = strncmp(line, "Load: ", 6) == 0;
        (void)snprintf(complaint->reason, sizeof(complaint->reason), "%s",
                       /* Unreached: libcyaml 1 begins all of these so. */
                       has_prefix ? line + 6 : line);
    }
}

static cyaml_config_t config_with(struct yaml_complaint *complaint)
{
    return (cyaml_config_t){.log_fn = on_log,
                            .log_ctx = complaint,
                            .log_level = CYAML_LOG_ERROR,
                            .mem_fn = cyaml_mem,
                            .flags = CYAML_CFG_NO_ALIAS};
}

bool yaml_load(const char *file, const cyaml_schema_value_t *root,
               void **ret_data, struct yaml_complaint *ret_complaint)
{
    struct yaml_complaint complaint = {{0}, {0}};
    const cyaml_config_t config = config_with(&complaint);
    cyaml_data_t *data = NULL;
    cyaml_err_t result = cyaml_load_file(file, &config, root, &data, NULL);

    if (result == CYAML_OK) {
        *ret_data = data;
        return true;
    }
    if (complaint.reason[0] == '\0') {
        (void)snprintf(complaint.reason, sizeof(complaint.reason), "%s",
                       cyaml_strerror(result));
    }
    *ret_complaint = complaint;
    return false;
}

void yaml_free(const cyaml_schema_value_t *root, void *data)
{
    struct yaml_complaint complaint = {{0}, {0}};
    const cyaml_config_t config = config_with(&complaint);

    (void)cyaml_free(&config, root, data, 0); /* Fails on a bad schema only. */
}
