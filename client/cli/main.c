/* SPDX-License-Identifier: MIT */
/* `permit`: permits of a permitd from the shell. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "commands.h"
#include "defaults.h"
#include "descriptors.h"
#include "options.h"
#include "report.h"

static int fail(const struct options *options, const char *before,
                const char *name, const char *after)
{
    report_error(options, permit_status_reason(PERMIT_E_INVALID), "%s%s%s",
                 before, name, after);
    return EX_USAGE;
}

static int serve(int argc, char **argv, struct options *options,
                 const char *wrong_defaults)
{
    enum options_result result = options_parse_global(argc, argv, options);
    const char *name;

    if (result == OPTIONS_GO && options->command_index == 0) {
        return fail(options, "which command? See ", "permit --help", "");
    }
    if (result == OPTIONS_GO) {
        name = argv[options->command_index];
        options->command = commands_find(name);
        if (options->command == NULL) {
            options->json = options->json || options_ask_for_json(argc, argv);
            return commands_is_unserved(name)
                       ? fail(options, "", name, " is not served yet")
                       : fail(options, "no such command: ", name,
                              ". See permit --help");
        }
        result = options_parse(argc - options->command_index,
                               argv + options->command_index, options);
    }
    /* Now it is known how to say it, and nobody only asks for --help. */
    if (result == OPTIONS_GO && *wrong_defaults != '\0') {
        report_error(options, "config", "%s", wrong_defaults);
        return EX_CONFIG;
    }
    if (result == OPTIONS_GO) {
        return options->command->run(options);
    }
    return result == OPTIONS_DONE ? EX_OK : EX_USAGE;
}

int main(int argc, char **argv)
{
    struct defaults *defaults;
    struct options options;
    char wrong[sizeof(options.error)] = "";
    int code;

    if (descriptors_reserve_standard() < 0) {
        exit(EX_SOFTWARE); /* Nothing of ours may get stderr's number. */
    }
    options_init(&options);
    if (!defaults_load(&options, &defaults)) {
        memcpy(wrong, options.error, sizeof(wrong));
        options.error[0] = '\0';
    }
    code = serve(argc, argv, &options, wrong);
    /* What a full disk has lost must not look like an answer. */
    if (code == EX_OK && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        report_error(&options, "output", "cannot write to stdout");
        code = EX_IOERR;
    }
    defaults_destroy(defaults);
    exit(code);
}
