#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/json.h"
#include "api/resources.h"
#include "audit_kinds.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/x509.h"
#include "fleet/peer.h"

#define DAY       INT64_C(86400)
#define LEAF_DAYS 825
#define CERT_MAX  ((size_t)64 * 1024)

static json_t *peer_json(const struct api_call *call, const struct fleet_peer_info *info)
{
    const struct fleet_peer *peer = &info->peer;
    const struct api_daemon *daemon = api_daemon(call->api);
    json_t *networks = json_array();
    for (uint32_t i = 0; i < info->networks && i < FLEET_PEER_NETWORKS_MAX; i++)
        (void)json_array_append_new(networks, json_string(info->network[i]));
    bool connected = daemon->connected != NULL && daemon->connected(daemon->ctx, peer->host);
    return json_pack("{s:s s:s s:b s:b s:b s:b s:s s:o s:o}", "host", peer->host, "realm",
                     peer->realm, "enabled", peer->enabled, "require_tls", peer->require_tls,
                     "has_secret", peer->has_secret, "connected", connected, "origin",
                     peer->id == 0 ? "property file" : "store", "created",
                     json_of_time(peer->created), "networks", networks);
}

struct list_ctx {
    const struct api_call *call;
    json_t *list;
};

static enum err add_peer(void *ctx, const struct fleet_peer_info *info, struct err_detail *detail)
{
    (void)detail;
    const struct list_ctx *list = ctx;
    return json_array_append_new(list->list, peer_json(list->call, info)) == 0 ? ERR_OK
                                                                               : ERR_NO_MEMORY;
}

static enum err list_gateways(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(json_freep) json_t *array = json_array();
    struct list_ctx ctx = {.call = call, .list = array};
    TRY(fleet_peer_list(&call->fleet, add_peer, &ctx, detail));
    return api_give(json_pack("{s:O}", "gateways", array), ret_answer);
}
API_HANDLER(list_gateways)

static enum err show(struct api_call *call, const char *host, json_t **ret_answer,
                     struct err_detail *detail)
{
    struct fleet_peer_info *info = calloc(1, sizeof *info);
    if (info == NULL)
        return ERR_NO_MEMORY;
    enum err err = fleet_peer_show(&call->fleet, host, detail, info);
    if (err == ERR_OK)
        err = api_give(peer_json(call, info), ret_answer);
    free(info);
    return err;
}

static enum err show_gateway(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    return show(call, net_http_param(call->http, "host"), ret_answer, detail);
}
API_HANDLER(show_gateway)

/* The record, then what it may read, then its secret: where one fails the record goes again. */
static enum err fill_gateway(struct api_call *call, const char *host, struct err_detail *detail)
{
    size_t i;
    const json_t *network;
    json_array_foreach(json_object_get(call->body, "networks"), i, network)
    {
        TRY(fleet_peer_allow(&call->fleet, host, json_string_value(network), true, detail));
    }
    const char *secret = NULL;
    TRY(api_text_optional(call, "secret", &secret, detail));
    return secret != NULL ? fleet_peer_set_secret(&call->fleet, host, bytes_str(secret), detail)
                          : ERR_OK;
}

static enum err check_networks(const struct api_call *call, struct err_detail *detail)
{
    const json_t *networks = json_object_get(call->body, "networks"), *network;
    size_t i;
    bool good = networks == NULL || json_is_array(networks);
    json_array_foreach(networks, i, network)
    {
        good = good && json_is_string(network);
    }
    return good ? ERR_OK : err_set(detail, ERR_ARGUMENT, "field 'networks': texts wanted");
}

static enum err create_gateway(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    struct fleet_peer_create request = {.require_tls = true};
    uint32_t id = 0;
    TRY(api_text(call, "host", &request.host, detail));
    TRY(api_text(call, "realm", &request.realm, detail));
    TRY(api_flag(call, "require_tls", &request.require_tls, detail));
    TRY(check_networks(call, detail));
    TRY(fleet_peer_create(&call->fleet, &request, detail, &id));
    enum err err = fill_gateway(call, request.host, detail);
    if (err != ERR_OK) {
        struct err_detail undo = {0};
        if (fleet_peer_remove(&call->fleet, request.host, &undo) != ERR_OK)
            return err_set(detail, err, "the gateway was made but may read nothing: %s", undo.text);
        return err;
    }
    return show(call, request.host, ret_answer, detail);
}
API_HANDLER(create_gateway)

static enum err change_gateway(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    const char *host = net_http_param(call->http, "host");
    const char *network = NULL;
    bool allow = true;
    TRY(api_text(call, "network", &network, detail));
    TRY(api_flag(call, "allow", &allow, detail));
    TRY(fleet_peer_allow(&call->fleet, host, network, allow, detail));
    return show(call, host, ret_answer, detail);
}
API_HANDLER(change_gateway)

static enum err remove_gateway(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    (void)ret_answer;
    const char *host = net_http_param(call->http, "host");
    const struct api_daemon *daemon = api_daemon(call->api);
    TRY(fleet_peer_remove(&call->fleet, host, detail));
    if (daemon->disconnect != NULL)
        daemon->disconnect(daemon->ctx, host);
    return ERR_OK;
}
API_HANDLER(remove_gateway)

struct ca_ctx {
    const struct api_call *call;
    const char *host;
};

static enum err sign_by_ca(void *arg, const uint8_t digest[32], struct buf *to,
                           struct err_detail *detail)
{
    const struct ca_ctx *ca = arg;
    char what[FLEET_HOST_MAX + 32];
    (void)snprintf(what, sizeof what, "certificate of gateway %s", ca->host);
    return keeper_sign_certificate(ca->call->fleet.keeper, ca->call->fleet.actor.name, digest, what,
                                   to, detail);
}

static enum err read_pem(const char *label, struct bytes pem, struct buf *der,
                         struct err_detail *detail)
{
    enum err err = pem_decode(label, &pem, der, detail);
    return err == ERR_NOT_FOUND ? err_set(detail, ERR_SYNTAX, "a PEM %s is wanted", label) : err;
}

static enum err note_certificate(struct api_call *call, const char *host, struct bytes der,
                                 struct err_detail *detail)
{
    uint8_t digest[32];
    char hex[65], text[FLEET_HOST_MAX + 128];
    TRY(hash_sha256(&der, 1, digest));
    hex_encode(BYTES(digest), hex);
    (void)snprintf(text, sizeof text, "%s, SHA-256 %s", host, hex);
    const struct keeper_note note = {.kind = AUDIT_CERTIFICATE_ISSUED, .text = text};
    return keeper_note_event(call->fleet.keeper, call->fleet.actor.name, &note, detail);
}

/* A certificate for a gateway's own key: POST {"request": "PEM certificate request"}. The name
 * comes from the record, not from the request. */
static enum err certify_gateway(struct api_call *call, json_t **ret_answer,
                                struct err_detail *detail)
{
    const char *host = net_http_param(call->http, "host");
    const char *csr_pem = NULL;
    TRY(api_text(call, "request", &csr_pem, detail));
    AUTO(json_freep) json_t *known = NULL;
    TRY(show(call, host, &known, detail));
    AUTO(buf_done) struct buf csr = {0};
    AUTO(buf_done) struct buf ca_pem = {0};
    AUTO(buf_done) struct buf ca = {0};
    struct x509_info info;
    TRY(read_pem("CERTIFICATE REQUEST", bytes_str(csr_pem), &csr, detail));
    TRY(x509_csr_parse(buf_view(&csr), &info, detail));
    TRY(file_read(api_daemon(call->api)->ca_file, CERT_MAX, &ca_pem, detail));
    TRY(read_pem("CERTIFICATE", buf_view(&ca_pem), &ca, detail));
    int64_t now = clock_now_s();
    struct x509_request request = {.profile = X509_PEER,
                                   .cn = strlen(host) <= X509_CN_MAX ? host : "gateway",
                                   .spki = info.spki,
                                   .not_before = now - DAY,
                                   .not_after = now + LEAF_DAYS * DAY,
                                   .issuer_cert = buf_view(&ca)};
    request.names.dns[request.names.dns_count++] = host;
    struct ca_ctx ctx = {.call = call, .host = host};
    const struct x509_signer signer = {sign_by_ca, &ctx};
    AUTO(buf_done) struct buf der = {0};
    AUTO(buf_done) struct buf pem = {0};
    TRY(x509_issue(&request, &signer, &der, detail));
    TRY(pem_encode("CERTIFICATE", buf_view(&der), &pem));
    TRY(note_certificate(call, host, buf_view(&der), detail));
    return api_give(json_pack("{s:s# s:s#}", "certificate", (const char *)pem.data, pem.len, "ca",
                              (const char *)ca_pem.data, ca_pem.len),
                    ret_answer);
}
API_HANDLER(certify_gateway)
