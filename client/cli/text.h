/* SPDX-License-Identifier: MIT */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

/* Text for people: what peers say made harmless, ages, tables.
 *
 * Law: no control character of a peer's text ever reaches the terminal. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A text of at most 128 bytes, escaped, with its NUL. */
#define TEXT_ESCAPED_BYTES 513
#define TEXT_AGE_BYTES 32

/* Writes `text` to `buffer` of `bytes`, cut if it must be: control characters
 * and what is not UTF-8 as \xNN. Returns buffer. */
char *text_escape(char *buffer, size_t bytes, const char *text);

/* Writes "12s", "1m23s", "2h05m" or "3d04h", or "-" if ms < 0. Returns buffer.
 */
char *text_age(char *buffer, size_t bytes, int64_t ms);

/* Writes how long to wait: "0.25s", and from 10 seconds on an age. Returns
 * buffer. */
char *text_delay(char *buffer, size_t bytes, int64_t ms);

/* Colour: a terminal, and nobody said NO_COLOR. */
bool text_may_colour(FILE *file);

/* A table: its columns' names, then rows of as many cells. */
struct text_table;

/* `columns` is borrowed for the table's life; a name that begins with '>' has
 * its column to the right. NULL without memory. */
struct text_table *text_table_create(const char *const *columns, size_t count);
void text_table_destroy(struct text_table *table);

/* Adds a cell, row by row; the text is escaped. Without memory the table is
 * spoiled, and printing it fails. */
void text_table_add(struct text_table *table, const char *text);

/* Prints it, columns aligned. Returns false if it lacked memory. */
bool text_table_print(const struct text_table *table, FILE *file);

#endif
