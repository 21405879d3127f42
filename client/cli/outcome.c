/* SPDX-License-Identifier: MIT */
#include "outcome.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int outcome_create(void)
{
    return memfd_create("permit-outcome", MFD_CLOEXEC);
}

const char *outcome_path(int file, char path[OUTCOME_PATH_BYTES])
{
    (void)snprintf(path, OUTCOME_PATH_BYTES, "/proc/%d/fd/%d", (int)getpid(),
                   file);
    return path;
}

int64_t outcome_read(int file, unsigned char data[PERMIT_OUTCOME_BYTES_MAX])
{
    struct stat about;
    ssize_t length;

    if (file == -1) {
        return 0;
    }
    if (fstat(file, &about) < 0) {
        return -errno;
    }
    if (about.st_size > PERMIT_OUTCOME_BYTES_MAX) {
        return about.st_size;
    }
    length = pread(file, data, PERMIT_OUTCOME_BYTES_MAX, 0);
    return length < 0 ? -errno : length;
}
