/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns the length of the printable UTF-8 character at text, 0 if there is
 * none: no controls (C0, DEL, C1), no overlong forms, no surrogates, none of
 * the marks that turn the direction of writing. */
static size_t printable_bytes(const unsigned char *text)
{
    uint32_t code;
    size_t length;

    if (text[0] < 0x80) {
        return text[0] >= 0x20 && text[0] != 0x7f ? 1 : 0;
    }
    if (text[0] < 0xc2 || text[0] > 0xf4) {
        return 0;
    }
    length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    code = text[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < 0xa0 || (length == 3 && code < 0x800) ||
        (length == 4 && (code < 0x10000 || code > 0x10ffff)) ||
        (code >= 0xd800 && code < 0xe000) ||
        (code >= 0x200b && code <= 0x200f) ||
        (code >= 0x2028 && code <= 0x202e) ||
        (code >= 0x2066 && code <= 0x2069)) {
        return 0;
    }
    return length;
}

char *text_escape(char *buffer, size_t bytes, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = (const unsigned char *)text;
    size_t at = 0;

    assert(bytes > 0);
    while (*from != '\0') {
        size_t length = printable_bytes(from);

        if (at + (length == 0 ? 4 : length) >= bytes) {
            break;
        }
        if (length == 0) {
            buffer[at++] = '\\';
            buffer[at++] = 'x';
            buffer[at++] = digits[*from >> 4];
            buffer[at++] = digits[*from & 0xf];
            from++;
        } else {
            memcpy(buffer + at, from, length);
            at += length;
            from += length;
        }
    }
    buffer[at] = '\0';
    return buffer;
}

char *text_age(char *buffer, size_t bytes, int64_t ms)
{
    int64_t seconds = ms / 1000;

    if (ms < 0) {
        (void)snprintf(buffer, bytes, "-");
    } else if (seconds < 60) {
        (void)snprintf(buffer, bytes, "%" PRId64 "s", seconds);
    } else if (seconds < 3600) {
        (void)snprintf(buffer, bytes, "%" PRId64 "m%02" PRId64 "s",
                       seconds / 60, seconds % 60);
    } else if (seconds < 86400) {
        (void)snprintf(buffer, bytes, "%" PRId64 "h%02" PRId64 "m",
                       seconds / 3600, seconds / 60 % 60);
    } else {
        (void)snprintf(buffer, bytes, "%" PRId64 "d%02" PRId64 "h",
                       seconds / 86400, seconds / 3600 % 24);
    }
    return buffer;
}

char *text_delay(char *buffer, size_t bytes, int64_t ms)
{
    if (ms >= 10000) {
        return text_age(buffer, bytes, ms);
    }
    (void)snprintf(buffer, bytes, "%.4gs", (double)ms / 1000);
    return buffer;
}

bool text_may_colour(FILE *file)
{
    const char *no_color = getenv("NO_COLOR");

    return (no_color == NULL || *no_color == '\0') && isatty(fileno(file));
}

/* ----------------------------------------------------------------- tables */

struct text_table {
    const char *const *columns;
    size_t columns_count;
    char **cells;
    size_t cells_count;
    size_t capacity;
    bool spoiled;
};

struct text_table *text_table_create(const char *const *columns, size_t count)
{
    struct text_table *table = calloc(1, sizeof(*table));

    if (table != NULL) {
        table->columns = columns;
        table->columns_count = count;
    }
    return table;
}

void text_table_destroy(struct text_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->cells_count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    free(table);
}

void text_table_add(struct text_table *table, const char *text)
{
    char escaped[TEXT_ESCAPED_BYTES];

    if (table->cells_count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
        char **cells = realloc(table->cells, capacity * sizeof(*cells));

        if (cells == NULL) {
            table->spoiled = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    table->cells[table->cells_count] =
        strdup(text_escape(escaped, sizeof(escaped), text));
    if (table->cells[table->cells_count] == NULL) {
        table->spoiled = true;
        return;
    }
    table->cells_count++;
}

/* Characters, as far as a byte can tell: UTF-8's other bytes begin with 10. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static const char *name_of(const struct text_table *table, size_t column)
{
    const char *name = table->columns[column];

    return *name == '>' ? name + 1 : name;
}

static size_t column_width(const struct text_table *table, size_t column)
{
    size_t width = width_of(name_of(table, column));

    for (size_t i = column; i < table->cells_count; i += table->columns_count) {
        size_t own = width_of(table->cells[i]);

        width = own > width ? own : width;
    }
    return width;
}

static void print_cell(const struct text_table *table, size_t column,
                       size_t width, const char *text, FILE *file)
{
    bool is_right = table->columns[column][0] == '>';
    bool is_last = column + 1 == table->columns_count;
    int padding = (int)(width - width_of(text));

    (void)fprintf(file, "%*s%s%*s%s", is_right ? padding : 0, "", text,
                  is_right || is_last ? 0 : padding, "", is_last ? "\n" : "  ");
}

bool text_table_print(const struct text_table *table, FILE *file)
{
    size_t *widths = calloc(table->columns_count, sizeof(*widths));
    bool colour = text_may_colour(file);

    if (widths == NULL || table->spoiled) {
        free(widths);
        return false;
    }
    assert(table->cells_count % table->columns_count == 0);
    for (size_t i = 0; i < table->columns_count; i++) {
        widths[i] = column_width(table, i);
    }
    (void)fputs(colour ? "\033[1m" : "", file);
    for (size_t i = 0; i < table->columns_count; i++) {
        print_cell(table, i, widths[i], name_of(table, i), file);
    }
    (void)fputs(colour ? "\033[0m" : "", file);
    for (size_t i = 0; i < table->cells_count; i++) {
        size_t column = i % table->columns_count;

        print_cell(table, column, widths[column], table->cells[i], file);
    }
    free(widths);
    return true;
}
