#include <stdio.h>
#include <strings.h>

#include "base/hex.h"
#include "line/procedure_run.h"

enum err run_identify(struct run *run)
{
    const struct line_job *job = run->job;
    const struct line_node_config config = {.port = job->port,
                                            .baud = job->baud,
                                            .wrapper = job->wrapper,
                                            .timeout_ms = job->answer_ms,
                                            .on_progress = run_progress,
                                            .ctx = run};
    run_stage(run, "identify", 0, 0);
    TRY(line_node_open(&config, &run->node, &run->fault));
    TRY(line_node_identify(run->node, &run->identity, &run->fault));
    run->identified = true;
    run_log(run, LOG_LEVEL_INFO,
            "node 0x%08llx: type %s, version %s, hardware %s, %u host(s), flags 0x%x",
            (unsigned long long)run->identity.node_id, run->identity.type, run->identity.version,
            run->identity.hardware, run->identity.hosts, run->identity.flags);
    run->locked = (run->identity.flags & NODE_F_LOCKED) != 0;
    if (job->hooks.device != NULL)
        job->hooks.device(job->hooks.ctx, run->identity.node_id);
    return ERR_OK;
}

static enum err check_hardware(struct run *run)
{
    const char *type = run->package.node.type, *hardware = run->package.node.hardware;
    enum node_calibration calibration = NODE_UNCALIBRATED;
    uint16_t revision = 0;
    TRY(line_node_hardware(run->node, &run->hardware, &run->fault));
    if (strcmp(run->identity.type, type) != 0)
        return line_fail(&run->fault, LINE_NODE_FIRMWARE_FILE,
                         "the device is a %s, the configuration is for a %s", run->identity.type,
                         type);
    if (*hardware != '\0' && strcmp(run->hardware.type, hardware) != 0)
        return line_fail(&run->fault, LINE_NODE_HARDWARE,
                         "the device's hardware is %s, the configuration is for %s",
                         run->hardware.type, hardware);
    if (run->hardware.self_test != 0)
        return line_fail(&run->fault, LINE_NODE_HARDWARE,
                         "the device's own test of its hardware fails (0x%02x)",
                         run->hardware.self_test);
    TRY(line_node_calibration(run->node, &calibration, &revision, &run->fault));
    if (calibration != NODE_CALIBRATED)
        return line_fail(&run->fault, LINE_NODE_CALIBRATION,
                         calibration == NODE_UNCALIBRATED ? "the device is not calibrated"
                                                          : "the device's calibration is damaged");
    run_log(run, LOG_LEVEL_INFO, "hardware %s revision %u, calibration revision %u",
            run->hardware.type, run->hardware.revision, revision);
    return ERR_OK;
}

static bool ends_with(const struct line_target *target, const char *digits)
{
    char hex[2 * sizeof target->identifier + 1] = "";
    if (target->identifier_len != 0)
        hex_encode(bytes_of(target->identifier, target->identifier_len), hex);
    size_t len = strlen(hex), want = strlen(digits);
    return len >= want && strcasecmp(hex + len - want, digits) == 0;
}

static enum err check_host_id(struct run *run)
{
    if (run->job->partial_host_id == NULL)
        return ERR_OK;
    if (run->identity.hosts == 0)
        return line_fail(&run->fault, LINE_NO_HOST, "the device has no host, whose id could be %s",
                         run->job->partial_host_id);
    for (unsigned i = 1; i <= run->identity.hosts; i++) {
        struct line_target is;
        TRY(line_node_target(run->node, i, &is, &run->fault));
        if (ends_with(&is, run->job->partial_host_id))
            return ERR_OK;
    }
    return line_fail(&run->fault, LINE_HOST_VERIFY, "no host's id ends with %s",
                     run->job->partial_host_id);
}

/* A PRETEST, and a CHECKCONFIG after it, may be of a board that is in no meter yet. */
static enum err check_link(struct run *run, const struct run_target *target)
{
    enum line_operation operation = run->job->operation;
    if (!target->is.link_down)
        return ERR_OK;
    if (operation == LINE_PRETEST || operation == LINE_CHECKCONFIG) {
        run_log(run, LOG_LEVEL_INFO, "host %u ('%s') can't talk to its meter, if there is one",
                target->number, target->name);
        return ERR_OK;
    }
    return line_fail(&run->fault, LINE_APPLICATION, "host %u ('%s') can't talk to its meter",
                     target->number, target->name);
}

/* The application's host by its name; where the device tells no names, by its place. */
static enum err find_host(struct run *run, size_t place, struct run_target *target)
{
    for (unsigned i = 1; i <= run->identity.hosts; i++) {
        struct line_target is;
        TRY(line_node_target(run->node, i, &is, &run->fault));
        if (strcmp(is.name, target->name) == 0 || (is.name[0] == '\0' && i == place)) {
            target->number = i;
            target->is = is;
            (void)snprintf(target->before, sizeof target->before, "%s", is.version);
            return check_link(run, target);
        }
    }
    return line_fail(&run->fault, LINE_NO_HOST, "the device has no host '%s'", target->name);
}

enum err run_look(struct run *run)
{
    struct line_package *package = &run->package;
    struct run_target *node = &run->targets[0];
    run_stage(run, "look", 0, 0);
    *node = (struct run_target){
        .name = "node", .version = package->node.version, .files = &package->node.files};
    (void)snprintf(node->before, sizeof node->before, "%s", run->identity.version);
    run->targets_len = 1;
    TRY(check_hardware(run));
    TRY(line_node_target(run->node, 0, &node->is, &run->fault));
    TRY(check_host_id(run));
    for (size_t i = 0; i < package->apps_len; i++) {
        const struct line_app *app = &package->apps[i];
        struct run_target *target = &run->targets[i + 1];
        *target = (struct run_target){
            .name = app->name, .version = app->version, .files = &app->files, .key = app->key};
        run->targets_len = i + 2;
        TRY(find_host(run, i + 1, target));
        run_log(run, LOG_LEVEL_INFO, "host %u is %s, version %s", target->number, target->name,
                target->is.version);
    }
    return ERR_OK;
}

/* ---- is it what it should be? ---- */

static enum err check_version(struct run *run, const struct run_target *target, enum line_code node,
                              enum line_code host)
{
    if (*target->version == '\0' || strcmp(target->is.version, target->version) == 0)
        return ERR_OK;
    return line_fail(&run->fault, run_code(target, node, host), "%s: version %s, %s is wanted%s",
                     run_target_name(target), target->is.version, target->version,
                     node == LINE_NODE_VERSION ? "; run PRETEST first" : "");
}

static enum err has_config(struct run *run, const struct run_target *target,
                           const struct line_file *file, bool *ret_has)
{
    uint8_t hash[32];
    *ret_has = file == NULL;
    if (file == NULL || !target->is.has_config)
        return ERR_OK;
    TRY(run_file_hash(run, file, hash));
    *ret_has = memcmp(hash, target->is.config_hash, sizeof hash) == 0;
    return ERR_OK;
}

static enum err look_again(struct run *run)
{
    for (size_t i = 0; i < run->targets_len; i++) {
        struct run_target *target = &run->targets[i];
        TRY(line_node_target(run->node, target->number, &target->is, &run->fault));
        TRY(check_link(run, target));
    }
    return ERR_OK;
}

enum err run_verify(struct run *run, bool factory)
{
    run_stage(run, "verify", 0, 0);
    TRY(look_again(run));
    for (size_t i = 0; i < run->targets_len; i++) {
        const struct run_target *target = &run->targets[i];
        bool has = false;
        TRY(check_version(run, target, LINE_NODE_VERIFY, LINE_HOST_VERIFY));
        TRY(has_config(run, target, run_config_file(target, factory), &has));
        if (!has)
            return line_fail(&run->fault, run_code(target, LINE_NODE_VERIFY, LINE_HOST_VERIFY),
                             "%s: its configuration is not the one that was written",
                             run_target_name(target));
    }
    return ERR_OK;
}

enum err run_check_config(struct run *run, bool field_too)
{
    run_stage(run, "check", 0, 0);
    TRY(run_check_files(run, false, true));
    for (size_t i = 0; i < run->targets_len; i++) {
        const struct run_target *target = &run->targets[i];
        bool has = false;
        TRY(check_version(run, target, LINE_NODE_VERSION, LINE_HOST_VERIFY));
        TRY(has_config(run, target, run_config_file(target, true), &has));
        if (!has && field_too)
            TRY(has_config(run, target, run_config_file(target, false), &has));
        if (!has)
            return line_fail(&run->fault, run_code(target, LINE_NODE_CONFIG, LINE_HOST_VERIFY),
                             "%s: no PRETEST with this configuration was run; run it first",
                             run_target_name(target));
    }
    return ERR_OK;
}
