/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "exit_code.h"
#include "json.h"
#include "text.h"

#define MESSAGE_BYTES 1024

static void print_json_error(const char *reason, const char *message)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *error = cJSON_AddObjectToObject(object, "error");
    char *text = NULL;

    if (error != NULL &&
        cJSON_AddStringToObject(error, "reason", reason) != NULL &&
        json_add_text(error, "message", message) &&
        cJSON_AddNullToObject(error, "retry_after_seconds") != NULL) {
        text = cJSON_PrintUnformatted(object);
    }
    (void)fprintf(stderr, "%s\n",
                  text == NULL ? "{\"error\":{\"reason\":\"nomem\"}}" : text);
    cJSON_free(text);
    cJSON_Delete(object);
}

void report_error(const struct options *options, const char *reason,
                  const char *format, ...)
{
    char message[MESSAGE_BYTES];
    char escaped[4 * MESSAGE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (options->json) {
        print_json_error(reason, message);
        return;
    }
    (void)fprintf(stderr, "permit%s%s: %s\n",
                  options->command == NULL ? "" : " ",
                  options->command == NULL ? "" : options->command->name,
                  text_escape(escaped, sizeof(escaped), message));
}

int report_status(const struct options *options, struct permit_client *client,
                  enum permit_status status)
{
    char detail[MESSAGE_BYTES] = "";

    if (status == PERMIT_OK) {
        return EX_OK;
    }
    if (client != NULL) {
        permit_client_last_error(client, detail, sizeof(detail));
    }
    report_error(options, permit_status_reason(status), "%s%s%s",
                 options->semaphore == NULL ? "" : options->semaphore,
                 options->semaphore == NULL ? "" : ": ",
                 detail[0] == '\0' ? permit_strerror(status) : detail);
    return exit_code_of(status);
}

void report_note(const struct options *options, bool verbose,
                 const char *format, ...)
{
    char message[MESSAGE_BYTES];
    char escaped[4 * MESSAGE_BYTES];
    va_list arguments;

    if (options->quiet || options->json || (verbose && !options->verbose)) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "permit: %s\n",
                  text_escape(escaped, sizeof(escaped), message));
}

int report_json(const struct options *options, cJSON *object)
{
    char *text = object == NULL ? NULL : cJSON_PrintUnformatted(object);
    int code = EX_OK;

    if (text == NULL) {
        code = report_status(options, NULL, PERMIT_E_NOMEM);
    } else if (printf("%s\n", text) < 0 || fflush(stdout) != 0) {
        report_error(options, "output", "cannot write to stdout");
        code = EX_IOERR;
    }
    cJSON_free(text);
    cJSON_Delete(object);
    return code;
}

enum permit_status report_connect(const struct options *options,
                                  struct permit_client **ret_client)
{
    struct permit_options own = PERMIT_OPTIONS_INIT;
    char error[MESSAGE_BYTES] = "";
    enum permit_status status;

    own.server = options->server;
    own.name = options->name;
    own.purpose = options->purpose;
    status = permit_client_create(&own, ret_client, error, sizeof(error));
    if (status != PERMIT_OK) {
        report_error(options, permit_status_reason(status), "%s",
                     error[0] == '\0' ? permit_strerror(status) : error);
        return status;
    }
    report_note(options, true, "session %" PRIu64,
                permit_client_session_id(*ret_client));
    return PERMIT_OK;
}
