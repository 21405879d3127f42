/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <assert.h>
#include <string.h>

struct semaphore *template_make(struct engine *engine,
                                const struct semaphore *template,
                                const char *name, const struct session *session)
{
    struct engine_definition definition =
        semaphore_definition(engine, template);
    struct semaphore *semaphore = semaphore_add(engine, name, &definition);
    struct engine_record *record =
        effect_record(engine, ENGINE_RECORD_DEFINED, session->id);

    assert(template->is_template && !semaphore->is_template);
    semaphore_set_maker(engine, semaphore, (uint32_t)strlen(template->name) - 1,
                        session->id);
    record->definition = definition;
    record->by_template = true;
    effect_record_name(record, name);
    /* It may not be taken from after all. */
    semaphore_mark_to_be_served(engine, semaphore);
    return semaphore;
}

void template_forget(struct engine *engine, struct semaphore *semaphore)
{
    assert(semaphore->template_bytes != 0 &&
           semaphore_is_idle(engine, semaphore));
    effect_record_name(effect_record(engine, ENGINE_RECORD_DELETED, 0),
                       semaphore->name);
    semaphore_delete(engine, semaphore);
    semaphore_remove_if_idle(engine, semaphore);
}
