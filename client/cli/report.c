/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "exit_code.h"
#include "json.h"
#include "refusal.h"
#include "text.h"

#define SUBJECT_BYTES (PERMIT_PARTS_MAX * (PERMIT_NAME_BYTES + 2))
#define MESSAGE_BYTES (SUBJECT_BYTES + REFUSAL_BYTES + 512)

static void print_json_error(const char *reason, const char *message,
                             const struct permit_refusal *refusal)
{
    int64_t retry_after_ms = refusal == NULL ? 0 : refusal->retry_after_ms;
    cJSON *object = cJSON_CreateObject();
    cJSON *error = cJSON_AddObjectToObject(object, "error");
    char *text = NULL;

    if (error != NULL &&
        cJSON_AddStringToObject(error, "reason", reason) != NULL &&
        json_add_text(error, "message", message) &&
        json_add_seconds(error, "retry_after_seconds",
                         retry_after_ms > 0 ? retry_after_ms : -1) &&
        (refusal == NULL || refusal->position == 0 ||
         refusal_add_json(error, refusal))) {
        text = cJSON_PrintUnformatted(object);
    }
    (void)fprintf(stderr, "%s\n",
                  text == NULL ? "{\"error\":{\"reason\":\"nomem\"}}" : text);
    cJSON_free(text);
    cJSON_Delete(object);
}

static void say_error(const struct options *options, const char *reason,
                      const char *message, const struct permit_refusal *refusal)
{
    char escaped[4 * MESSAGE_BYTES];

    if (options->json) {
        print_json_error(reason, message, refusal);
        return;
    }
    (void)fprintf(stderr, "permit%s%s: %s\n",
                  options->command == NULL ? "" : " ",
                  options->command == NULL ? "" : options->command->name,
                  text_escape(escaped, sizeof(escaped), message));
}

void report_error(const struct options *options, const char *reason,
                  const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    say_error(options, reason, message, NULL);
}

int report_status(const struct options *options, struct permit_client *client,
                  enum permit_status status)
{
    return report_refused(options, client, status, NULL);
}

/* What a refusal is about: the semaphore that it names, or else all that were
 * asked for. */
static void name_subject(char *text, size_t bytes,
                         const struct options *options,
                         const struct permit_refusal *refusal)
{
    size_t at = 0;

    if (refusal != NULL && refusal->semaphore[0] != '\0') {
        (void)snprintf(text, bytes, "%s: ", refusal->semaphore);
        return;
    }
    for (size_t i = 0; i <= options->parts_count; i++) {
        const char *name =
            i == 0 ? options->semaphore : options->parts[i - 1].semaphore;

        at += (size_t)snprintf(text + at, bytes - at, "%s%s%s", name,
                               i < options->parts_count ? ", " : "",
                               i < options->parts_count ? "" : ": ");
    }
}

int report_refused(const struct options *options, struct permit_client *client,
                   enum permit_status status,
                   const struct permit_refusal *refusal)
{
    char subject[SUBJECT_BYTES] = "";
    char words[REFUSAL_BYTES] = "";
    char detail[512] = "";
    char message[MESSAGE_BYTES];

    if (status == PERMIT_OK) {
        return EX_OK;
    }
    if (client != NULL) {
        permit_client_last_error(client, detail, sizeof(detail));
    }
    if (options->semaphore != NULL) {
        name_subject(subject, sizeof(subject), options, refusal);
    }
    if (refusal != NULL && !options->json) {
        (void)refusal_words(words, refusal);
    }
    (void)snprintf(message, sizeof(message), "%s%s%s", subject,
                   detail[0] == '\0' ? permit_strerror(status) : detail, words);
    say_error(options, permit_status_reason(status), message, refusal);
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

enum permit_status report_try_connect(const struct options *options,
                                      int64_t timeout_ms,
                                      struct permit_client **ret_client,
                                      char *text, size_t text_bytes)
{
    struct permit_options own = PERMIT_OPTIONS_INIT;
    enum permit_status status;

    own.server = options->server;
    own.name = options->name;
    own.purpose = options->purpose;
    own.connect_timeout_ms = timeout_ms;
    if (options->linger_ms != OPTIONS_DURATION_UNSET) {
        own.linger_ms = options->linger_ms;
    }
    own.heartbeat_ms = options->heartbeat_ms;
    text[0] = '\0';
    status = permit_client_create(&own, ret_client, text, text_bytes);
    if (status == PERMIT_OK) {
        report_note(options, true, "session %" PRIu64,
                    permit_client_session_id(*ret_client));
    } else if (text[0] == '\0') {
        (void)snprintf(text, text_bytes, "%s", permit_strerror(status));
    }
    return status;
}

enum permit_status report_connect(const struct options *options,
                                  struct permit_client **ret_client)
{
    const struct permit_options defaults = PERMIT_OPTIONS_INIT;
    char text[MESSAGE_BYTES];
    enum permit_status status = report_try_connect(
        options, defaults.connect_timeout_ms, ret_client, text, sizeof(text));

    if (status != PERMIT_OK) {
        report_error(options, permit_status_reason(status), "%s", text);
    }
    return status;
}
