/* SPDX-License-Identifier: MIT */
#ifndef SIM_RECORDS_H
#define SIM_RECORDS_H

/* Does a record have what its type has, and nothing else? */

#include <stdbool.h>

#include "engine.h"

bool records_is_whole(const struct engine_record *record);

#endif
