#include <stdio.h>

#include "crypto/hash.h"
#include "line/procedure_run.h"

#define RESET_MS 60000

const struct line_file *run_config_file(const struct run_target *target, bool factory)
{
    const struct line_files *files = target->files;
    const struct line_file *file = factory ? &files->factory_config : &files->field_config;
    return line_file_is(file) ? file : NULL;
}

static enum err fetch(struct run *run, const struct line_file *file, struct buf *to)
{
    struct line_server *server = run->job->server;
    return server->ops->file(server, &run->package, file, to, NULL, &run->fault);
}

enum err run_file_hash(struct run *run, const struct line_file *file, uint8_t ret_hash[32])
{
    AUTO(buf_done) struct buf content = {0};
    if (file->has_sha256) {
        memcpy(ret_hash, file->sha256, sizeof file->sha256);
        return ERR_OK;
    }
    TRY(fetch(run, file, &content));
    struct bytes view = buf_view(&content);
    return line_fail_err(&run->fault, LINE_UNKNOWN, file->name, hash_sha256(&view, 1, ret_hash),
                         NULL);
}

/* A locked device takes nothing any more: said here, once, for a person. */
static enum err check_open(struct run *run, const char *what)
{
    if (!run->locked)
        return ERR_OK;
    return line_fail(&run->fault, LINE_NODE_ERROR,
                     "the device is locked and takes no %s; a locked device can't be provisioned "
                     "anew",
                     what);
}

static enum err send_file(struct run *run, const struct run_target *target,
                          const struct line_file *file, const struct line_transfer_spec *spec)
{
    AUTO(buf_done) struct buf content = {0};
    struct line_transfer_spec whole = *spec;
    TRY(check_open(run, spec->kind == NODE_FIRMWARE ? "firmware" : "configuration"));
    TRY(fetch(run, file, &content));
    whole.target = target->number;
    whole.data = buf_view(&content);
    run_log(run, LOG_LEVEL_INFO, "%s: %s (%zu bytes) is written", run_target_name(target),
            file->name, content.len);
    return line_node_transfer(run->node, &whole, &run->fault);
}

/* ---- firmware ---- */

static bool is_other_version(const struct run_target *target)
{
    return *target->version != '\0' && strcmp(target->is.version, target->version) != 0;
}

static enum err check_firmware_file(struct run *run, const struct run_target *target)
{
    if (line_file_is(&target->files->firmware) || !is_other_version(target))
        return ERR_OK;
    return line_fail(&run->fault,
                     run_code(target, LINE_NODE_FIRMWARE_FILE, LINE_HOST_FIRMWARE_FILE),
                     "%s: version %s, %s is wanted, and the package has no firmware",
                     run_target_name(target), target->is.version, target->version);
}

static enum err needs_firmware(struct run *run, const struct run_target *target, bool *ret_needs)
{
    const struct line_file *file = &target->files->firmware;
    uint8_t hash[32];
    TRY(check_firmware_file(run, target));
    *ret_needs = is_other_version(target);
    if (*ret_needs || !line_file_is(file) || !target->is.has_firmware_hash)
        return ERR_OK;
    TRY(run_file_hash(run, file, hash));
    *ret_needs = memcmp(hash, target->is.firmware_hash, sizeof hash) != 0;
    return ERR_OK;
}

static enum err restart(struct run *run)
{
    run_stage(run, "restart", 0, 0);
    return line_node_reset(run->node, RESET_MS, &run->identity, &run->fault);
}

static enum err load_firmware(struct run *run, struct run_target *target)
{
    bool needs = false;
    TRY(needs_firmware(run, target, &needs));
    if (!needs)
        return ERR_OK;
    const struct line_transfer_spec spec = {
        .kind = NODE_FIRMWARE,
        .text = target->version,
        .type = target->number == 0 ? run->package.node.type : NULL,
    };
    run_log(run, LOG_LEVEL_INFO, "%s: firmware %s becomes %s", run_target_name(target),
            target->is.version, target->version);
    run_stage(run, target->number == 0 ? "node firmware" : "host firmware", 0, 0);
    TRY(send_file(run, target, &target->files->firmware, &spec));
    if (target->number == 0)
        TRY(restart(run));
    TRY(line_node_target(run->node, target->number, &target->is, &run->fault));
    if (*target->version != '\0' && strcmp(target->is.version, target->version) != 0)
        return line_fail(&run->fault, run_code(target, LINE_NODE_VERIFY, LINE_HOST_VERIFY),
                         "%s: runs version %s after it was given %s", run_target_name(target),
                         target->is.version, target->version);
    return ERR_OK;
}

enum err run_firmware(struct run *run)
{
    /* An image that waits for a restart since the last run was cut. */
    if ((run->identity.flags & NODE_F_NEW_IMAGE) != 0) {
        TRY(restart(run));
        TRY(line_node_target(run->node, 0, &run->targets[0].is, &run->fault));
    }
    for (size_t i = 0; i < run->targets_len; i++)
        TRY(load_firmware(run, &run->targets[i]));
    return ERR_OK;
}

/* ---- configuration ---- */

/* Hosts may do without any; the node, and hosts that have the other one, may not. */
static enum err check_config_file(struct run *run, const struct run_target *target, bool factory)
{
    if (run_config_file(target, factory) != NULL ||
        (target->number != 0 && run_config_file(target, !factory) == NULL))
        return ERR_OK;
    return line_fail(&run->fault, run_code(target, LINE_NODE_CONFIG_FILE, LINE_HOST_CONFIG_FILE),
                     "%s: the package has no %s configuration", run_target_name(target),
                     factory ? "factory" : "field");
}

enum err run_check_files(struct run *run, bool firmware, bool factory)
{
    /* what waits for a restart may be the version that is wanted */
    bool waits = (run->identity.flags & NODE_F_NEW_IMAGE) != 0;
    for (size_t i = 0; i < run->targets_len; i++) {
        const struct run_target *target = &run->targets[i];
        if (firmware && !(waits && target->number == 0))
            TRY(check_firmware_file(run, target));
        TRY(check_config_file(run, target, factory));
    }
    return ERR_OK;
}

static enum err load_config(struct run *run, struct run_target *target, bool factory)
{
    const struct line_file *file = run_config_file(target, factory);
    uint8_t hash[32];
    char label[LINE_NODE_TEXT];
    TRY(check_config_file(run, target, factory));
    if (file == NULL)
        return ERR_OK;
    TRY(run_file_hash(run, file, hash));
    if (target->is.has_config && memcmp(hash, target->is.config_hash, sizeof hash) == 0)
        return ERR_OK;
    (void)snprintf(label, sizeof label, "%llx/%u %s", (unsigned long long)run->package.config_id,
                   run->package.revision, factory ? "factory" : "field");
    const struct line_transfer_spec spec = {.kind = NODE_CONFIG, .text = label};
    run_stage(run, "configuration", 0, 0);
    TRY(send_file(run, target, file, &spec));
    return line_node_target(run->node, target->number, &target->is, &run->fault);
}

enum err run_config(struct run *run, bool factory)
{
    for (size_t i = 0; i < run->targets_len; i++)
        TRY(load_config(run, &run->targets[i], factory));
    return ERR_OK;
}
