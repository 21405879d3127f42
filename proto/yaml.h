/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_YAML_H
#define PERMIT_YAML_H

/* One YAML file by a schema of libcyaml: the daemon's configuration, and the
 * command line's defaults. It knows the shape only; what a value means is its
 * caller's.
 *
 * Law: no aliases, so a small file cannot become much memory. */

#include <stdbool.h>

#include <cyaml/cyaml.h>

/* What is wrong with a file. */
struct yaml_complaint {
    char reason[256];
    char place[128]; /* "line: 3, column: 5", or "". */
};

/* Reads the file. Returns true and sets *ret_data, to be freed with yaml_free()
 * (NULL for an empty file); or false with *ret_complaint. */
bool yaml_load(const char *file, const cyaml_schema_value_t *root,
               void **ret_data, struct yaml_complaint *ret_complaint);

/* Accepts NULL. */
void yaml_free(const cyaml_schema_value_t *root, void *data);

#endif
