#include "net/tls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "net/conn_priv.h"
#include "net/tls_staple.h"

#define KEY_FILE_MAX    ((size_t)32 * 1024)
#define CHAIN_DEPTH_MAX 4
#define SESSION_SECONDS 3600
#define DEFAULT_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

struct net_tls {
    _Atomic unsigned refs;
    pthread_mutex_t lock; /* guards ctx */
    SSL_CTX *ctx;
    struct net_tls_config config; /* strings are ours */
};

enum err tls_failure(struct err_detail *detail, const char *what)
{
    unsigned long code = ERR_peek_error();
    char reason[200] = "unknown";
    if (code != 0) {
        const char *text = ERR_reason_error_string(code);
        if (ERR_SYSTEM_ERROR(code))
            (void)snprintf(reason, sizeof reason, "%s", strerror((int)ERR_GET_REASON(code)));
        else if (text != NULL)
            (void)snprintf(reason, sizeof reason, "%s", text);
        else
            ERR_error_string_n(code, reason, sizeof reason);
    }
    ERR_clear_error();
    return err_set(detail, ERR_TLS, "%s: %s", what, reason);
}

/* A key with a passphrase must not make a daemon ask on its terminal. */
static int no_passphrase(char *to, int cap, int writing, void *arg)
{
    (void)to;
    (void)cap;
    (void)writing;
    (void)arg;
    return 0;
}

static enum err load_key(SSL_CTX *ctx, const char *path, struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *pem = NULL;
    TRY(file_read_secret(path, KEY_FILE_MAX, &pem, detail));
    BIO *bio = BIO_new_mem_buf(secret_data(pem), (int)secret_len(pem));
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    int used = key != NULL ? SSL_CTX_use_PrivateKey(ctx, key) : 0;
    EVP_PKEY_free(key);
    if (key == NULL)
        return tls_failure(detail, path);
    if (used != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        ERR_clear_error();
        return err_set(detail, ERR_CONFIG, "%s: the key is not that of the certificate", path);
    }
    return ERR_OK;
}

static enum err load_own(SSL_CTX *ctx, const struct net_tls_config *c, struct err_detail *detail)
{
    if (c->cert_file == NULL && c->key_file == NULL && !c->server)
        return ERR_OK;
    if (c->cert_file == NULL || c->key_file == NULL)
        return err_set(detail, ERR_CONFIG, "a certificate needs its key, and a server both");
    if (SSL_CTX_use_certificate_chain_file(ctx, c->cert_file) != 1)
        return tls_failure(detail, c->cert_file);
    return load_key(ctx, c->key_file, detail);
}

/* What is trusted, and what a server tells its clients to choose a certificate by. */
static enum err load_authorities(SSL_CTX *ctx, const struct net_tls_config *c,
                                 struct err_detail *detail)
{
    const char *const files[] = {c->ca_file, c->more_ca_file};
    STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
    if (names == NULL)
        return ERR_NO_MEMORY;
    /* the context's from here */
    SSL_CTX_set_client_CA_list(ctx, names);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (files[i] == NULL)
            continue;
        if (SSL_CTX_load_verify_file(ctx, files[i]) != 1 ||
            (c->server && SSL_add_file_cert_subjects_to_stack(names, files[i]) != 1))
            return tls_failure(detail, files[i]);
    }
    if (c->more_ca_file != NULL)
        (void)X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    if (c->server && c->any_purpose && SSL_CTX_set_purpose(ctx, X509_PURPOSE_ANY) != 1)
        return tls_failure(detail, "purpose of certificates");
    return ERR_OK;
}

/* OpenSSL keeps what a certificate's extensions say when they are first asked for: asked here, by
 * one thread, so that the loops only ever read what all of them share. */
static void settle_extensions(SSL_CTX *ctx)
{
    const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (cert != NULL)
            (void)X509_check_purpose(cert, -1, 0);
    }
    X509 *own = SSL_CTX_get0_certificate(ctx);
    if (own != NULL)
        (void)X509_check_purpose(own, -1, 0);
}

static enum err load_verify(SSL_CTX *ctx, const struct net_tls_config *c, struct err_detail *detail)
{
    if (c->verify == NET_TLS_VERIFY_NONE)
        return c->server ? ERR_OK : err_set(detail, ERR_CONFIG, "a client must verify its server");
    if (c->ca_file == NULL)
        return err_set(detail, ERR_CONFIG, "peers can't be verified without a CA file");
    TRY(load_authorities(ctx, c, detail));
    if (c->crl_file != NULL) {
        X509_STORE *store = SSL_CTX_get_cert_store(ctx);
        X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
        if (lookup == NULL || X509_load_crl_file(lookup, c->crl_file, X509_FILETYPE_PEM) < 1)
            return tls_failure(detail, c->crl_file);
        (void)X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
    int mode = SSL_VERIFY_PEER;
    if (c->verify == NET_TLS_VERIFY_REQUIRED && c->server)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, mode, NULL);
    SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH_MAX);
    return ERR_OK;
}

static bool set_options(SSL_CTX *ctx, const struct net_tls_config *c)
{
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                       /* frames carry their length, so a cut is seen anyway */
                                       SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* one recv for many small records */
    SSL_CTX_set_read_ahead(ctx, 1);
    /* Sessions live in tickets only: no memory and no lock per peer. The ticket keys are the
     * context's own, so a reload ends them all. */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
    unsigned char id[32];
    unsigned len = sizeof id;
    const char *service = c->service != NULL ? c->service : "claviger";
    return SSL_CTX_set_min_proto_version(ctx, c->tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION) ==
               1 &&
           SSL_CTX_set_cipher_list(ctx, c->ciphers != NULL ? c->ciphers : DEFAULT_CIPHERS) == 1 &&
           (c->suites == NULL || SSL_CTX_set_ciphersuites(ctx, c->suites) == 1) &&
           SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
           EVP_Digest(service, strlen(service), id, &len, EVP_sha256(), NULL) == 1 &&
           SSL_CTX_set_session_id_context(ctx, id, len) == 1;
}

static enum err make_ctx(const struct net_tls_config *c, SSL_CTX **ret_ctx,
                         struct err_detail *detail)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(c->server ? TLS_server_method() : TLS_client_method());
    if (ctx == NULL)
        return ERR_NO_MEMORY;
    enum err err = set_options(ctx, c) ? ERR_OK : tls_failure(detail, "TLS settings");
    if (err == ERR_OK)
        err = load_own(ctx, c, detail);
    if (err == ERR_OK)
        err = load_verify(ctx, c, detail);
    if (err == ERR_OK && c->server && c->ocsp_file != NULL)
        err = tls_staple(ctx, c->ocsp_file, detail);
    settle_extensions(ctx);
    if (err != ERR_OK) {
        SSL_CTX_free(ctx);
        return err;
    }
    *ret_ctx = ctx;
    return ERR_OK;
}

static bool copy_string(const char **at)
{
    if (*at == NULL)
        return true;
    *at = strdup(*at);
    return *at != NULL;
}

enum err net_tls_new(const struct net_tls_config *config, struct net_tls **ret_tls,
                     struct err_detail *detail)
{
    struct net_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return ERR_NO_MEMORY;
    (void)pthread_mutex_init(&tls->lock, NULL);
    atomic_init(&tls->refs, 1);
    struct net_tls_config *c = &tls->config;
    *c = *config;
    /* not &&: after a failure the rest must be copies (or NULL), too, to be freed */
    bool copied = copy_string(&c->cert_file);
    copied &= copy_string(&c->key_file);
    copied &= copy_string(&c->ca_file);
    copied &= copy_string(&c->more_ca_file);
    copied &= copy_string(&c->crl_file);
    copied &= copy_string(&c->ocsp_file);
    copied &= copy_string(&c->ciphers);
    copied &= copy_string(&c->suites);
    copied &= copy_string(&c->service);
    enum err err = copied ? make_ctx(c, &tls->ctx, detail) : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        net_tls_unref(tls);
        return err;
    }
    *ret_tls = tls;
    return ERR_OK;
}

enum err net_tls_reload(struct net_tls *tls, struct err_detail *detail)
{
    SSL_CTX *ctx = NULL;
    TRY(make_ctx(&tls->config, &ctx, detail));
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *before = tls->ctx;
    tls->ctx = ctx;
    (void)pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(before);
    return ERR_OK;
}

struct net_tls *net_tls_ref(struct net_tls *tls)
{
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void net_tls_unref(struct net_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(tls->ctx);
    (void)pthread_mutex_destroy(&tls->lock);
    const struct net_tls_config *c = &tls->config;
    const char *const strings[] = {c->cert_file,    c->key_file, c->ca_file,
                                   c->more_ca_file, c->crl_file, c->ocsp_file,
                                   c->ciphers,      c->suites,   c->service};
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        free((void *)(uintptr_t)strings[i]);
    free(tls);
}

void net_tls_unrefp(struct net_tls **tls)
{
    net_tls_unref(*tls);
}

bool net_tls_is_server(const struct net_tls *tls)
{
    return tls->config.server;
}

static bool set_peer_name(SSL *ssl, const char *name, bool any)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (any)
        return SSL_set_purpose(ssl, X509_PURPOSE_ANY) == 1;
    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
        return true;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

enum err tls_ssl_new(struct net_tls *tls, const char *tls_name, bool any, SSL **ret_ssl)
{
    (void)pthread_mutex_lock(&tls->lock);
    SSL *ssl = SSL_new(tls->ctx);
    (void)pthread_mutex_unlock(&tls->lock);
    if (ssl == NULL)
        return ERR_NO_MEMORY;
    if (tls->config.server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
        if (tls_name != NULL && !set_peer_name(ssl, tls_name, any)) {
            SSL_free(ssl);
            return ERR_ARGUMENT;
        }
    }
    *ret_ssl = ssl;
    return ERR_OK;
}

bool net_peer_cert_names(const struct net_peer_cert *cert, const char *name)
{
    if (*name == '\0')
        return false;
    if (cert->dns_len == 0)
        return strcasecmp(cert->common_name, name) == 0;
    for (unsigned i = 0; i < cert->dns_len; i++) {
        if (strcasecmp(cert->dns[i], name) == 0)
            return true;
    }
    return false;
}
