/* SPDX-License-Identifier: MIT */
/* `permit renew` and `verify`. */

#include <stdlib.h>

#include "commands.h"
#include "control.h"
#include "exit_code.h"
#include "json.h"
#include "options_read.h"
#include "report.h"

static int print_grant(const struct options *options, uint64_t grant_id)
{
    cJSON *object = cJSON_CreateObject();

    if (!json_add_id(object, "grant_id", grant_id)) {
        cJSON_Delete(object);
        object = NULL;
    }
    return report_json(options, object);
}

int renew_command(const struct options *options)
{
    const char *name = getenv("PERMIT_CONTROL");
    const char *grant = getenv("PERMIT_GRANT");
    char text[CONTROL_TEXT_BYTES];
    enum permit_status status;
    uint64_t grant_id;

    if (name == NULL || grant == NULL ||
        !options_read_number(grant, UINT64_MAX, &grant_id)) {
        report_error(options, permit_status_reason(PERMIT_E_INVALID),
                     "only a command of permit run --hold can renew its hold");
        return EX_USAGE;
    }
    status = control_ask(name, grant_id, options->hold_ms, text);
    if (status != PERMIT_OK) {
        report_error(options, permit_status_reason(status), "%s", text);
        return exit_code_of(status);
    }
    return options->json ? print_grant(options, grant_id) : EX_OK;
}

int verify_command(const struct options *options)
{
    struct permit_client *client;
    enum permit_status status = report_connect(options, &client);
    int code;

    if (status != PERMIT_OK) {
        return exit_code_of(status);
    }
    code =
        report_status(options, client,
                      permit_verify(client, options->grant_id, options->fence));
    permit_client_destroy(client);
    return code == EX_OK && options->json
               ? print_grant(options, options->grant_id)
               : code;
}
