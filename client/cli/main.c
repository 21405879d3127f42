/* SPDX-License-Identifier: MIT */
/* `permit`: permits of a permitd from the shell. */

#include <stdlib.h>
#include <sysexits.h>

#include "commands.h"
#include "options.h"
#include "report.h"

static int fail(const struct options *options, const char *before,
                const char *name, const char *after)
{
    report_error(options, permit_status_reason(PERMIT_E_INVALID), "%s%s%s",
                 before, name, after);
    return EX_USAGE;
}

static int serve(int argc, char **argv)
{
    struct options options;
    enum options_result result;
    int index;

    options_init(&options);
    result = options_parse_global(argc, argv, &options, &index);
    if (result == OPTIONS_GO && index >= argc) {
        return fail(&options, "which command? See ", "permit --help", "");
    }
    if (result == OPTIONS_GO) {
        options.command = commands_find(argv[index]);
        if (options.command == NULL) {
            return commands_is_unserved(argv[index])
                       ? fail(&options, "", argv[index], " is not served yet")
                       : fail(&options, "no such command: ", argv[index], "");
        }
        result = options_parse(argc - index, argv + index, &options);
    }
    if (result == OPTIONS_GO) {
        return options.command->run(&options);
    }
    return result == OPTIONS_DONE ? EX_OK : EX_USAGE;
}

int main(int argc, char **argv)
{
    exit(serve(argc, argv));
}
