#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/certify.h"
#include "api/json.h"
#include "api/resources.h"
#include "fleet/peer.h"

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

/* A certificate for a gateway's own key: POST {"request": "PEM certificate request"}. The name
 * comes from the record, not from the request. */
static enum err certify_gateway(struct api_call *call, json_t **ret_answer,
                                struct err_detail *detail)
{
    const char *host = net_http_param(call->http, "host");
    char who[FLEET_HOST_MAX + 16];
    struct api_certify wanted = {.who = who,
                                 .profile = X509_PEER,
                                 .cn = strlen(host) <= X509_CN_MAX ? host : "gateway",
                                 .dns = host,
                                 .days = API_DAYS_DEFAULT};
    TRY(api_text(call, "request", &wanted.request_pem, detail));
    AUTO(json_freep) json_t *known = NULL;
    TRY(show(call, host, &known, detail));
    (void)snprintf(who, sizeof who, "gateway %s", host);
    AUTO(api_certified_done) struct api_certified made = {0};
    TRY(api_certify(call, &wanted, &made, detail));
    return api_give(json_pack("{s:s# s:s#}", "certificate", (const char *)made.pem.data,
                              made.pem.len, "ca", (const char *)made.ca_pem.data, made.ca_pem.len),
                    ret_answer);
}
API_HANDLER(certify_gateway)
