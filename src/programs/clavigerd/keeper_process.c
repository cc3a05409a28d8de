#include "programs/clavigerd/keeper_process.h"

#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "keeper/audit.h"
#include "keeper/control.h"
#include "keeper/sandbox.h"
#include "keeper/server.h"
#include "keeper/token.h"
#include "programs/clavigerd/pin.h"
#include "programs/clavigerd/service.h"

#define SEGMENTS_WAIT_MS 30000 /* a spare of a gigabyte takes a while to be written */
#define STOP_WAIT_MS     3000
#define TOKEN_THREADS    3 /* at least; else one for each core */
#define KEK_FILE_MAX     ((size_t)64)

struct keeper {
    struct hsm *hsm;
    struct keeper_token_hsm *token;
    struct audit *audit;
    struct keeper_server *server;
};

/* How managed objects leave the token. */
static enum err set_up_objects(const struct settings *settings, struct keeper_token_hsm *token,
                               struct err_detail *detail)
{
    struct keeper_token_objects objects = {.kek_handle = (unsigned long)settings->kmip.kek_handle,
                                           .digest_key = settings->kmip.token_digest};
    if (*settings->kmip.kek_label != '\0')
        objects.kek_label = settings->kmip.kek_label;
    if (*settings->kmip.kek_file != '\0')
        TRY(file_read_key(settings->kmip.kek_file, KEK_FILE_MAX, &objects.kek, detail));
    TRY(keeper_token_objects(token, &objects, detail));
    /* Only Get of keys in the token needs it: said now, and all else is served. */
    struct err_detail why = {0};
    const enum err err = keeper_token_kek_check(token, &why);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_WARN, "[kmip] kek_file: no key will come out of the token", err,
                    &why);
    return ERR_OK;
}

static enum err open_token(const struct keeper_process *config, struct keeper *k,
                           struct err_detail *detail)
{
    const struct hsm_config token = service_hsm_config(config->settings, true);
    AUTO(secret_freep) struct secret *pin = config->pin;
    TRY(service_token_environment(config->settings, detail));
    if (pin == NULL)
        TRY(pin_read(config->settings->token.pin, &pin, detail));
    TRY(hsm_open(&token, TAKE(pin), &k->hsm, detail));
    TRY(keeper_token_new(k->hsm, &k->token, detail));
    return set_up_objects(config->settings, k->token, detail);
}

/* The supervisor sends the last segment (or says that there is none), then an empty one. */
static enum err open_audit(const struct keeper_process *config, struct keeper *k,
                           struct err_detail *detail)
{
    struct control_message first, spare;
    TRY(control_wait(config->control, SEGMENTS_WAIT_MS, &first));
    if (first.type != CONTROL_SEGMENT && first.type != CONTROL_NO_SEGMENT)
        return err_set(detail, ERR_INTERNAL, "the supervisor sent message %d, not a segment",
                       (int)first.type);
    TRY(control_wait(config->control, SEGMENTS_WAIT_MS, &spare));
    if (spare.type == CONTROL_SPARE_FAILED)
        return err_set(detail, (enum err)spare.value, "audit segment: %s", spare.text);
    if (spare.type != CONTROL_SPARE)
        return err_set(detail, ERR_INTERNAL, "the supervisor sent message %d, not a spare",
                       (int)spare.type);
    const struct audit_setup setup = {
        .current = first.fd,
        .spare = spare.fd,
        .sign_interval_us = (uint64_t)config->settings->audit.sign_interval * 1000000};
    return audit_open(&setup, &k->audit, detail);
}

static struct keeper_policy policy_of(const struct settings *settings)
{
    struct keeper_policy policy = keeper_policy_default();
    policy.rates[KEEPER_DIAMETER] =
        (struct keeper_rate){settings->keeper.diameter_rate, settings->keeper.diameter_burst};
    policy.rates[KEEPER_EXPORT_BATCH].rate = settings->keeper.export_rate;
    policy.rates[KEEPER_BACKUP].rate = settings->keeper.export_rate;
    policy.rates[KEEPER_EXPORT_KEYRING].rate = settings->keeper.keyring_rate;
    policy.rates[KEEPER_KMIP_RELEASE].rate = settings->keeper.kmip_release_rate;
    policy.rates[KEEPER_KMIP_USE].rate = settings->keeper.kmip_use_rate;
    policy.rates[KEEPER_KMIP_CREATE].rate = settings->keeper.kmip_create_rate;
    policy.rates[KEEPER_EXPORT_LINE].rate = settings->keeper.line_rate;
    return policy;
}

static enum err close_sandbox(const struct settings *s, struct err_detail *detail)
{
    const struct sandbox_config sandbox = {
        .module_paths = s->keeper.module_paths.items,
        .module_path_count = s->keeper.module_paths.len,
        .module_sockets = (enum sandbox_sockets)s->keeper.module_sockets,
        .lock_memory = true,
        .required = s->keeper.sandbox == SETTINGS_KEEPER_SANDBOX_REQUIRED};
    return keeper_sandbox_enter(&sandbox, detail);
}

/* What works with the token: as many as can do so at a time. */
static unsigned token_threads(const struct settings *settings)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = cores > TOKEN_THREADS ? (unsigned)cores : TOKEN_THREADS;
    unsigned sessions = (unsigned)settings->token.sessions;
    return threads > sessions && sessions > TOKEN_THREADS ? sessions : threads;
}

static enum err run(const struct keeper_process *config, struct keeper *k,
                    struct err_detail *detail)
{
    const struct settings *s = config->settings;
    TRY(crypto_start(detail));
    TRY(open_token(config, k, detail));
    TRY(open_audit(config, k, detail));
    const struct keeper_server_config server = {.fds = config->engines,
                                                .fd_count = config->engines_len,
                                                .control = config->control,
                                                .token = keeper_token_of(k->token),
                                                .policy = policy_of(s),
                                                .audit = k->audit,
                                                .buffered =
                                                    s->audit.reads == SETTINGS_AUDIT_READS_BUFFERED,
                                                .workers = token_threads(s)};
    /* Landlock confines the calling thread and those it starts: so before any other */
    TRY(close_sandbox(s, detail));
    TRY(keeper_server_new(&server, &k->server, detail));
    return keeper_server_run(k->server, detail);
}

/* In an orderly stop the engine goes first: the supervisor's word for the keeper is on its way
 * then. */
static bool was_told_to_stop(int control)
{
    struct control_message message;
    while (control_wait(control, STOP_WAIT_MS, &message) == ERR_OK) {
        if (message.fd >= 0)
            (void)close(message.fd);
        if (message.type == CONTROL_STOP)
            return true;
    }
    return false;
}

enum err keeper_process_run(const struct keeper_process *config, struct err_detail *detail)
{
    struct keeper keeper = {0};
    enum err err = run(config, &keeper, detail);
    if (err == ERR_CLOSED && was_told_to_stop(config->control))
        err = ERR_OK;
    keeper_server_free(keeper.server);
    audit_free(keeper.audit);
    keeper_token_free(keeper.token);
    hsm_close(keeper.hsm);
    return err;
}
