/* SPDX-License-Identifier: MIT */
#include "permit/permit.h"

int permit_version_num(void)
{
    return PERMIT_VERSION_NUM;
}

bool permit_check_version(int number)
{
    return number >> 8 == PERMIT_VERSION_NUM >> 8 &&
           number <= PERMIT_VERSION_NUM;
}
