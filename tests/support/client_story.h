/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_STORY_H
#define CLIENT_STORY_H

/* A client's life with a real daemon, in which anything of the library's may
 * fail: each public function is called, by each of the two faces, and whatever
 * it says is held against what it may say, and against what a second client,
 * which has no failures, sees at the daemon.
 *
 * It arms nothing: it begins and ends what broken_calls.h puts to the test.
 *
 * Law: nothing of the test's framework is called while something may fail; what
 * was wrong is kept, the first of it, for afterwards. */

#include <stdbool.h>

#include "permit/permit.h"

#define HEALED_S 5 /* Within it, what broke is whole again. */

struct story {
    /* Given. */
    const char *servers;
    const struct permit_allocator *allocator;
    /* Called when all was asked: ends the failures and returns true, or leaves
     * them on for the client's end. */
    bool (*heal)(void);
    /* Its own. */
    struct permit_client *witness;
    char wrong[512]; /* "": nothing. */
};

/* Makes the witness, and the semaphores of the story. */
void story_begin(struct story *story, const char *server);
void story_end(struct story *story);

/* One life each. Afterwards the daemon has nothing of it. */
void story_blocking(struct story *story);
void story_async(struct story *story);

/* ------------------------------------------------------- what the faces share
 */

/* With short time-outs. */
struct permit_options story_options(const struct story *story);

/* Keeps what was wrong. */
void story_note(struct story *story, const char *where, const char *what);

/* May a call end so where something fails? A failure says why. */
void story_check(struct story *story, const char *where,
                 enum permit_status status, const char *text);

/* A grant that is valid before and after the witness has looked is there. */
void story_check_grant(struct story *story, const char *where,
                       const struct permit_grant *grant);

/* Looks at a grant in all ways. */
void story_look_at(struct story *story, struct permit_grant *grant);

/* The daemon has nothing of it any more, or soon. Not put to the test. */
void story_check_left(struct story *story);

/* Looks at a list's rows, and frees it. */
void story_read_list(struct permit_list *list);

#endif
