/* SPDX-License-Identifier: MIT */
#include "grant.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "core.h"
#include "fork_mark.h"
#include "local_limit.h"
#include "memory.h"
#include "transport.h"

bool grant_is_needed(const struct wire_acquire *acquire)
{
    bool is_needed = acquire->settle;

    for (uint32_t i = 0; i < acquire->parts_count; i++) {
        is_needed = is_needed || !acquire->parts[i].consume;
    }
    return is_needed;
}

bool grant_may_be_local(const struct permit_grant *grant)
{
    return grant->parts_count == 1 && !atomic_load(&grant->is_to_settle);
}

static size_t slots_max(const struct wire_part *part)
{
    return part->permits <= PERMIT_SLOTS_MAX ? part->permits : 0;
}

static size_t bytes_of(const struct wire_acquire *acquire)
{
    size_t bytes = sizeof(struct permit_grant);

    for (uint32_t i = 0; i < acquire->parts_count; i++) {
        bytes += sizeof(struct grant_part) +
                 slots_max(&acquire->parts[i]) * sizeof(uint32_t) +
                 strlen(acquire->parts[i].semaphore) + 1;
    }
    return bytes;
}

struct permit_grant *grant_create(const struct permit_allocator *allocator,
                                  const struct belief *belief,
                                  const struct wire_acquire *acquire)
{
    struct permit_grant *grant = memory_take(allocator, bytes_of(acquire));
    uint32_t *slots;
    char *name;

    if (grant == NULL) {
        return NULL;
    }
    grant->allocator = *allocator;
    grant->belief = belief;
    atomic_init(&grant->event_fd, -1);
    atomic_init(&grant->is_to_settle, acquire->settle);
    grant->parts_count = acquire->parts_count;
    slots = (uint32_t *)(void *)&grant->parts[acquire->parts_count];
    for (uint32_t i = 0; i < acquire->parts_count; i++) {
        const struct wire_part *from = &acquire->parts[i];
        struct grant_part *part = &grant->parts[i];

        atomic_init(&part->permits, from->permits);
        part->is_taken = from->consume;
        part->slots = slots;
        part->slots_max = slots_max(from);
        slots += part->slots_max;
    }
    name = (char *)slots;
    for (uint32_t i = 0; i < acquire->parts_count; i++) {
        grant->parts[i].semaphore = name;
        name = stpcpy(name, acquire->parts[i].semaphore) + 1;
    }
    return grant;
}

void grant_free(struct permit_grant *grant)
{
    struct permit_allocator allocator;
    int fd;

    if (grant == NULL) {
        return;
    }
    allocator = grant->allocator;
    fd = atomic_load(&grant->event_fd);
    if (fd != -1) {
        (void)close(fd);
    }
    memory_give(&allocator, grant);
}

void grant_list_add(struct grant_list *list, struct permit_grant *grant)
{
    grant->next = NULL;
    grant->previous = list->last;
    if (list->last == NULL) {
        list->first = grant;
    } else {
        list->last->next = grant;
    }
    list->last = grant;
}

void grant_list_remove(struct grant_list *list, struct permit_grant *grant)
{
    if (grant->previous == NULL) {
        list->first = grant->next;
    } else {
        grant->previous->next = grant->next;
    }
    if (grant->next == NULL) {
        list->last = grant->previous;
    } else {
        grant->next->previous = grant->previous;
    }
}

/* The server says nothing for which there is no room. */
static void take_slots(struct grant_part *part,
                       const struct permit_part_info *from)
{
    if (strcmp(part->semaphore, from->semaphore) == 0 &&
        from->slots_count <= part->slots_max && from->slots_count > 0) {
        memcpy(part->slots, from->slots,
               from->slots_count * sizeof(*from->slots));
        part->slots_count = from->slots_count;
    }
}

void grant_take(struct permit_grant *grant, const struct core_event *event)
{
    bool settles = atomic_load(&grant->is_to_settle);

    grant->id = event->message->granted.grant_id;
    grant->fence = event->message->granted.fence;
    grant->waited_ms = event->message->granted.waited_ms;
    atomic_store(&grant->until_ns, event->until_ns);
    for (uint32_t i = 0; i < grant->parts_count; i++) {
        struct grant_part *part = &grant->parts[i];

        part->is_taken |= (event->message->granted.taken >> i & 1) != 0;
        if (part->is_taken && !settles) {
            atomic_store(&part->permits, 0);
        }
        for (uint32_t j = 0; j < event->message->granted.parts_count; j++) {
            take_slots(part, &event->message->granted.parts[j]);
        }
    }
}

enum permit_status grant_may_renew(const struct permit_grant *grant)
{
    if (atomic_load(&grant->is_released)) {
        return PERMIT_E_NOT_HELD;
    }
    return permit_grant_is_valid(grant) ? PERMIT_OK : PERMIT_E_EXPIRED;
}

void grant_set_hold(struct permit_grant *grant, int64_t until_ns)
{
    atomic_store(&grant->until_ns, until_ns);
}

void grant_take_local(struct permit_grant *grant, struct local_name *name)
{
    grant->is_local = true;
    grant->local = name;
}

enum permit_status grant_release_local(struct permit_grant *grant,
                                       struct local_limit *limit,
                                       const struct grant_given *given)
{
    uint32_t left = atomic_load(&grant->parts[0].permits);

    if (given->is_settle) {
        return PERMIT_E_INVALID;
    }
    if (given->is_too_much) {
        return PERMIT_E_OVER_RELEASE;
    }
    atomic_store(&grant->parts[0].permits, left - given->permits[0]);
    atomic_store(&grant->is_released, given->is_whole);
    local_limit_give(limit, grant->local, given->permits[0]);
    return PERMIT_OK;
}

/* Whoever sees the other's store makes it readable; at worst both do. */
static void lose(struct permit_grant *grant, enum permit_loss loss)
{
    int fd;

    atomic_store(&grant->loss, (int)loss);
    fd = atomic_load(&grant->event_fd);
    if (fd != -1) {
        transport_raise(fd);
    }
}

void grant_lose(struct permit_grant *grant, const struct core_event *event)
{
    atomic_store(&grant->grace_until_ns, event->until_ns);
    lose(grant, event->loss);
}

int permit_grant_event_fd(struct permit_grant *grant)
{
    int fd = atomic_load(&grant->event_fd);
    int none = -1;

    if (grant->belief != NULL && fork_mark_is_child(grant->belief->fork_mark)) {
        return -1;
    }
    if (fd != -1) {
        return fd;
    }
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd == -1) {
        return -1;
    }
    if (!atomic_compare_exchange_strong(&grant->event_fd, &none, fd)) {
        (void)close(fd); /* Another thread was first. */
        return none;
    }
    if (atomic_load(&grant->loss) != 0) {
        transport_raise(fd);
    }
    return fd;
}

/* ------------------------------------------------------------------- belief
 */

int64_t grant_believed_until(const struct permit_grant *grant)
{
    int64_t session_ns;
    int64_t hold_ns;

    if (grant->belief == NULL || fork_mark_is_child(grant->belief->fork_mark)) {
        return 0;
    }
    if (grant->is_local) {
        return atomic_load(&grant->is_released) ? 0 : CORE_NEVER;
    }
    session_ns = atomic_load(&grant->belief->until_ns);
    hold_ns = atomic_load(&grant->until_ns);
    /* After the session's deadline: a later session's belief is stored only
     * after all grants of this one are lost. */
    if (atomic_load(&grant->loss) != 0 || atomic_load(&grant->is_released)) {
        return 0;
    }
    return session_ns < hold_ns ? session_ns : hold_ns;
}

bool grant_was_unprotected(const struct permit_grant *grant)
{
    int loss = atomic_load(&grant->loss);

    return loss == PERMIT_LOSS_HOLD || loss == PERMIT_LOSS_SESSION ||
           (loss == 0 && grant_believed_until(grant) <= clock_now_ns());
}

void grant_lose_by_clock(struct permit_grant *grant)
{
    if (atomic_load(&grant->loss) == 0) {
        lose(grant, atomic_load(&grant->until_ns) <= clock_now_ns()
                        ? PERMIT_LOSS_HOLD
                        : PERMIT_LOSS_SESSION);
    }
}

bool permit_grant_is_valid(const struct permit_grant *grant)
{
    return grant_believed_until(grant) > clock_now_ns();
}

int64_t permit_grant_left_ms(const struct permit_grant *grant)
{
    int64_t left_ns = grant_believed_until(grant) - clock_now_ns();

    return left_ns > 0 ? left_ns / 1000000 : 0;
}

int64_t permit_grant_grace_ms(const struct permit_grant *grant)
{
    int64_t left_ns;

    if (atomic_load(&grant->loss) == 0) {
        return 0;
    }
    left_ns = atomic_load(&grant->grace_until_ns) - clock_now_ns();
    return left_ns > 0 ? left_ns / 1000000 : 0;
}

bool permit_grant_is_local(const struct permit_grant *grant)
{
    return grant->is_local;
}

enum permit_loss permit_grant_get_loss(const struct permit_grant *grant)
{
    return (enum permit_loss)atomic_load(&grant->loss);
}

void permit_grant_destroy(struct permit_grant *grant)
{
    if (grant == NULL) {
        return;
    }
    if (grant->belief != NULL) {
        grant->forget(grant);
    }
    grant_free(grant);
}

/* ---------------------------------------------------------------- what it is
 */

uint64_t permit_grant_id(const struct permit_grant *grant)
{
    return grant->id;
}

uint64_t permit_grant_fence(const struct permit_grant *grant)
{
    return grant->fence;
}

uint32_t permit_grant_permits(const struct permit_grant *grant)
{
    return atomic_load(&grant->parts[0].permits);
}

size_t permit_grant_part(const struct permit_grant *grant, size_t index,
                         struct permit_part_info *ret_part)
{
    const struct grant_part *part = &grant->parts[index];
    uint32_t permits;

    if (index < grant->parts_count) {
        permits = atomic_load(&part->permits);
        /* Of what came back in part the highest went first. */
        *ret_part = (struct permit_part_info){
            .semaphore = part->semaphore,
            .permits = permits,
            .slots_count =
                permits < part->slots_count ? permits : part->slots_count,
            .slots = part->slots};
    }
    return grant->parts_count;
}

const uint32_t *permit_grant_slots(const struct permit_grant *grant,
                                   size_t *ret_count)
{
    struct permit_part_info part;

    (void)permit_grant_part(grant, 0, &part);
    *ret_count = part.slots_count;
    return part.slots;
}

int64_t permit_grant_waited_ms(const struct permit_grant *grant)
{
    return grant->waited_ms;
}
