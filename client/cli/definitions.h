/* SPDX-License-Identifier: MIT */
#ifndef CLI_DEFINITIONS_H
#define CLI_DEFINITIONS_H

/* Definitions of semaphores in a file, in the shape of the configuration's
 * `semaphores`. It asks no daemon.
 *
 * Law: what definitions_save() writes, definitions_load() reads as the same;
 * and nothing in a file is ignored. */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "options.h"

#define DEFINITIONS_TEXT_BYTES 64

struct definition {
    char name[WIRE_NAME_BYTES_MAX + 1];
    struct permit_definition fields; /* Those that the file names. */
};

struct definitions {
    struct definition *rows;
    size_t count;
};

/* Reads a file ("-" is stdin). Returns true, with *ret_definitions for
 * definitions_deinit(), by name; or false, and options->error says what is
 * wrong, and where. */
bool definitions_load(struct options *options, const char *file,
                      struct definitions *ret_definitions);

void definitions_deinit(struct definitions *definitions);

/* How a semaphore is defined: all that its kind has. */
void definition_of(const struct permit_semaphore_info *info,
                   struct definition *ret_definition);

/* The key'th key of a definition, from 0; NULL after the last. */
const char *definition_key(size_t key);

/* The value of that key as a file has it, in `text`; NULL if the definition
 * does not name it. */
const char *definition_value(const struct definition *definition, size_t key,
                             char text[DEFINITIONS_TEXT_BYTES]);

/* Returns false without memory, or if it cannot write. */
bool definitions_save(const struct definitions *definitions, FILE *file);

/* The same as JSON, which is YAML, too. Returns NULL without memory. */
cJSON *definitions_json(const struct definitions *definitions);

#endif
