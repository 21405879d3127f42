/* SPDX-License-Identifier: MIT */
#ifndef CLI_GUARD_LINE_H
#define CLI_GUARD_LINE_H

/* What `permit run` and its guard say to each other over their socket pair: one
 * message a packet.
 *
 * It knows no process and no permit.
 *
 * Law: the end of the line says that the other end is dead, however it died. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "permit/info.h"

#define GUARD_TEXT_BYTES (2048 + 11 * PERMIT_SLOTS_MAX)

enum guard_word {
    /* To the guard. */
    GUARD_GO = 1,   /* Start the command: text is its environment. */
    GUARD_SIGNAL,   /* Pass on signal `number`. */
    GUARD_DEADLINE, /* Kill everybody at time_ms. */
    GUARD_ENTRUST,  /* Keep text for when the wrapper is dead. */
    /* From the guard. */
    GUARD_STARTED, /* The command, process `number`, runs. */
    GUARD_FAILED,  /* It does not: errno is `number`; flag: before exec. */
    GUARD_ENDED    /* All are dead; the command's code is `number`; flag: they
                    * were killed at the deadline. */
};

struct guard_message {
    enum guard_word word;
    int32_t number;
    bool flag;       /* GUARD_SIGNAL: the terminal has sent it to its group. */
    int64_t time_ms; /* CLOCK_BOOTTIME. */
    size_t text_bytes;
    /* GUARD_GO: strings "NAME=VALUE", each with its NUL. */
    _Alignas(8) char text[GUARD_TEXT_BYTES];
};

/* Makes the pair, closed on exec. Returns 0 or a negative errno. */
int guard_line_create(int ret_line[2]);

/* Sends without waiting; `descriptor` goes along if it is not -1. Returns 0 or
 * a negative errno: -EPIPE if the other end is dead, -EAGAIN if it does not
 * read. */
int guard_line_send(int line, const struct guard_message *message,
                    int descriptor);

/* Waits for a message. Returns 1, or 0 at the end of the line. *ret_descriptor
 * is what came along, the caller's to close, or -1. */
int guard_line_receive(int line, struct guard_message *ret_message,
                       int *ret_descriptor);

#endif
