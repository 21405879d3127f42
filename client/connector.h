/* SPDX-License-Identifier: MIT */
#ifndef CONNECTOR_H
#define CONNECTOR_H

/* From a list of servers, as people write it, to a connected descriptor: one
 * address after the other, each with its share of the time, without blocking.
 *
 * It looks up no name and waits for nothing: whoever drives it looks up, and
 * watches the descriptor and the deadline.
 *
 * Law: no descriptor survives an exec. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"

#define CONNECTOR_NAMES_MAX 16 /* Of one host: more are not tried. */
#define CONNECTOR_TEXT_BYTES 512

enum connector_state {
    CONNECTOR_IDLE = 0,   /* So that a zeroed one is at rest. */
    CONNECTOR_LOOKING_UP, /* address.host: connector_resolved() is awaited. */
    CONNECTOR_CONNECTING, /* fd becomes writable, or try_until_ns comes. */
    CONNECTOR_CONNECTED,  /* connector_take_fd(). */
    CONNECTOR_FAILED      /* status and text say why. */
};

struct connector {
    enum connector_state state;
    const char *servers; /* What is left of the list; borrowed. */
    int64_t deadline_ns;
    struct address address; /* The one being tried. */
    int64_t address_until_ns;
    struct sockaddr_storage names[CONNECTOR_NAMES_MAX];
    size_t names_count;
    size_t next_name;
    int64_t try_until_ns;
    int fd; /* While CONNECTING and CONNECTED; else not valid. */
    enum permit_status status;
    char text[CONNECTOR_TEXT_BYTES];
};

struct addrinfo;

/* Begins; `servers` was checked by address_check() and lives until the
 * connector is at rest. Look at the state then. */
void connector_start(struct connector *connector, const char *servers,
                     int64_t now_ns, int64_t deadline_ns);

/* What the lookup found, copied; NULL: nothing, and `text` says why. */
void connector_resolved(struct connector *connector,
                        const struct addrinfo *addresses, const char *text,
                        int64_t now_ns);

/* Goes on if the descriptor is writable or the time has come. */
void connector_advance(struct connector *connector, int64_t now_ns);

/* When to call connector_advance() at the latest; INT64_MAX at rest. */
int64_t connector_deadline(const struct connector *connector);

/* Hands over the connected descriptor, which does not block; at rest then. */
int connector_take_fd(struct connector *connector);

/* At rest, whatever it was doing. `address` stays the one tried last. */
void connector_stop(struct connector *connector);

/* Writes what failed on the line to this address, for people: with the address,
 * and the status' own words if `why` does not say it all. */
void connector_describe(const struct connector *connector,
                        enum permit_status status, const char *why, char *text,
                        size_t text_bytes);

#endif
