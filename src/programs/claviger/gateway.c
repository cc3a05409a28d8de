#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "base/file.h"
#include "crypto/pem.h"
#include "crypto/x509.h"
#include "programs/claviger/commands.h"

#define SECRET_FILE_MAX ((size_t)64)

static void print_gateway(const struct cli *cli, const json_t *gateway)
{
    cli_say(cli,
            "gateway    %s\nrealm      %s\nconnected  %s\nlink       %s\nfrom       %s\nmay read  ",
            cli_text(gateway, "host"), cli_text(gateway, "realm"),
            json_is_true(json_object_get(gateway, "connected")) ? "yes" : "no",
            json_is_true(json_object_get(gateway, "require_tls")) ? "TLS only" : "plain or TLS",
            cli_text(gateway, "origin"));
    size_t i;
    const json_t *network;
    json_array_foreach(json_object_get(gateway, "networks"), i, network)
    {
        cli_say(cli, " %s", json_string_value(network));
    }
    cli_say(cli, "\n");
}

/* Key and certificate request of the gateway, made here: its private key never leaves this folder.
 */
static enum err make_key(struct cli *cli, const char *host, const char *key_path,
                         struct buf *csr_pem)
{
    AUTO(x509_key_freep) struct x509_key *key = NULL;
    AUTO(secret_freep) struct secret *pem = NULL;
    AUTO(buf_done) struct buf csr = {0};
    struct x509_names names = {.dns = {host}, .dns_count = 1};
    TRY(x509_key_generate(&key, &cli->detail));
    TRY(x509_key_to_pem(key, &pem));
    TRY(x509_csr_make(key, strlen(host) <= X509_CN_MAX ? host : "gateway", &names, &csr,
                      &cli->detail));
    TRY(pem_encode("CERTIFICATE REQUEST", buf_view(&csr), csr_pem));
    return file_write(key_path, secret_view(pem), 0600, &cli->detail);
}

static enum err write_text(struct cli *cli, const char *dir, const char *name, const char *text,
                           mode_t mode)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s%s%s", dir, cli_slash(dir), name) >= (int)sizeof path)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", dir);
    return file_write(path, bytes_str(text), mode, &cli->detail);
}

/* The address gateways connect to, as far as the daemon's services tell. */
static void server_uri(struct cli *cli, char *to, size_t cap)
{
    (void)snprintf(to, cap, "aaas://kms.example");
    AUTO(json_freep) json_t *status = NULL;
    if (cli_call(cli, NET_HTTP_GET, NULL, &status, "/v1/status") != ERR_OK)
        return;
    size_t i;
    const json_t *service;
    json_array_foreach(json_object_get(status, "services"), i, service)
    {
        if (strcmp(cli_text(service, "service"), "identity") == 0)
            (void)snprintf(to, cap, "%s", cli_text(service, "state"));
    }
}

static enum err write_folder(struct cli *cli, const char *host, const char *realm, const char *dir)
{
    char key_path[PATH_MAX], real[PATH_MAX], uri[320];
    AUTO(buf_done) struct buf csr = {0};
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_freep) json_t *answer = NULL;
    TRY(file_mkdirs(dir, 0700, &cli->detail));
    if (realpath(dir, real) == NULL ||
        snprintf(key_path, sizeof key_path, "%s/gateway.key", real) >= (int)sizeof key_path)
        return err_errno(&cli->detail, "%s", dir);
    TRY(make_key(cli, host, key_path, &csr));
    TRY(cli_call(cli, NET_HTTP_POST,
                 json_pack("{s:s#}", "request", (const char *)csr.data, csr.len), &answer,
                 "/v1/gateways/%s/certificate", cli_escape(host)));
    TRY(write_text(cli, real, "gateway.pem", cli_text(answer, "certificate"), 0644));
    TRY(write_text(cli, real, "ca.pem", cli_text(answer, "ca"), 0644));
    server_uri(cli, uri, sizeof uri);
    TRY(buf_printf(
        &text,
        "# Key management client of the gateway %s; see docs/diameter.md\n"
        "URI=aaa://%s\nRealm=%s\nStackType=CLIENT\nProductName=Claviger-KMC\nVendorId=0\n"
        "SupportedApplicationIds.0.ApplicationIdType=Auth\nSupportedApplicationIds.0.ApplicationId="
        "2\n"
        "SupportedApplicationIds.0.VendorId=0\n"
        "PeerTable.0.URI=%s\nPeerTable.0.Realm=%s\nPeerTable.0.PeerConnecting=true\n"
        "TLS.CertificateFile=%s/gateway.pem\nTLS.PrivateKeyFile=%s/gateway.key\nTLS.CaFile=%s/"
        "ca.pem\n"
        "Cache.File=%s/keys.cache\nCache.KeyFile=%s/cache.key\n",
        host, host, realm, uri, realm, real, real, real, real, real));
    TRY(buf_append(&text, bytes_of("", 1)));
    TRY(write_text(cli, real, "diameter_client.conf", (const char *)text.data, 0600));
    cli_say(cli, "key, certificate and diameter_client.conf: %s\n", dir);
    return ERR_OK;
}

enum err command_gateway_create(struct cli *cli)
{
    const char *host = cli_arg(cli, 0), *realm = cli_option(cli, "realm"), *dot = strchr(host, '.');
    if (realm == NULL && dot == NULL)
        return err_set(&cli->detail, ERR_ARGUMENT, "'%s' has no dot; give its realm with --realm",
                       host);
    realm = realm != NULL ? realm : dot + 1;
    json_t *networks = json_array();
    const char *network;
    for (size_t n = 0; (network = options_get_nth(cli->options, "network", n)) != NULL; n++)
        (void)json_array_append_new(networks, json_string(network));
    json_t *body = json_pack("{s:s s:s s:b s:o}", "host", host, "realm", realm, "require_tls",
                             cli_option(cli, "plain") == NULL, "networks", networks);
    if (body == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "the name or realm is not UTF-8 text");
    if (cli_option(cli, "secret-file") != NULL) {
        AUTO(secret_freep) struct secret *secret = NULL;
        enum err err = file_read_secret(cli_option(cli, "secret-file"), SECRET_FILE_MAX, &secret,
                                        &cli->detail);
        if (err == ERR_OK)
            err = cli_set_secret(cli, body, "secret", secret);
        if (err != ERR_OK) {
            json_decref(body);
            return err;
        }
    }
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_POST, body, &answer, "/v1/gateways"));
    if (!cli_print_json(cli, answer))
        print_gateway(cli, answer);
    const char *dir = cli_option(cli, "output");
    return dir != NULL ? write_folder(cli, host, realm, dir) : ERR_OK;
}

enum err command_gateway_list(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/gateways"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"gateway", "realm", "connected", "networks", "from"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i, k;
    const json_t *gateway, *network;
    json_array_foreach(json_object_get(answer, "gateways"), i, gateway)
    {
        char networks[512] = "";
        json_array_foreach(json_object_get(gateway, "networks"), k, network)
        {
            size_t used = strlen(networks);
            (void)snprintf(networks + used, sizeof networks - used, "%s%s", k > 0 ? " " : "",
                           json_string_value(network));
        }
        const char *cells[] = {cli_text(gateway, "host"), cli_text(gateway, "realm"),
                               json_is_true(json_object_get(gateway, "connected")) ? "yes" : "no",
                               networks, cli_text(gateway, "origin")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

enum err command_gateway_show(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/gateways/%s", cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        print_gateway(cli, answer);
    return ERR_OK;
}

static enum err set_access(struct cli *cli, bool allow)
{
    AUTO(json_freep) json_t *answer = NULL;
    json_t *body = json_pack("{s:s s:b}", "network", cli_arg(cli, 1), "allow", allow);
    TRY(cli_call(cli, NET_HTTP_PATCH, body, &answer, "/v1/gateways/%s",
                 cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        print_gateway(cli, answer);
    return ERR_OK;
}

enum err command_gateway_allow(struct cli *cli)
{
    return set_access(cli, true);
}

enum err command_gateway_deny(struct cli *cli)
{
    return set_access(cli, false);
}

enum err command_gateway_remove(struct cli *cli)
{
    TRY(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/gateways/%s", cli_escape(cli_arg(cli, 0))));
    cli_say(cli, "gateway '%s' is removed\n", cli_arg(cli, 0));
    return ERR_OK;
}
