/* SPDX-License-Identifier: MIT */
#ifndef CLI_RUN_ORPHAN_H
#define CLI_RUN_ORPHAN_H

/* What the guard of `permit run` does when its wrapper was killed: it ends the
 * wrapper's session, so that the permit is not kept for as long as that
 * lingers. And what it must have been told for that.
 *
 * Law: the session ends only after the command and its descendants. */

#include "permit/permit.h"
#include "run_watch.h"

/* Tells the guard of the client's session, and hands it a copy of its
 * connection, unless it has that. */
void run_entrust(struct run *run, struct permit_client *client);

/* In the guard: ends the session, with as many attempts as the session can
 * outlive. */
void run_orphaned(const void *entrusted);

#endif
