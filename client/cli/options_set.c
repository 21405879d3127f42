/* SPDX-License-Identifier: MIT */
#include "options_set.h"

#include <string.h>

#include "duration.h"
#include "options_read.h"
#include "wire.h"

#define BYPASS_MAX 65535
#define RATE_FIELDS                                                            \
    (PERMIT_DEFINE_RATE | PERMIT_DEFINE_PER | PERMIT_DEFINE_BURST)

static error_t take_kind(struct options *options, const char *text)
{
    static const char *const kinds[] = {"bounded", "counting", "rate", NULL};
    int index = 0;
    error_t error = options_read_word(options, "--kind", text, kinds, &index);

    options->definition.kind = (enum permit_kind)(PERMIT_BOUNDED + index);
    return error;
}

static error_t take_rate(struct options *options, const char *text)
{
    const char *wrong = rate_parse(text, &options->definition.rate,
                                   &options->definition.per_ms);

    return wrong == NULL ? 0
                         : options_refuse(options, "--rate: '%s' must be %s",
                                          text, wrong);
}

static error_t take_per_session(struct options *options, const char *text)
{
    if (strcmp(text, "inf") == 0) {
        options->definition.per_session = 0;
        return 0;
    }
    return options_read_some(options, "--per-session", text, WIRE_PERMITS_MAX,
                             &options->definition.per_session);
}

static error_t take_limits(struct options *options, int key, const char *text)
{
    struct permit_definition *definition = &options->definition;

    switch (key) {
    case OPTION_MAX_QUEUE:
        definition->fields |= PERMIT_DEFINE_MAX_QUEUE;
        return options_read_count(options, "--max-queue", text, UINT32_MAX,
                                  &definition->max_queue);
    case OPTION_MAX_WAIT:
        definition->fields |= PERMIT_DEFINE_MAX_WAIT;
        return options_read_duration(options, "--max-wait", text, -1,
                                     &definition->max_wait_ms);
    case OPTION_HOLD_MAX:
        definition->fields |= PERMIT_DEFINE_HOLD;
        return options_read_duration(options, "--hold", text, 0,
                                     &definition->hold_ms);
    case OPTION_BYPASS:
        definition->fields |= PERMIT_DEFINE_BYPASS;
        return options_read_count(options, "--bypass", text, BYPASS_MAX,
                                  &definition->bypass);
    case OPTION_PER_SESSION:
        definition->fields |= PERMIT_DEFINE_PER_SESSION;
        return take_per_session(options, text);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What is on or off. */
static error_t take_switch(struct options *options, int key)
{
    struct permit_definition *definition = &options->definition;

    switch (key) {
    case OPTION_SLOTS:
    case OPTION_NO_SLOTS:
        definition->fields |= PERMIT_DEFINE_SLOTS;
        definition->slots = key == OPTION_SLOTS;
        return 0;
    case OPTION_SHADOW:
    case OPTION_NO_SHADOW:
        definition->fields |= PERMIT_DEFINE_SHADOW;
        definition->shadow = key == OPTION_SHADOW;
        return 0;
    case OPTION_REFUSE_HOPELESS:
    case OPTION_NO_REFUSE_HOPELESS:
        definition->fields |= PERMIT_DEFINE_REFUSE_HOPELESS;
        definition->refuse_hopeless = key == OPTION_REFUSE_HOPELESS;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

error_t options_set_take(struct options *options, int key, char *text)
{
    struct permit_definition *definition = &options->definition;
    error_t error;

    switch (key) {
    case OPTION_KIND:
        definition->fields |= PERMIT_DEFINE_KIND;
        return take_kind(options, text);
    case OPTION_PERMITS_DEFINED:
        definition->fields |= PERMIT_DEFINE_PERMITS;
        return options_read_count(options, "--permits", text, WIRE_PERMITS_MAX,
                                  &definition->permits);
    case OPTION_RATE:
        definition->fields |= PERMIT_DEFINE_RATE | PERMIT_DEFINE_PER;
        return take_rate(options, text);
    case OPTION_BURST:
        definition->fields |= PERMIT_DEFINE_BURST;
        return options_read_some(options, "--burst", text, WIRE_PERMITS_MAX,
                                 &definition->burst);
    default:
        error = take_limits(options, key, text);
        return error == ARGP_ERR_UNKNOWN ? take_switch(options, key) : error;
    }
}

error_t options_set_check(struct options *options)
{
    struct permit_definition *definition = &options->definition;
    bool is_rate = (definition->fields & RATE_FIELDS) != 0;

    if ((definition->fields & PERMIT_DEFINE_KIND) == 0 && is_rate) {
        definition->fields |= PERMIT_DEFINE_KIND; /* Nothing else has them. */
        definition->kind = PERMIT_RATE;
    }
    if (is_rate && definition->kind != PERMIT_RATE) {
        return options_refuse(options,
                              "--kind: only a rate has --rate and --burst");
    }
    if (definition->kind == PERMIT_RATE &&
        (definition->fields & PERMIT_DEFINE_PERMITS) != 0) {
        return options_refuse(options, "--permits: a rate has --rate and "
                                       "--burst instead");
    }
    return 0;
}
