/* SPDX-License-Identifier: MIT */
/* `permit ping`. */

#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "commands.h"
#include "exit_code.h"
#include "report.h"

static double now_seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int print_times(const struct options *options, double min, double sum,
                       double max)
{
    cJSON *object;

    if (!options->json) {
        if (!options->quiet) {
            (void)printf("%u round trip%s, min/avg/max %.3f/%.3f/%.3f ms\n",
                         options->count, options->count == 1 ? "" : "s",
                         min * 1e3, sum / options->count * 1e3, max * 1e3);
        }
        return EX_OK;
    }
    object = cJSON_CreateObject();
    if (cJSON_AddNumberToObject(object, "count", options->count) == NULL ||
        cJSON_AddNumberToObject(object, "min_seconds", min) == NULL ||
        cJSON_AddNumberToObject(object, "avg_seconds", sum / options->count) ==
            NULL ||
        cJSON_AddNumberToObject(object, "max_seconds", max) == NULL) {
        cJSON_Delete(object);
        object = NULL;
    }
    return report_json(options, object);
}

int ping_command(const struct options *options)
{
    int interval_ms =
        options->interval_ms < 86400000 ? (int)options->interval_ms : 86400000;
    struct permit_client *client;
    enum permit_status status = report_connect(options, &client);
    double min = 0;
    double sum = 0;
    double max = 0;

    if (status != PERMIT_OK) {
        return exit_code_of(status);
    }
    for (uint32_t i = 0; i < options->count && status == PERMIT_OK; i++) {
        double began = now_seconds();
        double took;

        status = permit_ping(client);
        took = now_seconds() - began;
        min = i == 0 || took < min ? took : min;
        max = took > max ? took : max;
        sum += took;
        if (i + 1 < options->count && status == PERMIT_OK) {
            (void)poll(NULL, 0, interval_ms);
        }
    }
    if (status != PERMIT_OK) {
        (void)report_status(options, client, status);
    }
    permit_client_destroy(client);
    return status == PERMIT_OK ? print_times(options, min, sum, max)
                               : exit_code_of(status);
}
