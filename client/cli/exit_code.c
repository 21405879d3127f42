/* SPDX-License-Identifier: MIT */
#include "exit_code.h"

int exit_code_of(enum permit_status status)
{
    /* The compiler knows if a status is missing from the map, or twice.
     * Many have one code. NOLINTBEGIN(bugprone-branch-clone) */
    switch (status) {
#define X(name, code)                                                          \
    case name:                                                                 \
        return code;
        EXIT_CODE_MAP(X)
#undef X
    }
    /* NOLINTEND(bugprone-branch-clone) */
    return EX_SOFTWARE;
}
