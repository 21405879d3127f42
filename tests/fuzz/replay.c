/* SPDX-License-Identifier: MIT */

/* Feeds the files of a directory to a fuzz target, where there is no libFuzzer:
 * so the corpus is a test in every build. */

#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX (1u << 20)

static int replay(const char *directory, const char *name)
{
    char path[4096];
    uint8_t *bytes = malloc(INPUT_BYTES_MAX);
    size_t length = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "rb");
    if (file == NULL || bytes == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    length = fread(bytes, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    /* Exactly its bytes, so that ASan sees a read behind them. */
    bytes = realloc(bytes, length + (length == 0));
    if (bytes == NULL) {
        exit(EXIT_FAILURE);
    }
    (void)LLVMFuzzerTestOneInput(bytes, length);
    free(bytes);
    return 1;
}

int main(int argc, char **argv)
{
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    int count = 0;

    if (directory == NULL) {
        (void)fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return EXIT_FAILURE;
    }
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.') {
            count += replay(argv[1], entry->d_name);
        }
    }
    (void)closedir(directory);
    (void)printf("%d inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
