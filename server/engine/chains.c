/* SPDX-License-Identifier: MIT */
#include "chains.h"

#include <assert.h>

static struct link *link_at(const struct engine *engine, enum chain chain,
                            uint32_t index)
{
    if (chain == CHAIN_HOLDER) {
        return &part_at(engine, index)->in_holders;
    }
    return chain == CHAIN_SESSION ? &acquire_at(engine, index)->in_session
                                  : &acquire_at(engine, index)->in_lost;
}

void list_append(struct engine *engine, struct list *list, enum chain chain,
                 uint32_t index)
{
    struct link *link = link_at(engine, chain, index);

    link->previous = list->last;
    link->next = 0;
    if (list->last == 0) {
        assert(list->first == 0 && list->count == 0);
        list->first = index;
    } else {
        link_at(engine, chain, list->last)->next = index;
    }
    list->last = index;
    list->count++;
}

void list_remove(struct engine *engine, struct list *list, enum chain chain,
                 uint32_t index)
{
    const struct link *link = link_at(engine, chain, index);

    assert(list->count > 0);
    if (link->previous == 0) {
        assert(list->first == index);
        list->first = link->next;
    } else {
        link_at(engine, chain, link->previous)->next = link->next;
    }
    if (link->next == 0) {
        assert(list->last == index);
        list->last = link->previous;
    } else {
        link_at(engine, chain, link->next)->previous = link->previous;
    }
    list->count--;
}

void list_check(const struct engine *engine, const struct list *list,
                enum chain chain)
{
    uint32_t count = 0;
    uint32_t last = 0;

    for (uint32_t i = list->first; i != 0;) {
        const struct link *link = link_at(engine, chain, i);
        assert(link->previous == last);
        last = i;
        i = link->next;
        count++;
    }
    assert(list->last == last && list->count == count);
}
