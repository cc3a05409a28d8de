#include "programs/clavigerd/engine_kmip.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "programs/clavigerd/service.h"
#include "vault/object_tx.h"
#include "vault/served.h"

#define SWEEP_S 5

bool engine_kmip_wanted(const struct settings *s)
{
    return s->kmip.listen.len + s->https.listen.len != 0;
}

static struct kmip_server_paths paths_of(const struct engine_kmip *kmip)
{
    return (struct kmip_server_paths){.cert_file = kmip->cert_file,
                                      .key_file = kmip->key_file,
                                      .ca_file = kmip->ca_file,
                                      .log_dir = kmip->log_dir};
}

enum err engine_kmip_start(struct engine_kmip *kmip, const struct engine_kmip_config *config,
                           struct err_detail *detail)
{
    const struct settings *s = config->engine->settings;
    kmip->config = config->engine;
    kmip->store = config->store;
    if (!engine_kmip_wanted(s))
        return ERR_OK;
    TRY(service_state_path(s, SERVICE_CERT_FILE, kmip->cert_file, sizeof kmip->cert_file));
    TRY(service_state_path(s, SERVICE_KEY_FILE, kmip->key_file, sizeof kmip->key_file));
    TRY(service_state_path(s, SERVICE_CA_FILE, kmip->ca_file, sizeof kmip->ca_file));
    TRY(service_kmip_log_dir(s, kmip->log_dir, sizeof kmip->log_dir));
    TRY(kmip_ca_load(kmip->ca_file, &kmip->ca, detail));
    TRY(vault_objects_open(config->vault, config->store, config->keeper, detail, &kmip->objects));
    const struct kmip_server_config server = {
        .settings = s,
        .paths = paths_of(kmip),
        .store = config->store,
        .objects = kmip->objects,
        .clients = config->clients,
        .loops = config->loops,
        .keeper_fds = config->keepers,
        .ttlv_fds = config->engine->kmip_fds,
        .https_fds = config->engine->https_fds,
        .ttlv_len = config->engine->kmip_len,
        .https_len = config->engine->https_len,
        .tables = config->tables,
        .tables_len = config->tables_len,
        .headers = config->headers,
        .ca = kmip->ca,
        .token_label = s->token.label,
    };
    return kmip_server_new(&server, detail, &kmip->server);
}

/* ---- states by dates ---- */

static void flush_served(struct engine_kmip *kmip)
{
    struct err_detail detail = {0};
    if (kmip->objects == NULL)
        return;
    enum err err = vault_served_flush(vault_objects_served(kmip->objects), &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_WARN, "kmip: can't remember which objects were served", err, &detail);
}

static void sweep(void *ctx)
{
    struct engine_kmip *kmip = ctx;
    struct err_detail detail = {0};
    size_t count = 0;
    enum err err = vault_objects_sweep(kmip->objects, clock_now_s(), &count, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_WARN, "kmip: can't bring states of objects up to date", err, &detail);
    else if (count != 0)
        log_debug("kmip: %zu objects changed their state by their dates", count);
    flush_served(kmip);
    err = vault_objects_token_sweep(kmip->objects, kmip->keeper, "server", &count, &detail);
    size_t promised = 0;
    if (err == ERR_OK)
        err = vault_token_promises_sweep(kmip->objects, kmip->keeper, "server", &promised, &detail);
    count += promised;
    if (count != 0)
        log_info("kmip: %zu keys that no object has are gone from the token", count);
    if (err != ERR_OK && err != kmip->token_error)
        log_failure(LOG_LEVEL_WARN, "kmip: destroyed keys are still in the token", err, &detail);
    kmip->token_error = err;
}

static void on_sweep(void *ctx)
{
    struct engine_kmip *kmip = ctx;
    if (workers_submit(kmip->background, sweep, kmip) != ERR_OK)
        log_debug("the background thread is busy"); /* the next tick will do */
}

enum err engine_kmip_sweep_on(struct engine_kmip *kmip, struct net_loop *control_loop,
                              struct workers *background, struct keeper_client *keeper)
{
    if (kmip->server == NULL)
        return ERR_OK;
    kmip->background = background;
    kmip->keeper = keeper;
    TRY(net_timer_new(control_loop, on_sweep, kmip, &kmip->sweep));
    net_timer_every(kmip->sweep, UINT64_C(1000) * SWEEP_S);
    return ERR_OK;
}

/* ---- the rest of its life ---- */

enum err engine_kmip_reload(struct engine_kmip *kmip, const struct settings *settings,
                            struct err_detail *detail)
{
    if (kmip->server == NULL)
        return ERR_OK;
    const struct kmip_server_paths paths = paths_of(kmip);
    return kmip_server_reload(kmip->server, settings, &paths, detail);
}

void engine_kmip_stop(struct engine_kmip *kmip)
{
    if (kmip->server != NULL)
        kmip_server_stop(kmip->server);
}

bool engine_kmip_busy(const struct engine_kmip *kmip)
{
    return kmip->server != NULL && kmip_server_requests(kmip->server) != 0;
}

static void join_list(const struct settings_list *list, char *to, size_t cap)
{
    to[0] = '\0';
    for (size_t i = 0; i < list->len; i++) {
        size_t used = strlen(to);
        (void)snprintf(to + used, cap - used, "%s%s", i > 0 ? " " : "", list->items[i]);
    }
}

bool engine_kmip_service(const struct engine_kmip *kmip, unsigned n, const char **ret_name,
                         char *ret_text, size_t cap)
{
    const struct settings *s = kmip->config->settings;
    char addresses[256];
    if (n > 1)
        return false;
    join_list(n == 0 ? &s->kmip.listen : &s->https.listen, addresses, sizeof addresses);
    *ret_name = n == 0 ? "kmip" : "kmip-https";
    if (kmip->server == NULL || addresses[0] == '\0')
        (void)snprintf(ret_text, cap, "off");
    else if (n == 0)
        (void)snprintf(ret_text, cap, "tls %s, %u connections", addresses,
                       kmip_server_connections(kmip->server));
    else
        (void)snprintf(ret_text, cap, "https %s, pages, /v1, POST /kmip", addresses);
    return true;
}

void engine_kmip_timer_free(struct engine_kmip *kmip)
{
    net_timer_free(kmip->sweep);
    kmip->sweep = NULL;
}

void engine_kmip_free(struct engine_kmip *kmip)
{
    kmip_server_free(kmip->server);
    kmip->server = NULL;
    flush_served(kmip);
    vault_objects_close(kmip->objects);
    kmip_ca_free(kmip->ca);
    kmip->objects = NULL;
}
