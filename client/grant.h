/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_GRANT_H
#define CLIENT_GRANT_H

/* The handle of a grant, which both faces hand out: what it is, and whether it
 * is believed in. It asks the server nothing: releasing is the faces' own.
 *
 * Law: what other threads may look at is atomic, and what is not is written
 * before the handle is handed out. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "permit/request.h"
#include "permit/result.h"
#include "wire.h"

struct async_request;
struct core_event;
struct local_limit;
struct local_name;
struct permit_async;
struct permit_client;

/* A client's, of all its grants. */
struct belief {
    _Atomic int64_t until_ns; /* By the session; CLOCK_BOOTTIME. */
    const volatile int *fork_mark;
};

/* Grants, linked by next and previous. */
struct grant_list {
    struct permit_grant *first;
    struct permit_grant *last;
};

/* One of its semaphores. */
struct grant_part {
    const char *semaphore;    /* The grant's own. */
    _Atomic uint32_t permits; /* Not given back, or not settled yet. */
    bool is_taken;            /* For good. */
    uint32_t slots_count;     /* When it was granted; 0: none. */
    uint32_t *slots;          /* Room for one a permit, if there may be some. */
    size_t slots_max;
};

/* What a Release or a Settle does to the handle until its answer. */
struct grant_given {
    bool is_settle;
    bool is_whole;
    bool is_too_much; /* More than there is: the server will say so. */
    bool is_late;     /* It was not protected any more. */
    uint32_t permits[WIRE_PARTS_MAX]; /* Of its parts. */
};

struct permit_grant {
    /* Whose it is: one of the two, NULL once that is gone. */
    struct permit_client *client;
    struct permit_async *async;
    const struct belief *belief; /* NULL once the client is gone. */
    /* The face's: forgets the handle, and gives back what is still valid
     * without waiting; in a child it does not. Not called once the client is
     * gone. */
    void (*forget)(struct permit_grant *grant);
    struct permit_allocator allocator;
    uint64_t acquire_id; /* Of the core. */
    bool is_local;
    struct local_name *local; /* Of a local one; NULL where all is granted. */
    uint64_t id;
    uint64_t fence;
    int64_t waited_ms;
    _Atomic int64_t until_ns;       /* Of its hold. */
    _Atomic int loss;               /* enum permit_loss, or 0. */
    _Atomic int64_t grace_until_ns; /* Once it is lost. */
    atomic_bool is_released;
    _Atomic int event_fd; /* -1: not asked for yet. */
    void (*on_lost)(void *arg, struct permit_grant *grant,
                    enum permit_loss loss);
    void *on_lost_arg;
    bool is_handed_out; /* Blocking face: its on_lost may be called. */
    bool is_loss_due;   /* on_lost is to be called: it is in client->lost. */
    struct async_request *requests; /* Releases and Renews under way. */
    struct permit_grant *next;
    struct permit_grant *previous;
    atomic_bool is_to_settle;
    uint32_t parts_count;
    struct grant_part parts[]; /* Their slots and names are behind them. */
};

/* One for what is to be acquired. Returns NULL without memory. */
struct permit_grant *grant_create(const struct permit_allocator *allocator,
                                  const struct belief *belief,
                                  const struct wire_acquire *acquire);

/* May an acquire hold something? Else it makes no grant. */
bool grant_is_needed(const struct wire_acquire *acquire);

/* Is it one that the client might grant by itself? */
bool grant_may_be_local(const struct permit_grant *grant);

/* Closes and frees; asks nothing. Accepts NULL. */
void grant_free(struct permit_grant *grant);

void grant_list_add(struct grant_list *list, struct permit_grant *grant);
void grant_list_remove(struct grant_list *list, struct permit_grant *grant);

/* Takes what a Granted says: event is its ANSWER. */
void grant_take(struct permit_grant *grant, const struct core_event *event);

/* May it be renewed? Returns PERMIT_OK; PERMIT_E_NOT_HELD (it was given back);
 * PERMIT_E_EXPIRED (it is lost, or not believed in any more). */
enum permit_status grant_may_renew(const struct permit_grant *grant);

/* Its hold is believed in until then. */
void grant_set_hold(struct permit_grant *grant, int64_t until_ns);

/* It is the client's own doing: permits of `name`, which local_limit_take() or
 * a wait of its got. */
void grant_take_local(struct permit_grant *grant, struct local_name *name);

/* Gives back that much of such a grant that is not released. Returns PERMIT_OK,
 * PERMIT_E_OVER_RELEASE or PERMIT_E_INVALID (a Settle). */
enum permit_status grant_release_local(struct permit_grant *grant,
                                       struct local_limit *limit,
                                       const struct grant_given *given);

/* It is lost: readable and not valid from now on. event is its LOST. */
void grant_lose(struct permit_grant *grant, const struct core_event *event);

/* Until when it is believed in; 0: it is not. */
int64_t grant_believed_until(const struct permit_grant *grant);

/* Is it over although nobody with the right to it said so? Then releasing it
 * is PERMIT_E_EXPIRED whatever the server answers. */
bool grant_was_unprotected(const struct permit_grant *grant);

/* Such a one is about to be released: it is lost, if the core has not come to
 * say so. */
void grant_lose_by_clock(struct permit_grant *grant);

/* ----------------------------------------------------------- grant_release.c
 */

/* What is to be given back or settled. Borrowed. */
struct grant_release {
    const struct permit_part *parts;
    size_t count; /* Release: 0 is all. */
    bool is_settle;
    const void *outcome; /* With all; NULL: none. */
    size_t outcome_bytes;
};

/* Fills in the message, and what it does to the handle. Returns PERMIT_OK, or
 * PERMIT_E_INVALID with *ret_detail set. */
enum permit_status grant_ask_release(const struct permit_grant *grant,
                                     const struct grant_release *release,
                                     struct wire_client_message *ret_message,
                                     struct grant_given *ret_given,
                                     const char **ret_detail);

/* It is asked for: the handle holds that no more. */
void grant_begin_release(struct permit_grant *grant, struct grant_given *given);

/* It ended with `status`: what was not given back is the handle's again.
 * Returns the status for the caller. */
enum permit_status grant_end_release(struct permit_grant *grant,
                                     const struct grant_given *given,
                                     enum permit_status status);

#endif
