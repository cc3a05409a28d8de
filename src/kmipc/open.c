#include <stdlib.h>

#include "base/file.h"
#include "kmipc/kmipc.h"
#include "kmipc/profile.h"

#define KMIP_PORT    5696
#define HTTPS_PORT   443
#define PASSWORD_MAX ((size_t)1024)
/* Other servers offer the suites of KMIP's TLS 1.2 profile, which are CBC's; ours take the first.
 */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"

static void ckmip_closep(struct ckmip **kmip)
{
    ckmip_close(*kmip);
    *kmip = NULL;
}

static enum err check_versions(struct ckmip *kmip, const struct ckmip_config *config)
{
    kmip->version_min = config->version_min != 0 ? config->version_min : KMIPC_1_0;
    kmip->version_max = config->version_max != 0 ? config->version_max : KMIPC_2_1;
    if (kmip->version_min < KMIPC_1_0 || kmip->version_max > KMIPC_2_1 ||
        kmip->version_min > kmip->version_max)
        return err_set(&kmip->detail, ERR_ARGUMENT,
                       "versions from %u.%u to %u.%u: 1.0 to 2.1 are known", kmip->version_min >> 8,
                       kmip->version_min & 0xff, kmip->version_max >> 8, kmip->version_max & 0xff);
    return ERR_OK;
}

/* What the operator wrote is wrong, whatever the file's own error. */
static enum err as_config(struct ckmip *kmip, enum err err)
{
    if (err == ERR_OK || err == ERR_NO_MEMORY)
        return err;
    kmip->detail.code = ERR_CONFIG;
    return ERR_CONFIG;
}

static enum err read_credential(struct ckmip *kmip, const struct ckmip_config *config)
{
    if (config->username == NULL)
        return ERR_OK;
    kmip->username = strdup(config->username);
    if (kmip->username == NULL)
        return ERR_NO_MEMORY;
    if (config->password_file == NULL)
        return ERR_OK;
    return as_config(kmip, file_read_secret(config->password_file, PASSWORD_MAX, &kmip->password,
                                            &kmip->detail));
}

static enum err make_link(struct ckmip *kmip, const struct ckmip_config *config)
{
    AUTO(net_tls_unrefp) struct net_tls *tls = NULL;
    const struct net_tls_config tls_config = {
        .verify = NET_TLS_VERIFY_REQUIRED,
        .cert_file = config->certificate_file,
        .key_file = config->private_key_file,
        .ca_file = config->ca_file,
        .crl_file = config->crl_file,
        .ciphers = CIPHERS,
        .service = "kmip",
    };
    TRY(as_config(kmip, net_tls_new(&tls_config, &tls, &kmip->detail)));
    uint16_t port = config->port;
    if (port == 0)
        port = config->https != 0 ? HTTPS_PORT : KMIP_PORT;
    const char *path = config->path != NULL ? config->path : "/kmip";
    const struct kmipc_link_config link = {
        .host = config->host,
        .port = port,
        .server_name = config->server_name,
        .http_path = config->https != 0 ? path : NULL,
        .tls = tls,
        .timeout_ms = config->timeout_ms,
    };
    TRY(kmipc_link_new(&link, &kmip->link, &kmip->detail));
    tls = NULL; /* the link's now */
    return ERR_OK;
}

static enum err prepare(struct ckmip *kmip, const struct ckmip_config *config)
{
    if (config->host == NULL || *config->host == '\0')
        return err_set(&kmip->detail, ERR_ARGUMENT, "no host");
    if (config->ca_file == NULL)
        return err_set(&kmip->detail, ERR_ARGUMENT, "the server can't be verified without ca_file");
    if (config->path != NULL && (config->path[0] != '/' || strpbrk(config->path, " \r\n") != NULL))
        return err_set(&kmip->detail, ERR_ARGUMENT, "path '%.64s': no HTTP path", config->path);
    TRY(check_versions(kmip, config));
    TRY(read_credential(kmip, config));
    TRY(arena_new(KMIPC_MEMORY_MAX, &kmip->arena));
    return make_link(kmip, config);
}

static int open_merged(const struct ckmip_config *config, struct ckmip **ret_kmip,
                       struct ckmip_error *error)
{
    struct err_detail detail = {0};
    AUTO(ckmip_closep) struct ckmip *kmip = calloc(1, sizeof *kmip);
    enum err err = kmip != NULL ? prepare(kmip, config) : ERR_NO_MEMORY;
    if (err != ERR_OK)
        return kmipc_fail(error, err, kmip != NULL ? &kmip->detail : &detail);
    *ret_kmip = TAKE(kmip);
    return kmipc_fail(error, ERR_OK, &detail);
}

static void take(const char **to, const char *text)
{
    if (*to == NULL && *text != '\0')
        *to = text;
}

/* What is set in `c` goes before what the profile says. A port belongs to its protocol. */
static void merge(struct ckmip_config *c, const struct kmipc_profile *p)
{
    if (c->port == 0 && (c->https == 0 || p->https))
        c->port = (uint16_t)p->port;
    c->https = c->https != 0 || p->https;
    take(&c->host, p->host);
    take(&c->path, p->http_path);
    take(&c->server_name, p->server_name);
    take(&c->certificate_file, p->certificate);
    take(&c->private_key_file, p->private_key);
    take(&c->ca_file, p->ca);
    take(&c->crl_file, p->crl);
    take(&c->username, p->username);
    take(&c->password_file, p->password_file);
    if (c->timeout_ms == 0)
        c->timeout_ms = p->timeout_s * 1000u;
    if (c->version_min == 0)
        c->version_min = p->version_min;
    if (c->version_max == 0)
        c->version_max = p->version_max;
}

int ckmip_open_config(const struct ckmip_config *config, struct ckmip **ret_kmip,
                      struct ckmip_error *error)
{
    struct err_detail detail = {0};
    if (ret_kmip != NULL)
        *ret_kmip = NULL;
    if (config == NULL || ret_kmip == NULL || config->size != sizeof *config) {
        (void)err_set(&detail, ERR_ARGUMENT, "no configuration, or `size` is not set");
        return kmipc_fail(error, ERR_ARGUMENT, &detail);
    }
    if (config->profile == NULL)
        return open_merged(config, ret_kmip, error);
    struct kmipc_profile *profile = calloc(1, sizeof *profile);
    enum err err =
        profile != NULL ? kmipc_profile_read(config->profile, profile, &detail) : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        free(profile);
        return kmipc_fail(error, err, &detail);
    }
    struct ckmip_config merged = *config;
    merge(&merged, profile);
    int status = open_merged(&merged, ret_kmip, error);
    free(profile);
    return status;
}

int ckmip_open(const char *profile, struct ckmip **ret_kmip, struct ckmip_error *error)
{
    const struct ckmip_config config = {.size = sizeof config, .profile = profile};
    return ckmip_open_config(profile != NULL ? &config : NULL, ret_kmip, error);
}

void ckmip_close(struct ckmip *kmip)
{
    if (kmip == NULL)
        return;
    kmipc_link_free(kmip->link);
    arena_free(kmip->arena);
    buf_done(&kmip->request);
    buf_done(&kmip->response);
    secret_free(kmip->password);
    free(kmip->username);
    free(kmip);
}
