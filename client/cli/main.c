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
    const char *name;

    options_init(&options);
    result = options_parse_global(argc, argv, &options);
    if (result == OPTIONS_GO && options.command_index == 0) {
        return fail(&options, "which command? See ", "permit --help", "");
    }
    if (result == OPTIONS_GO) {
        name = argv[options.command_index];
        options.command = commands_find(name);
        if (options.command == NULL) {
            return commands_is_unserved(name)
                       ? fail(&options, "", name, " is not served yet")
                       : fail(&options, "no such command: ", name, "");
        }
        result = options_parse(argc - options.command_index,
                               argv + options.command_index, &options);
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
