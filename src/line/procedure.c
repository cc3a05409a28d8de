#include "line/procedure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/hex.h"
#include "crypto/random.h"
#include "line/procedure_run.h"

#define JOIN_S    600
#define JOIN_POLL 1000

void run_log(const struct run *run, enum log_level level, const char *format, ...)
{
    char text[512];
    va_list args;
    if (run->job->hooks.log == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    run->job->hooks.log(run->job->hooks.ctx, level, text);
}

void run_stage(struct run *run, const char *stage, uint32_t done, uint32_t total)
{
    const struct line_hooks *hooks = &run->job->hooks;
    if (run->stage != stage)
        run_log(run, LOG_LEVEL_DEBUG, "stage: %s", stage);
    run->stage = stage;
    if (hooks->progress != NULL)
        hooks->progress(hooks->ctx, stage, done, total);
}

void run_progress(void *ctx, uint32_t done, uint32_t total)
{
    struct run *run = ctx;
    run_stage(run, run->stage, done, total);
}

const char *run_target_name(const struct run_target *target)
{
    return target->name;
}

enum line_code run_code(const struct run_target *target, enum line_code node, enum line_code host)
{
    return target->number == 0 ? node : host;
}

/* ---- the operations ---- */

static enum err lock(struct run *run)
{
    if (run->job->skip_lock || run->job->skip_keys || run->locked)
        return ERR_OK;
    run_stage(run, "lock", 0, 0);
    TRY(line_node_lock(run->node, &run->fault));
    run->locked = true;
    return ERR_OK;
}

static enum err provision(struct run *run, bool factory)
{
    if (!run->job->skip_keys)
        TRY(run_compare_keys(run));
    TRY(run_check_files(run, true, factory));
    TRY(run_firmware(run));
    TRY(run_config(run, factory));
    if (!run->job->skip_keys)
        TRY(run_keys(run));
    TRY(run_verify(run, factory));
    return lock(run);
}

static enum err pretest(struct run *run)
{
    TRY(run_check_files(run, true, true));
    TRY(run_firmware(run));
    TRY(run_config(run, true));
    TRY(run_verify(run, true));
    run_stage(run, "clear status", 0, 0);
    TRY(line_node_status_clear(run->node, &run->fault));
    return line_ota_clear(run->job->ota, run->identity.node_id, &run->fault);
}

static bool is_cancelled(const struct line_job *job)
{
    return job->cancel != NULL && atomic_load(job->cancel);
}

static void pause_ms(unsigned ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000},
                    NULL);
}

/* One question. A gateway that answered before and is away now may be back at the next one. */
static enum err ask_gateway(struct run *run, bool *answered, bool last,
                            enum line_gateway_join *ret_join)
{
    struct line_fault fault = {0};
    enum err err = line_ota_status(run->job->ota, run->identity.node_id, ret_join, &fault);
    if (err == ERR_OK)
        *answered = true;
    if (err == ERR_OK || last || !*answered || fault.code != LINE_GATEWAY_UNREACHABLE) {
        run->fault = fault;
        return err;
    }
    run_log(run, LOG_LEVEL_INFO, "asked again: %s", fault.text);
    return ERR_OK;
}

/* Until the gateway says that the device joined. */
static enum err wait_for_join(struct run *run)
{
    const struct line_job *job = run->job;
    uint32_t most = job->join_timeout_s != 0 ? job->join_timeout_s : JOIN_S;
    uint64_t begun = clock_mono_ns();
    for (bool answered = false;;) {
        enum line_gateway_join join = LINE_GATEWAY_UNKNOWN;
        uint32_t seconds = (uint32_t)((clock_mono_ns() - begun) / 1000000000u);
        bool last = seconds >= most || is_cancelled(job);
        run_stage(run, "over the air", seconds < most ? seconds : most, most);
        TRY(ask_gateway(run, &answered, last, &join));
        if (join == LINE_GATEWAY_JOINED)
            return ERR_OK;
        if (join == LINE_GATEWAY_REFUSED)
            return line_fail(&run->fault, LINE_NOT_JOINED, "the gateway refused the device");
        if (seconds >= most)
            return line_fail(&run->fault, LINE_NOT_JOINED, "not within %u seconds", most);
        if (last)
            return line_fail(&run->fault, LINE_NOT_JOINED, "the wait was ended");
        pause_ms(job->join_poll_ms != 0 ? job->join_poll_ms : JOIN_POLL);
    }
}

static enum err posttest(struct run *run)
{
    TRY(run_compare_keys(run));
    TRY(run_check_files(run, false, false));
    if (!run->tested) {
        TRY(run_check_config(run, true));
        TRY(wait_for_join(run));
    }
    TRY(run_config(run, false));
    TRY(run_keys(run));
    TRY(run_verify(run, false));
    return lock(run);
}

static enum err operate(struct run *run)
{
    switch (run->job->operation) {
    case LINE_PROVISION: return provision(run, run->job->factory_config);
    case LINE_PRETEST: return pretest(run);
    case LINE_CHECKCONFIG: return run_check_config(run, false);
    case LINE_POSTTEST: return posttest(run);
    }
    return line_fail(&run->fault, LINE_ARGUMENTS, "no such operation");
}

/* ---- the run around it ---- */

enum err line_run_id(char to[LINE_RUN_MAX], struct line_fault *fault)
{
    uint8_t b[16];
    char hex[2 * sizeof b + 1];
    TRY(line_fail_err(fault, LINE_UNKNOWN, "run", random_bytes(b, sizeof b), NULL));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    hex_encode(BYTES(b), hex);
    (void)snprintf(to, LINE_RUN_MAX, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
    return ERR_OK;
}

static enum err begin(struct run *run)
{
    const struct line_job *job = run->job;
    run_stage(run, "configuration of the server", 0, 0);
    TRY(line_run_id(run->id, &run->fault));
    TRY(job->server->ops->config(job->server, &job->choice, &run->package, &run->fault));
    run->has_package = true;
    run_log(run, LOG_LEVEL_INFO, "run %s: %s, batch %u, configuration 0x%016llx revision %u (%s)",
            run->id, line_operation_name(job->operation), job->batch,
            (unsigned long long)run->package.config_id, run->package.revision, run->package.label);
    const struct line_begin told = {.run = run->id,
                                    .operation = job->operation,
                                    .config_id = run->package.config_id,
                                    .revision = run->package.revision,
                                    .batch = job->batch,
                                    .operator= job->operator,
                                    .port = job->port };
    TRY(job->server->ops->begin(job->server, &told, &run->fault));
    run->begun = true;
    return ERR_OK;
}

static enum err work(struct run *run)
{
    bool ota = run->job->operation == LINE_PRETEST || run->job->operation == LINE_POSTTEST;
    if (ota && run->job->ota == NULL)
        return line_fail(&run->fault, LINE_ARGUMENTS, "a gateway is wanted");
    TRY(begin(run));
    TRY(run_identify(run));
    TRY(run_look(run));
    return operate(run);
}

/* Tell the server how it ended. A failure of its own counts only where there was none before. */
static enum err tell_end(struct run *run, double seconds)
{
    struct line_version before[LINE_VERSIONS_MAX], after[LINE_VERSIONS_MAX];
    struct line_fault fault = {0};
    for (size_t i = 0; i < run->targets_len; i++) {
        const struct run_target *target = &run->targets[i];
        const char *was = *target->before != '\0' ? target->before : NULL;
        const char *is = *target->is.version != '\0' ? target->is.version : NULL;
        before[i] = (struct line_version){target->name, was};
        after[i] = (struct line_version){target->name, is};
    }
    const struct line_end end = {
        .run = run->id,
        .code = (int)run->fault.code,
        .node_id = run->identified ? run->identity.node_id : 0,
        .node_type = run->identified ? run->identity.type : NULL,
        .hardware = run->identified ? run->identity.hardware : NULL,
        .before = before,
        .after = after,
        .versions_len = run->targets_len,
        .locked = run->locked,
        .kcv = run->has_kcv ? run->kcv : NULL,
        .seconds = seconds,
        .text = *run->fault.text != '\0' ? run->fault.text : NULL,
    };
    enum err err = run->job->server->ops->end(run->job->server, &end, &fault);
    if (err != ERR_OK) {
        run_log(run, LOG_LEVEL_WARN, "the end of the run is not recorded: %s", fault.text);
        if (run->fault.code == LINE_OK)
            run->fault = fault;
    }
    return err;
}

static void run_donep(struct run **run)
{
    if (*run == NULL)
        return;
    line_node_close((*run)->node);
    if ((*run)->has_package)
        line_package_done(&(*run)->package);
    free(*run);
}

enum line_code line_procedure_run(const struct line_job *job, struct line_outcome *ret_outcome)
{
    struct line_outcome outcome = {.code = LINE_UNKNOWN};
    uint64_t begun = clock_mono_ns();
    AUTO(run_donep) struct run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        (void)snprintf(outcome.text, sizeof outcome.text, "out of memory");
        *ret_outcome = outcome;
        return outcome.code;
    }
    run->job = job;
    enum err err = work(run);
    if (err != ERR_OK && run->fault.code == LINE_OK)
        (void)line_fail_err(&run->fault, LINE_UNKNOWN, "", err, NULL);
    outcome.seconds = (double)(clock_mono_ns() - begun) / 1e9;
    if (run->begun)
        (void)tell_end(run, outcome.seconds);
    outcome.code = run->fault.code;
    (void)snprintf(outcome.text, sizeof outcome.text, "%s", run->fault.text);
    memcpy(outcome.run, run->id, sizeof outcome.run);
    outcome.node_id = run->identified ? run->identity.node_id : 0;
    outcome.locked = run->locked;
    outcome.keyed = run->keyed;
    run_log(run, outcome.code == LINE_OK ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
            "run %s ended with %d (%s)%s%s", run->id, (int)outcome.code,
            line_code_text((int)outcome.code), *outcome.text != '\0' ? ": " : "", outcome.text);
    *ret_outcome = outcome;
    return outcome.code;
}

bool line_device_is_there(const struct line_job *job)
{
    struct line_fault fault = {0};
    struct line_identity identity;
    AUTO(line_node_closep) struct line_node *node = NULL;
    const struct line_node_config config = {.port = job->port,
                                            .baud = job->baud,
                                            .wrapper = job->wrapper,
                                            .timeout_ms = job->answer_ms,
                                            .tries = 1};
    return line_node_open(&config, &node, &fault) == ERR_OK &&
           line_node_identify(node, &identity, &fault) == ERR_OK;
}
