#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "programs/claviger-provision/provision.h"

#define RETRIES    3
#define FIXTURE_MS 500 /* how often an empty fixture is looked at */

struct station {
    const struct settings *settings;
    struct output *output;
    const atomic_bool *stop;
    size_t port; /* index */
    pthread_t thread;
    bool started;
    enum line_code code;
};

static void on_progress(void *ctx, const char *stage, uint32_t done, uint32_t total)
{
    const struct station *station = ctx;
    output_progress(station->output, station->port, stage, done, total);
}

static void on_log(void *ctx, enum log_level level, const char *text)
{
    const struct station *station = ctx;
    output_log(station->output, station->port, level, text);
}

static void on_device(void *ctx, uint64_t node_id)
{
    const struct station *station = ctx;
    output_device(station->output, station->port, node_id);
}

static enum err open_server(const struct settings *s, struct line_server **ret_server,
                            struct line_fault *fault)
{
    const struct line_http_config config = {.host = s->host,
                                            .port = s->port,
                                            .plain = s->plain,
                                            .profile = s->profile,
                                            .cache = s->cache,
                                            .path_from = s->path_from,
                                            .path_to = s->path_to,
                                            .retries = RETRIES};
    return line_http_server_new(&config, ret_server, fault);
}

static void job_of(struct station *station, struct line_server *server, const struct line_ota *ota,
                   struct line_job *ret_job)
{
    const struct settings *s = station->settings;
    *ret_job = (struct line_job){
        .server = server,
        .port = s->ports[station->port],
        .baud = s->baud,
        .wrapper = s->wrapper,
        .operation = s->operation,
        .choice = s->choice,
        .batch = s->batch,
        .factory_config = s->factory_config,
        .skip_keys = s->skip_keys,
        .skip_lock = s->skip_lock,
        .partial_host_id = s->partial_host_id,
        .ota = ota,
        .join_timeout_s = s->join_timeout_s,
        .operator= s->operator,
        .hooks = {.ctx = station, .progress = on_progress, .log = on_log, .device = on_device},
        .cancel = station->stop,
    };
}

/* False where it is time to end. */
static bool wait_for_device(const struct station *station, const struct line_job *job, bool there)
{
    const struct timespec pause = {.tv_nsec = (long)FIXTURE_MS * 1000000};
    while (!atomic_load(station->stop)) {
        if (line_device_is_there(job) == there)
            return true;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

static enum line_code one_device(struct station *station, const struct line_job *job)
{
    struct line_outcome outcome;
    enum line_code code = line_procedure_run(job, &outcome);
    output_result(station->output, station->port, &outcome);
    return code;
}

static void loop(struct station *station, const struct line_job *job)
{
    for (;;) {
        output_progress(station->output, station->port, "waiting for a device", 0, 0);
        if (!wait_for_device(station, job, true))
            return;
        enum line_code code = one_device(station, job);
        if (station->code == LINE_OK)
            station->code = code;
        output_progress(station->output, station->port, "take the device off", 0, 0);
        if (!wait_for_device(station, job, false))
            return;
    }
}

static void *serve(void *arg)
{
    struct station *station = arg;
    struct line_fault fault = {0};
    struct line_job job;
    AUTO(line_server_freep) struct line_server *server = NULL;
    AUTO(line_ota_freep) struct line_ota *ota = NULL;
    enum line_operation operation = station->settings->operation;
    enum err err = open_server(station->settings, &server, &fault);
    if (err == ERR_OK && (operation == LINE_PRETEST || operation == LINE_POSTTEST))
        err = line_ota_new(&station->settings->gateway, &ota, &fault);
    if (err != ERR_OK) {
        struct line_outcome outcome = {.code = fault.code};
        (void)snprintf(outcome.text, sizeof outcome.text, "%s", fault.text);
        output_log(station->output, station->port, LOG_LEVEL_ERROR, fault.text);
        output_result(station->output, station->port, &outcome);
        station->code = fault.code;
        return NULL;
    }
    job_of(station, server, ota, &job);
    if (station->settings->loop)
        loop(station, &job);
    else
        station->code = one_device(station, &job);
    return NULL;
}

enum line_code stations_run(const struct settings *settings, struct output *output,
                            const atomic_bool *stop)
{
    struct station *stations = calloc(settings->ports_len, sizeof *stations);
    enum line_code first = LINE_OK;
    if (stations == NULL)
        return LINE_UNKNOWN;
    for (size_t i = 0; i < settings->ports_len; i++) {
        struct station *station = &stations[i];
        *station = (struct station){
            .settings = settings, .output = output, .stop = stop, .port = i, .code = LINE_OK};
        station->started = pthread_create(&station->thread, NULL, serve, station) == 0;
        if (!station->started)
            station->code = LINE_UNKNOWN;
    }
    for (size_t i = 0; i < settings->ports_len; i++) {
        if (stations[i].started)
            (void)pthread_join(stations[i].thread, NULL);
        if (first == LINE_OK)
            first = stations[i].code;
    }
    free(stations);
    return first;
}
