#include "line/lib.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT    8085
#define RETRIES 3

unsigned cline_api_version(void)
{
    return CLINE_API_VERSION;
}

const char *cline_code_text(int code)
{
    return line_code_text(code);
}

const char *cline_code_action(int code, unsigned n)
{
    const struct line_code_row *row = line_code_row(code);
    return row != NULL && n < LINE_CODE_ACTIONS_MAX && row->actions[n] != 0
               ? line_actions[row->actions[n]]
               : NULL;
}

int lib_done(struct cline_error *error)
{
    if (error != NULL)
        *error = (struct cline_error){0};
    return CLINE_OK;
}

int lib_fail(struct cline_error *error, const struct line_fault *fault)
{
    int code = fault->code != LINE_OK ? (int)fault->code : (int)LINE_UNKNOWN;
    if (error != NULL) {
        error->code = code;
        (void)snprintf(error->text, sizeof error->text, "%s", fault->text);
    }
    return code;
}

static int wrong(struct cline_error *error, const char *text)
{
    struct line_fault fault = {0};
    (void)line_fail(&fault, LINE_ARGUMENTS, "%s", text);
    return lib_fail(error, &fault);
}

int cline_server_open(const struct cline_server_config *config, struct cline_server **ret_server,
                      struct cline_error *error)
{
    struct line_fault fault = {0};
    if (ret_server == NULL)
        return wrong(error, "no place for the handle");
    *ret_server = NULL;
    if (config == NULL || config->size != sizeof *config || config->host == NULL ||
        config->cache == NULL)
        return wrong(error, "size, host and cache of the configuration are wanted");
    if (config->plain == 0 && config->profile == NULL)
        return wrong(error, "a profile is wanted for TLS");
    struct cline_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        (void)line_fail(&fault, LINE_UNKNOWN, "out of memory");
        return lib_fail(error, &fault);
    }
    const struct line_http_config http = {.host = config->host,
                                          .port = config->port != 0 ? config->port : PORT,
                                          .plain = config->plain != 0,
                                          .profile = config->profile,
                                          .cache = config->cache,
                                          .path_from = config->path_trans_from,
                                          .path_to = config->path_trans_to,
                                          .timeout_ms = config->timeout_ms,
                                          .retries = RETRIES};
    if (line_http_server_new(&http, &server->server, &fault) != ERR_OK) {
        free(server);
        return lib_fail(error, &fault);
    }
    *ret_server = server;
    return lib_done(error);
}

void cline_server_close(struct cline_server *server)
{
    if (server == NULL)
        return;
    line_server_freep(&server->server);
    free(server);
}

/* ---- a device ---- */

static void on_progress(void *ctx, const char *stage, uint32_t done, uint32_t total)
{
    const struct cline_job *job = ctx;
    if (job->progress != NULL)
        job->progress(job->context, stage, done, total);
}

static void on_log(void *ctx, enum log_level level, const char *text)
{
    const struct cline_job *job = ctx;
    if (job->log != NULL)
        job->log(job->context, (int)level, text);
}

static int refuse(struct cline_outcome *outcome, enum line_code code, const char *text)
{
    outcome->code = (int)code;
    (void)snprintf(outcome->text, sizeof outcome->text, "%s", text);
    return outcome->code;
}

static int run(struct cline_server *server, const struct cline_job *from,
               const struct line_ota *ota, struct cline_outcome *ret_outcome)
{
    struct line_outcome outcome;
    struct cline_job copy = *from;
    const struct line_job job = {
        .server = server->server,
        .port = from->device,
        .baud = from->baud,
        .wrapper = from->wrapper,
        .operation = (enum line_operation)from->operation,
        .choice = {.id = from->config_id, .alias = from->config_alias},
        .batch = from->batch,
        .factory_config = from->factory_config != 0,
        .skip_keys = from->skip_keys != 0,
        .skip_lock = from->skip_lock != 0,
        .partial_host_id = from->partial_mcm_id,
        .ota = ota,
        .join_timeout_s = from->timeout,
        .operator= from->operator_name,
        .hooks = {.ctx = &copy, .progress = on_progress, .log = on_log},
    };
    (void)line_procedure_run(&job, &outcome);
    ret_outcome->code = (int)outcome.code;
    ret_outcome->locked = outcome.locked;
    ret_outcome->keyed = outcome.keyed;
    ret_outcome->node_id = outcome.node_id;
    ret_outcome->seconds = outcome.seconds;
    (void)snprintf(ret_outcome->run, sizeof ret_outcome->run, "%s", outcome.run);
    (void)snprintf(ret_outcome->text, sizeof ret_outcome->text, "%s", outcome.text);
    return ret_outcome->code;
}

int cline_provision(struct cline_server *server, const struct cline_job *job,
                    struct cline_outcome *ret_outcome)
{
    struct line_fault fault = {0};
    AUTO(line_ota_freep) struct line_ota *ota = NULL;
    if (ret_outcome == NULL)
        return CLINE_ARGUMENTS;
    *ret_outcome = (struct cline_outcome){0};
    if (server == NULL || job == NULL || job->size != sizeof *job || job->device == NULL ||
        job->operation < CLINE_PROVISION || job->operation > CLINE_POSTTEST)
        return refuse(ret_outcome, LINE_ARGUMENTS, "server, size, device and operation are wanted");
    if (job->operation == CLINE_PRETEST || job->operation == CLINE_POSTTEST) {
        const struct line_ota_config config = {
            .host = job->gateway, .port = job->control_port, .one_x = job->csys_1_x != 0};
        if (line_ota_new(&config, &ota, &fault) != ERR_OK)
            return refuse(ret_outcome, fault.code, fault.text);
    }
    return run(server, job, ota, ret_outcome);
}
