#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "kmc/kmc.h"

static void ckmc_freep(struct ckmc **kmc)
{
    ckmc_close(*kmc);
    *kmc = NULL;
}

void kmc_report(struct ckmc *kmc, const char *format, ...)
{
    char text[512];
    va_list args;
    if (kmc->report == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    kmc->report(kmc->report_context, text);
}

/* What the cache says while it is opened, before anybody can have asked to hear it, waits here. */
static void on_cache_report(void *ctx, const char *text)
{
    struct ckmc *kmc = ctx;
    if (kmc->report != NULL)
        kmc->report(kmc->report_context, text);
    else
        (void)snprintf(kmc->early_report, sizeof kmc->early_report, "%s", text);
}

enum err kmc_save(struct ckmc *kmc, bool now, struct err_detail *detail)
{
    if (kmc_cache_is_saved(kmc->cache)) {
        kmc->unsaved_since_ns = 0;
        return ERR_OK;
    }
    if (kmc->unsaved_since_ns == 0)
        kmc->unsaved_since_ns = clock_mono_ns();
    uint64_t delay_ns = (uint64_t)kmc->write_delay_ms * 1000000u;
    if (!now && delay_ns != 0 && clock_mono_ns() - kmc->unsaved_since_ns < delay_ns)
        return ERR_OK;
    TRY(kmc_cache_save(kmc->cache, detail));
    kmc->unsaved_since_ns = 0;
    return ERR_OK;
}

static int open_cache(struct ckmc *kmc, struct ckmc_error *error)
{
    char key_file[DIAMETER_PATH_MAX + 4];
    struct err_detail detail = {0};
    const struct diameter_properties *props = &kmc->props;
    (void)snprintf(key_file, sizeof key_file, "%s%s",
                   props->cache_key_file[0] != '\0' ? props->cache_key_file : props->cache_file,
                   props->cache_key_file[0] != '\0' ? "" : ".key");
    struct kmc_cache_config config = {
        .file = props->cache_file[0] != '\0' ? props->cache_file : NULL,
        .key_file = key_file,
        .report = on_cache_report,
        .ctx = kmc,
    };
    enum err err = kmc_cache_new(&config, &detail, &kmc->cache);
    if (err == ERR_OK)
        return CKMC_OK;
    int status = kmc_fail_err(error, "", err, &detail);
    if (status == CKMC_RESOURCES)
        return status;
    if (error != NULL)
        error->status = CKMC_CACHE;
    return CKMC_CACHE;
}

/* The property file is read into kmc->props. */
static int finish_open(struct ckmc *kmc, const char *name, struct ckmc_error *error)
{
    const struct diameter_properties *props = &kmc->props;
    if (props->server)
        return kmc_fail(error, CKMC_CONFIG, "%s: StackType is SERVER; a gateway's is CLIENT", name);
    const char *realm = props->realm;
    if (props->peers_len != 0)
        realm = props->peers[0].realm;
    for (unsigned i = 0; i < props->peers_len; i++) {
        if (props->peers[i].connecting) {
            realm = props->peers[i].realm;
            break;
        }
    }
    (void)snprintf(kmc->realm, sizeof kmc->realm, "%s", realm);
    return open_cache(kmc, error);
}

static struct ckmc *handle_new(struct ckmc_error *error)
{
    struct ckmc *kmc = calloc(1, sizeof *kmc);
    if (kmc == NULL) {
        (void)kmc_fail(error, CKMC_RESOURCES, "out of memory");
        return NULL;
    }
    (void)pthread_mutex_init(&kmc->server_lock, NULL);
    (void)pthread_mutex_init(&kmc->cache_lock, NULL);
    return kmc;
}

int ckmc_open(const char *path, struct ckmc **ret_kmc, struct ckmc_error *error)
{
    if (ret_kmc == NULL)
        return kmc_fail(error, CKMC_ARGUMENT, "no place for the handle");
    *ret_kmc = NULL;
    if (path == NULL)
        return kmc_fail(error, CKMC_ARGUMENT, "no path");
    AUTO(ckmc_freep) struct ckmc *kmc = handle_new(error);
    struct err_detail detail = {0};
    if (kmc == NULL)
        return CKMC_RESOURCES;
    enum err err = diameter_properties_read(path, &kmc->props, &detail);
    if (err == ERR_NO_MEMORY)
        return kmc_fail_err(error, path, err, &detail);
    if (err != ERR_OK)
        return kmc_fail(error, CKMC_CONFIG, "%s",
                        detail.text[0] != '\0' ? detail.text : err_text(err));
    int status = finish_open(kmc, path, error);
    if (status == CKMC_OK)
        *ret_kmc = TAKE(kmc);
    return status;
}

/* ---- from a structure ---- */

/* The structure becomes the text of a property file, so that both are judged by one reader. */
struct text {
    struct buf buf;
    enum err err;
};

static void put(struct text *text, const char *name, const char *value)
{
    if (value == NULL || text->err != ERR_OK)
        return;
    if (strpbrk(value, "\r\n") != NULL || value[0] == '\0')
        text->err = ERR_CONFIG;
    else
        text->err = buf_printf(&text->buf, "%s=%s\n", name, value);
}

static void put_all(struct text *text, const struct ckmc_config *config)
{
    char name[64], number[16];
    put(text, "StackType", "CLIENT");
    put(text, "URI", config->uri);
    put(text, "Realm", config->realm);
    for (size_t i = 0; i < config->servers_len; i++) {
        (void)snprintf(name, sizeof name, "PeerTable.%zu.URI", i);
        put(text, name, config->servers[i].uri);
        (void)snprintf(name, sizeof name, "PeerTable.%zu.Realm", i);
        put(text, name, config->servers[i].realm);
    }
    put(text, "TLS.CertificateFile", config->tls_certificate_file);
    put(text, "TLS.PrivateKeyFile", config->tls_private_key_file);
    put(text, "TLS.CaFile", config->tls_ca_file);
    put(text, "TLS.CrlFile", config->tls_crl_file);
    put(text, "Auth.SecretFile", config->secret_file);
    put(text, "Cache.File", config->cache_file);
    put(text, "Cache.KeyFile", config->cache_key_file);
    (void)snprintf(number, sizeof number, "%u", config->cache_max_lifetime);
    put(text, "Cache.MaxLifetime", config->cache_max_lifetime != 0 ? number : NULL);
}

int ckmc_open_config(const struct ckmc_config *config, struct ckmc **ret_kmc,
                     struct ckmc_error *error)
{
    struct ckmc_config ours = {0};
    if (ret_kmc == NULL)
        return kmc_fail(error, CKMC_ARGUMENT, "no place for the handle");
    *ret_kmc = NULL;
    if (config == NULL || config->size < offsetof(struct ckmc_config, cache_max_lifetime))
        return kmc_fail(error, CKMC_ARGUMENT, "no configuration, or its size is not set");
    memcpy(&ours, config, config->size < sizeof ours ? config->size : sizeof ours);
    AUTO(ckmc_freep) struct ckmc *kmc = handle_new(error);
    if (kmc == NULL)
        return CKMC_RESOURCES;
    struct text text = {0};
    struct err_detail detail = {0};
    put_all(&text, &ours);
    enum err err = text.err;
    if (err == ERR_OK)
        err = diameter_properties_parse("struct ckmc_config", buf_view(&text.buf), &kmc->props,
                                        &detail);
    else
        (void)err_set(&detail, err, "a value is empty or has a line end");
    buf_done(&text.buf);
    if (err != ERR_OK)
        return kmc_fail_err(error, "", err, &detail);
    int status = finish_open(kmc, "struct ckmc_config", error);
    if (status == CKMC_OK)
        *ret_kmc = TAKE(kmc);
    return status;
}

void ckmc_close(struct ckmc *kmc)
{
    if (kmc == NULL)
        return;
    struct err_detail detail = {0};
    if (kmc->cache != NULL) {
        enum err err = kmc_save(kmc, true, &detail);
        if (err != ERR_OK)
            kmc_report(kmc, "the cache can't be written: %s",
                       detail.text[0] != '\0' ? detail.text : err_text(err));
    }
    diameter_client_free(kmc->client);
    kmc_cache_free(kmc->cache);
    diameter_properties_done(&kmc->props);
    (void)pthread_mutex_destroy(&kmc->server_lock);
    (void)pthread_mutex_destroy(&kmc->cache_lock);
    explicit_bzero(kmc, sizeof *kmc);
    free(kmc);
}

/* ---- settings ---- */

int ckmc_set_realm(struct ckmc *kmc, const char *realm, struct ckmc_error *error)
{
    if (kmc == NULL || realm == NULL || strlen(realm) > KMC_REALM_MAX ||
        !diameter_identity_valid(bytes_str(realm)))
        return kmc_fail(error, CKMC_ARGUMENT, "'%.80s' is no realm", realm != NULL ? realm : "");
    (void)pthread_mutex_lock(&kmc->cache_lock);
    (void)snprintf(kmc->realm, sizeof kmc->realm, "%s", realm);
    (void)pthread_mutex_unlock(&kmc->cache_lock);
    return CKMC_OK;
}

void ckmc_set_timeout(struct ckmc *kmc, unsigned milliseconds)
{
    (void)pthread_mutex_lock(&kmc->cache_lock);
    kmc->timeout_ms = milliseconds;
    (void)pthread_mutex_unlock(&kmc->cache_lock);
}

void ckmc_set_write_delay(struct ckmc *kmc, unsigned milliseconds)
{
    (void)pthread_mutex_lock(&kmc->cache_lock);
    kmc->write_delay_ms = milliseconds;
    (void)pthread_mutex_unlock(&kmc->cache_lock);
}

void ckmc_on_report(struct ckmc *kmc, ckmc_report_fn *fn, void *context)
{
    (void)pthread_mutex_lock(&kmc->cache_lock);
    kmc->report = fn;
    kmc->report_context = context;
    if (kmc->early_report[0] != '\0')
        kmc_report(kmc, "%s", kmc->early_report);
    if (fn != NULL)
        kmc->early_report[0] = '\0';
    (void)pthread_mutex_unlock(&kmc->cache_lock);
}
