/* SPDX-License-Identifier: MIT */
#ifndef LINE_H
#define LINE_H

/* A line between a client and the server, as TCP gives it and takes it: two
 * streams of bytes that come late and in pieces, and ends that one side sees
 * before the other, or alone.
 *
 * Law: what arrives is what was sent, in order, up to some byte. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage.h"

#define LINE_BYTES 16384u /* Unread, in one direction. */

struct line;

enum line_side { LINE_CLIENT = 0, LINE_SERVER = 1 };

enum line_end {
    LINE_GOES_ON = 0,
    LINE_FIN, /* After the bytes before it. */
    LINE_RST  /* At once: unread bytes are gone. */
};

/* Bytes take at most delay_ms; at most `room` of each direction are unread.
 * Returns NULL without memory. */
struct line *line_create(struct stage *stage, int64_t delay_ms, size_t room);

/* Accepts NULL. */
void line_destroy(struct line *line);

/* Returns how many bytes `side` could write; -1 after a RST. */
int64_t line_write(struct line *line, enum line_side side, const uint8_t *bytes,
                   size_t length);

/* Returns how many bytes came to `side`, 0 if none is there. At the end, 0 and
 * *ret_end says how. */
size_t line_read(struct line *line, enum line_side side, uint8_t *bytes,
                 size_t room, enum line_end *ret_end);

/* Closes one side; unread bytes make it a RST. */
void line_close(struct line *line, enum line_side side);
bool line_is_closed(const struct line *line);

/* Sends a FIN: nothing more will be written. */
void line_shut(struct line *line, enum line_side side);

/* When there is next something for `side` to read; it may be past. */
int64_t line_next_ns(const struct line *line, enum line_side side);

/* May `side` write? */
bool line_has_room(const struct line *line, enum line_side side);

/* ------------------------------------------------------------------ faults */

/* `side` sees an end that the other did not make; bytes under way to it are cut
 * at any one. */
void line_forge(struct line *line, enum line_side side, enum line_end end);

/* Nothing arrives at `side` between. */
void line_stall(struct line *line, enum line_side side, int64_t from_ns,
                int64_t until_ns);

/* From then on the client's system finds it dead (keepalive). */
void line_die(struct line *line, int64_t at_ns);

#endif
