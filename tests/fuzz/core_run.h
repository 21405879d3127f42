/* SPDX-License-Identifier: MIT */
#ifndef CORE_RUN_H
#define CORE_RUN_H

/* What the files of fuzz_core share: core.c has the steps of one line,
 * core_lines.c those of a session over several. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"

#define SLOTS 24u
#define IDS 4096u /* Told apart; more wrap around. */
#define NS_PER_MS INT64_C(1000000)
/* A core of its own has some 1.2 MiB of buffers. */
#define BYTES_MAX (4u << 20)

enum holding { HOLDS_NOTHING, HOLDS, HOLDS_NO_MORE };

/* A request, and the grant that came of it. */
struct slot {
    bool is_pending;
    bool makes_grant;
    bool may_be_gone; /* What it holds was released. */
    uint64_t id;
    enum holding grant;
    struct slot *released; /* What its release would end. */
    int64_t hold_end_ns;   /* A Renew: nothing is believed in beyond it. */
};

struct run {
    const uint8_t *data;
    size_t size;
    struct core *core;
    int64_t now_ns;
    uint64_t hello_id;
    int64_t timeout_ms; /* The longest of the Welcomes that we made. */
    bool is_raw;        /* Bytes were fed that we did not make. */
    /* What the server granted, by a message that we made: before it was asked
     * for, too, if nobody looked at it in between. */
    bool granted[IDS];
    struct slot slots[SLOTS];
    int64_t linger_ms;    /* The longest of the Welcomes that we made. */
    uint32_t line;        /* The how many-th it is. */
    bool is_greeted;      /* The server's preface was fed. */
    bool has_greeted;     /* The core's was sent. */
    uint32_t put_on[IDS]; /* The last line that had this request. */
    size_t said_bytes;    /* Said, and not a whole frame yet. */
};

uint8_t next_byte(struct run *run);
int64_t next_number(struct run *run);

/* Takes what happened, and checks it. */
void drain(struct run *run);

/* The server says so. */
void feed(struct run *run, const uint8_t *bytes, size_t length);

void open_line(struct run *run);

/* ----------------------------------------------------------- core_lines.c */

/* A step of the second kind. */
void step_line(struct run *run);

/* The core says so: no request twice on a line, and none is forgotten before
 * its answer came. */
void check_said(struct run *run, const uint8_t *bytes, size_t length);

#endif
