/* SPDX-License-Identifier: MIT */
#ifndef SIM_LAWS_PERMITS_H
#define SIM_LAWS_PERMITS_H

/* What must hold of permits and tokens, from the records alone: never more out
 * than there are, but after a shrink or in shadow; nothing given back twice; no
 * session above its share; over any time no more tokens taken than burst and
 * what flowed in. It keeps the book that the other laws look into. */

#include "engine.h"
#include "world.h"

#define LAWS_NAMES_MAX (WORLD_NAMES + 1)

struct permit_laws;

/* Returns NULL without memory. */
struct permit_laws *permit_laws_create(void);

/* Accepts NULL. */
void permit_laws_destroy(struct permit_laws *laws);

/* The daemon was started again. */
void permit_laws_restart(struct permit_laws *laws);

/* An event, before it is applied; what it borrows is there until it is done. */
void permit_laws_event(struct permit_laws *laws,
                       const struct engine_event *event);

/* A record. arrived_ns: GRANTED: when the acquire came. Returns what is broken,
 * or NULL; constant. */
const char *permit_laws_record(struct permit_laws *laws,
                               const struct engine_record *record,
                               uint64_t arrived_ns);

/* The event is done. Returns as before. */
const char *permit_laws_check(const struct permit_laws *laws);

/* The number of a name, below LAWS_NAMES_MAX. */
size_t laws_name(const char *name);

/* NULL if there is no such semaphore. */
const struct engine_definition *
permit_laws_definition(const struct permit_laws *laws, size_t name);

/* What a session holds of it, but of a RATE. */
uint64_t permit_laws_share(const struct permit_laws *laws, uint64_t session_id,
                           size_t name);

/* Does the session hold a grant of that acquire? */
bool permit_laws_holds(const struct permit_laws *laws, uint64_t session_id,
                       uint64_t acquire_id);

#endif
