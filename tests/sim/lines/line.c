/* SPDX-License-Identifier: MIT */
#include "line.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 64u

/* Bytes before an offset in the stream, and when they arrive. */
struct segment {
    uint64_t until;
    int64_t at_ns;
};

/* What comes to one side. */
struct stream {
    uint8_t bytes[LINE_BYTES];
    uint64_t read;    /* Offsets: what was read, */
    uint64_t arrived; /* what is there to be read, */
    uint64_t sent;    /* what was written. */
    struct segment segments[SEGMENTS_MAX];
    size_t segments_count;
    enum line_end end;
    int64_t end_ns; /* When it arrives, after the bytes. */
    bool has_ended; /* It has arrived. */
    bool is_cut;    /* Nothing more arrives of what is written. */
    int64_t stalled_from_ns;
    int64_t stalled_until_ns;
    int64_t latest_ns; /* Nothing overtakes what was sent before. */
};

struct line {
    struct stage *stage;
    int64_t delay_ms;
    size_t room;
    struct stream to[2];
    bool is_closed[2];
    int64_t dead_ns; /* When the client's system gives it up. */
};

static enum line_side other(enum line_side side)
{
    return side == LINE_CLIENT ? LINE_SERVER : LINE_CLIENT;
}

struct line *line_create(struct stage *stage, int64_t delay_ms, size_t room)
{
    struct line *line = calloc(1, sizeof(*line));

    assert(room > 0 && room <= LINE_BYTES);
    if (line != NULL) {
        line->stage = stage;
        line->delay_ms = delay_ms;
        line->room = room;
        line->dead_ns = STAGE_NEVER;
    }
    return line;
}

void line_destroy(struct line *line)
{
    free(line);
}

/* -------------------------------------------------------------------- time */

static int64_t arrives_ns(struct line *line, struct stream *stream)
{
    int64_t at_ns =
        line->stage->now_ns + stage_delay_ns(line->stage, line->delay_ms);

    if (at_ns > stream->latest_ns) {
        stream->latest_ns = at_ns;
    }
    return stream->latest_ns;
}

static void advance(const struct line *line, struct stream *stream)
{
    int64_t now_ns = line->stage->now_ns;
    size_t gone = 0;

    if (now_ns >= stream->stalled_from_ns &&
        now_ns < stream->stalled_until_ns) {
        return;
    }
    while (gone < stream->segments_count &&
           stream->segments[gone].at_ns <= now_ns) {
        stream->arrived = stream->segments[gone].until;
        gone++;
    }
    stream->segments_count -= gone;
    memmove(stream->segments, stream->segments + gone,
            stream->segments_count * sizeof(stream->segments[0]));
    if (stream->end != LINE_GOES_ON && stream->segments_count == 0 &&
        stream->end_ns <= now_ns) {
        stream->has_ended = true;
    }
}

static bool is_dead(const struct line *line, enum line_side side)
{
    return side == LINE_CLIENT && line->dead_ns <= line->stage->now_ns;
}

int64_t line_next_ns(const struct line *line, enum line_side side)
{
    const struct stream *stream = &line->to[side];
    int64_t at_ns = STAGE_NEVER;

    if (stream->arrived > stream->read || stream->has_ended) {
        return line->stage->now_ns;
    }
    if (stream->segments_count > 0) {
        at_ns = stream->segments[0].at_ns;
    } else if (stream->end != LINE_GOES_ON) {
        at_ns = stream->end_ns;
    }
    at_ns = at_ns < line->stage->now_ns ? line->stage->now_ns : at_ns;
    if (at_ns >= stream->stalled_from_ns && at_ns < stream->stalled_until_ns) {
        at_ns = stream->stalled_until_ns;
    }
    return side == LINE_CLIENT && line->dead_ns < at_ns ? line->dead_ns : at_ns;
}

/* ----------------------------------------------------------- read and write */

static void end_stream(struct line *line, struct stream *stream,
                       enum line_end end)
{
    if (stream->end < end && !stream->is_cut) {
        stream->end = end;
        stream->end_ns = arrives_ns(line, stream);
    }
}

static size_t room_of(const struct line *line, const struct stream *stream)
{
    size_t unread = (size_t)(stream->sent - stream->read);

    return unread < line->room ? line->room - unread : 0;
}

bool line_has_room(const struct line *line, enum line_side side)
{
    return room_of(line, &line->to[other(side)]) > 0;
}

static void put(struct line *line, struct stream *stream, const uint8_t *bytes,
                size_t length)
{
    struct segment *last;

    for (size_t i = 0; i < length; i++) {
        stream->bytes[(stream->sent + i) % LINE_BYTES] = bytes[i];
    }
    stream->sent += length;
    if (stream->segments_count < SEGMENTS_MAX) {
        stream->segments_count++;
    }
    last = &stream->segments[stream->segments_count - 1];
    last->until = stream->sent;
    last->at_ns = arrives_ns(line, stream);
}

/* A write is split at any byte into two that arrive by themselves. */
int64_t line_write(struct line *line, enum line_side side, const uint8_t *bytes,
                   size_t length)
{
    struct stream *stream = &line->to[other(side)];
    size_t first;

    advance(line, &line->to[side]);
    if (is_dead(line, side) ||
        (line->to[side].has_ended && line->to[side].end == LINE_RST)) {
        return -1;
    }
    if (line->is_closed[other(side)] || stream->is_cut) {
        /* Nobody is there: that is heard, if the way back is whole. */
        if (line->is_closed[other(side)]) {
            end_stream(line, &line->to[side], LINE_RST);
        }
        return (int64_t)length;
    }
    if (length > room_of(line, stream)) {
        length = room_of(line, stream);
    }
    if (length == 0) {
        return 0;
    }
    first = random_below(&line->stage->random, (uint32_t)length + 1);
    if (first > 0) {
        put(line, stream, bytes, first);
    }
    if (first < length) {
        put(line, stream, bytes + first, length - first);
    }
    return (int64_t)length;
}

size_t line_read(struct line *line, enum line_side side, uint8_t *bytes,
                 size_t room, enum line_end *ret_end)
{
    struct stream *stream = &line->to[side];
    size_t length;

    advance(line, stream);
    *ret_end = LINE_GOES_ON;
    if (is_dead(line, side) || (stream->has_ended && stream->end == LINE_RST)) {
        *ret_end = LINE_RST;
        return 0;
    }
    length = (size_t)(stream->arrived - stream->read);
    if (length == 0 && stream->has_ended) {
        *ret_end = LINE_FIN;
    }
    length = length < room ? length : room;
    for (size_t i = 0; i < length; i++) {
        bytes[i] = stream->bytes[(stream->read + i) % LINE_BYTES];
    }
    stream->read += length;
    return length;
}

/* --------------------------------------------------------------------- ends */

void line_shut(struct line *line, enum line_side side)
{
    end_stream(line, &line->to[other(side)], LINE_FIN);
}

void line_close(struct line *line, enum line_side side)
{
    const struct stream *mine = &line->to[side];
    bool has_unread = mine->arrived > mine->read;

    assert(!line->is_closed[side]);
    line->is_closed[side] = true;
    if (!mine->has_ended || mine->end != LINE_RST) {
        end_stream(line, &line->to[other(side)],
                   has_unread ? LINE_RST : LINE_FIN);
    } else if (random_chance(&line->stage->random, 50)) {
        end_stream(line, &line->to[other(side)], LINE_RST);
    }
}

bool line_is_closed(const struct line *line)
{
    return line->is_closed[LINE_CLIENT] && line->is_closed[LINE_SERVER];
}

void line_forge(struct line *line, enum line_side side, enum line_end end)
{
    struct stream *stream = &line->to[side];
    uint64_t under_way;

    advance(line, stream);
    if (stream->is_cut || stream->end != LINE_GOES_ON) {
        return;
    }
    /* Who forges it is before what is stuck. */
    under_way = line->stage->now_ns < stream->stalled_until_ns
                    ? 0
                    : stream->sent - stream->arrived;
    stream->stalled_until_ns = 0;
    stream->sent = stream->arrived +
                   random_below(&line->stage->random, (uint32_t)under_way + 1);
    stream->segments_count = 0;
    end_stream(line, stream, end);
    stream->is_cut = true;
    if (stream->sent > stream->arrived) {
        stream->segments_count = 1;
        stream->segments[0] =
            (struct segment){stream->sent, line->stage->now_ns};
    }
}

void line_stall(struct line *line, enum line_side side, int64_t from_ns,
                int64_t until_ns)
{
    struct stream *stream = &line->to[side];

    if (stream->stalled_until_ns < until_ns) {
        stream->stalled_from_ns = from_ns;
        stream->stalled_until_ns = until_ns;
    }
}

void line_die(struct line *line, int64_t at_ns)
{
    line->dead_ns = at_ns < line->dead_ns ? at_ns : line->dead_ns;
}
