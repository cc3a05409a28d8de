#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/pem.h"
#include "crypto/x509.h"
#include "hsm/rsa.h"
#include "net/listener.h"
#include "programs/clavigerd/init.h"
#include "programs/clavigerd/service.h"

#define DAY          INT64_C(86400)
#define CA_DAYS      3653
#define LEAF_DAYS    825
#define CERT_MAX     ((size_t)64 * 1024)
#define DEMO_HOST    "localhost"
#define DEMO_REALM   "claviger.example"
#define DEMO_GATEWAY "gw1.metro-east.example"

static enum err sign_by_ca(void *arg, const uint8_t digest[32], struct buf *to,
                           struct err_detail *detail)
{
    struct init *init = arg;
    uint8_t signature[HSM_SIGNATURE_MAX];
    size_t len = 0;
    TRY(hsm_rsa_sign(init->hsm, init->ca_key, digest, signature, &len, detail));
    return buf_append(to, bytes_of(signature, len));
}

static enum err write_pem_cert(const char *path, struct bytes der, const char *what,
                               struct err_detail *detail)
{
    AUTO(buf_done) struct buf pem = {0};
    TRY(pem_encode("CERTIFICATE", der, &pem));
    return init_write(path, buf_view(&pem), 0644, what, detail);
}

static enum err read_cert(const char *path, struct buf *der, struct err_detail *detail)
{
    AUTO(buf_done) struct buf pem = {0};
    TRY(file_read(path, CERT_MAX, &pem, detail));
    struct bytes text = buf_view(&pem);
    return pem_decode("CERTIFICATE", &text, der, detail);
}

static enum err make_ca(struct init *init, const char *host, struct buf *der,
                        struct err_detail *detail)
{
    char path[PATH_MAX];
    TRY(init_state_path(init, SERVICE_CA_FILE, path, sizeof path));
    if (access(path, F_OK) != 0) {
        char cn[X509_CN_MAX + 1];
        (void)snprintf(cn, sizeof cn, "Claviger CA of %.40s", host);
        int64_t now = clock_now_s();
        const struct x509_request request = {.profile = X509_CA,
                                             .cn = cn,
                                             .spki = rsa_public_spki(init->ca_public),
                                             .not_before = now - DAY,
                                             .not_after = now + CA_DAYS * DAY};
        const struct x509_signer signer = {sign_by_ca, init};
        AUTO(buf_done) struct buf made = {0};
        TRY(x509_issue(&request, &signer, &made, detail));
        TRY(write_pem_cert(path, buf_view(&made), "certification authority", detail));
    } else {
        init_say(false, "certification authority: %s", path);
    }
    return read_cert(path, der, detail);
}

struct leaf {
    const char *cert_path;
    const char *key_path;
    const char *host;
    const char *what;
    bool local; /* localhost and loopback addresses too */
};

static enum err make_leaf(struct init *init, struct bytes ca, const struct leaf *leaf,
                          struct err_detail *detail)
{
    if (access(leaf->cert_path, F_OK) == 0 && access(leaf->key_path, F_OK) == 0) {
        init_say(false, "%s: %s", leaf->what, leaf->cert_path);
        return ERR_OK;
    }
    AUTO(x509_key_freep) struct x509_key *key = NULL;
    TRY(x509_key_generate(&key, detail));
    AUTO(secret_freep) struct secret *pem = NULL;
    TRY(x509_key_to_pem(key, &pem));
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    int64_t now = clock_now_s();
    struct x509_request request = {.profile = X509_PEER,
                                   .cn = leaf->host,
                                   .spki = x509_key_spki(key),
                                   .not_before = now - DAY,
                                   .not_after = now + LEAF_DAYS * DAY,
                                   .issuer_cert = ca};
    request.names.dns[request.names.dns_count++] = leaf->host;
    if (leaf->local && strcmp(leaf->host, "localhost") != 0)
        request.names.dns[request.names.dns_count++] = "localhost";
    if (leaf->local)
        request.names.ip[request.names.ip_count++] = BYTES(loopback);
    const struct x509_signer signer = {sign_by_ca, init};
    AUTO(buf_done) struct buf der = {0};
    TRY(x509_issue(&request, &signer, &der, detail));
    /* both or neither: an old half would not fit */
    (void)unlink(leaf->cert_path);
    TRY(file_write(leaf->key_path, secret_view(pem), 0600, detail));
    return write_pem_cert(leaf->cert_path, buf_view(&der), leaf->what, detail);
}

static enum err write_public_key(struct init *init, struct err_detail *detail)
{
    char path[PATH_MAX];
    TRY(init_state_path(init, "kms_key.pub.pem", path, sizeof path));
    AUTO(buf_done) struct buf pem = {0};
    TRY(rsa_public_to_pem(init->server_public, &pem));
    return init_write(path, buf_view(&pem), 0644, "server's public key", detail);
}

static const char common_properties[] =
    "VendorId=0\nSupportedApplicationIds.0.ApplicationIdType=Auth\n"
    "SupportedApplicationIds.0.ApplicationId=2\n"
    "SupportedApplicationIds.0.VendorId=0\n";

static enum err write_server_properties(struct init *init, const char *host, const char *gateway,
                                        struct err_detail *detail)
{
    const char *state = init->settings.daemon.state_directory;
    const char *realm = strchr(gateway, '.');
    AUTO(buf_done) struct buf text = {0};
    TRY(buf_printf(
        &text,
        "# Diameter identity and peers of this server; see docs/diameter.md\n"
        "URI=aaas://%s\nRealm=%s\nStackType=SERVER\nProductName=Claviger\n%s"
        "InbandSecurityIds.0.SecurityId=TLS\nInbandSecurityIds.1.SecurityId=NO_INBAND_SECURITY\n"
        "# a gateway of this table may read the networks of its realm\n"
        "PeerTable.0.URI=aaas://%s\nPeerTable.0.Realm=%s\n"
        "TLS.CertificateFile=%s/%s\nTLS.PrivateKeyFile=%s/%s\nTLS.CaFile=%s/%s\n",
        host, DEMO_REALM, common_properties, gateway, realm != NULL ? realm + 1 : gateway, state,
        SERVICE_CERT_FILE, state, SERVICE_KEY_FILE, state, SERVICE_CA_FILE));
    return init_write(init->settings.diameter.properties, buf_view(&text), 0600,
                      "Diameter properties", detail);
}

/* The port of the first address, or `fallback`. */
static unsigned port_of(const struct settings_list *addresses, unsigned fallback)
{
    char host[256];
    uint16_t port = 0;
    if (addresses->len == 0 ||
        net_address_parse(addresses->items[0], (uint16_t)fallback, host, &port) != ERR_OK)
        return fallback;
    return port;
}

/* Key, certificate and diameter_client.conf of the demonstration's gateway, beside the server's
 * property file. */
static enum err make_gateway(struct init *init, struct bytes ca, const char *host,
                             const char *gateway, struct err_detail *detail)
{
    char dir[PATH_MAX], path[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
    int len = snprintf(dir, sizeof dir, "%s", init->settings.diameter.properties);
    char *slash = strrchr(dir, '/');
    if (len < 0 || (size_t)len + sizeof "/diameter_client.conf" >= sizeof dir || slash == NULL)
        return err_set(detail, ERR_LIMIT, "path too long");
    *slash = '\0';
    if (snprintf(path, sizeof path, "%s/gateway", dir) >= (int)sizeof path ||
        snprintf(cert, sizeof cert, "%s/gateway/gateway.pem", dir) >= (int)sizeof cert ||
        snprintf(key, sizeof key, "%s/gateway/gateway.key", dir) >= (int)sizeof key)
        return err_set(detail, ERR_LIMIT, "path too long");
    TRY(file_mkdirs(path, 0700, detail));
    const struct leaf leaf = {
        .cert_path = cert, .key_path = key, .host = gateway, .what = "gateway's certificate"};
    TRY(make_leaf(init, ca, &leaf, detail));
    AUTO(buf_done) struct buf text = {0};
    const char *realm = strchr(gateway, '.');
    TRY(buf_printf(
        &text,
        "# Key management client of the gateway %s; see docs/diameter.md\n"
        "URI=aaa://%s\nRealm=%s\nStackType=CLIENT\nProductName=Claviger-KMC\n%s"
        "PeerTable.0.URI=aaas://%s:%u\nPeerTable.0.Realm=%s\nPeerTable.0.PeerConnecting=true\n"
        "TLS.CertificateFile=%s\nTLS.PrivateKeyFile=%s\nTLS.CaFile=%s/%s\n"
        "Cache.File=%s/gateway/keys.cache\nCache.KeyFile=%s/gateway/cache.key\n",
        gateway, gateway, realm != NULL ? realm + 1 : gateway, common_properties, host,
        port_of(&init->settings.diameter.listen_tls, 5658), realm != NULL ? realm + 1 : gateway,
        cert, key, init->settings.daemon.state_directory, SERVICE_CA_FILE, dir, dir));
    if (snprintf(path, sizeof path, "%s/diameter_client.conf", dir) >= (int)sizeof path)
        return err_set(detail, ERR_LIMIT, "path too long");
    return init_write(path, buf_view(&text), 0600, "gateway's properties", detail);
}

static void default_host(bool demonstration, char *to, size_t cap)
{
    (void)snprintf(to, cap, "%s", DEMO_HOST);
    if (!demonstration && gethostname(to, cap) != 0)
        (void)snprintf(to, cap, "%s", DEMO_HOST);
    to[cap - 1] = '\0';
}

enum err init_certificates(struct init *init, struct err_detail *detail)
{
    char fallback[256], cert[PATH_MAX], key[PATH_MAX];
    default_host(init->demonstration, fallback, sizeof fallback);
    const char *host = options_get(init->options, "host");
    const char *gateway = options_get(init->options, "gateway");
    host = host != NULL ? host : fallback;
    gateway = gateway != NULL ? gateway : DEMO_GATEWAY;
    AUTO(buf_done) struct buf ca = {0};
    TRY(make_ca(init, host, &ca, detail));
    TRY(init_state_path(init, SERVICE_CERT_FILE, cert, sizeof cert));
    TRY(init_state_path(init, SERVICE_KEY_FILE, key, sizeof key));
    const struct leaf leaf = {.cert_path = cert,
                              .key_path = key,
                              .host = host,
                              .what = "server's certificate",
                              .local = true};
    TRY(make_leaf(init, buf_view(&ca), &leaf, detail));
    TRY(write_public_key(init, detail));
    if (!init->demonstration || *init->settings.diameter.properties == '\0')
        return ERR_OK;
    TRY(make_gateway(init, buf_view(&ca), host, gateway, detail));
    return write_server_properties(init, host, gateway, detail);
}
