/* SPDX-License-Identifier: MIT */
/* `permit set` and `delete`. */

#include <stdio.h>
#include <unistd.h>

#include "commands.h"
#include "exit_code.h"
#include "json.h"
#include "report.h"

static int print_name(const struct options *options)
{
    cJSON *object = cJSON_CreateObject();

    if (!json_add_text(object, "name", options->semaphore)) {
        cJSON_Delete(object);
        object = NULL;
    }
    return report_json(options, object);
}

int set_command(const struct options *options)
{
    struct permit_client *client;
    enum permit_status status = report_connect(options, &client);
    int code;

    if (status != PERMIT_OK) {
        return exit_code_of(status);
    }
    code = report_status(
        options, client,
        permit_define(client, options->semaphore, &options->definition));
    if (code == 0 && options->json) {
        code = print_name(options);
    }
    permit_client_destroy(client);
    return code;
}

/* Asks whoever sits at a terminal. */
static bool is_meant(const struct options *options)
{
    char answer[16];

    if (options->yes || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return true;
    }
    (void)fprintf(stderr, "delete %s? [y/N] ", options->semaphore);
    return fgets(answer, sizeof(answer), stdin) != NULL &&
           (answer[0] == 'y' || answer[0] == 'Y');
}

int delete_command(const struct options *options)
{
    struct permit_client *client;
    enum permit_status status;
    int code;

    if (!is_meant(options)) {
        return report_status(options, NULL, PERMIT_E_CANCELLED);
    }
    status = report_connect(options, &client);
    if (status != PERMIT_OK) {
        return exit_code_of(status);
    }
    code = report_status(
        options, client,
        permit_delete(client, options->semaphore, options->force));
    if (code == 0 && options->json) {
        code = print_name(options);
    }
    permit_client_destroy(client);
    return code;
}
