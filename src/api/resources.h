#pragma once

#include "net/http.h"

/* The handlers of the route table, one line per resource and method; docs/api.md describes them. */

#define API_ROUTES                                                                                 \
    ROUTE(GET, "/v1/status", get_status, 0)                                                        \
    ROUTE(POST, "/v1/reload", reload, 0)                                                           \
    ROUTE(GET, "/v1/server/public-key", get_public_key, 0)                                         \
    ROUTE(GET, "/v1/server/ca", get_ca, 0)                                                         \
    ROUTE(GET, "/v1/networks", list_networks, 0)                                                   \
    ROUTE(POST, "/v1/networks", create_network, API_BODY_MAX)                                      \
    ROUTE(GET, "/v1/networks/{name}", show_network, 0)                                             \
    ROUTE(DELETE, "/v1/networks/{name}", destroy_network, 0)                                       \
    ROUTE(POST, "/v1/networks/{name}/rotate", rotate_key, API_BODY_MAX)                            \
    ROUTE(POST, "/v1/networks/{name}/retire", retire_key, API_BODY_MAX)                            \
    ROUTE(PUT, "/v1/networks/{name}/passphrase", set_passphrase, API_BODY_MAX)                     \
    ROUTE(POST, "/v1/networks/{name}/gateway-keys/export", export_gateway_keys, API_BODY_MAX)      \
    ROUTE(POST, "/v1/networks/{name}/gateway-keys/import", import_gateway_keys, API_BODY_MAX)      \
    ROUTE(GET, "/v1/networks/{name}/nodes", list_nodes, 0)                                         \
    ROUTE(POST, "/v1/networks/{name}/nodes", generate_nodes, API_BODY_MAX)                         \
    ROUTE(POST, "/v1/networks/{name}/nodes/change", change_nodes, API_BODY_MAX)                    \
    ROUTE(GET, "/v1/networks/{name}/nodes/{id}", show_node, 0)                                     \
    ROUTE(GET, "/v1/networks/{name}/batches", list_batches, 0)                                     \
    ROUTE(POST, "/v1/networks/{name}/batches/export", export_batch, API_BODY_MAX)                  \
    ROUTE(POST, "/v1/networks/{name}/batches/import", import_batch, API_BODY_MAX)                  \
    ROUTE(POST, "/v1/networks/{name}/keyring/export", export_keyring, API_BODY_MAX)                \
    ROUTE(POST, "/v1/networks/{name}/keyring/import", import_keyring, API_BODY_MAX)                \
    ROUTE(GET, "/v1/gateways", list_gateways, 0)                                                   \
    ROUTE(POST, "/v1/gateways", create_gateway, API_BODY_MAX)                                      \
    ROUTE(GET, "/v1/gateways/{host}", show_gateway, 0)                                             \
    ROUTE(PATCH, "/v1/gateways/{host}", change_gateway, API_BODY_MAX)                              \
    ROUTE(DELETE, "/v1/gateways/{host}", remove_gateway, 0)                                        \
    ROUTE(POST, "/v1/gateways/{host}/certificate", certify_gateway, API_BODY_MAX)                  \
    ROUTE(GET, "/v1/domains", list_domains, 0)                                                     \
    ROUTE(POST, "/v1/domains/{name}/rotate", rotate_domain, API_BODY_MAX)                          \
    ROUTE(GET, "/v1/audit", show_audit, 0)                                                         \
    ROUTE(POST, "/v1/audit/verify", verify_audit, API_BODY_MAX)                                    \
    ROUTE(GET, "/v1/audit/segments", list_segments, 0)                                             \
    ROUTE(GET, "/v1/audit/segments/{number}", read_segment, 0)                                     \
    ROUTE(POST, "/v1/uploads", create_upload, 0)                                                   \
    ROUTE(PUT, "/v1/uploads/{id}", write_upload, NET_HTTP_BODY_MAX)                                \
    ROUTE(GET, "/v1/downloads/{id}", read_file, 0)                                                 \
    ROUTE(DELETE, "/v1/downloads/{id}", delete_download, 0)                                        \
    ROUTE(GET, "/v1/jobs/{id}", show_job, 0)                                                       \
    ROUTE(DELETE, "/v1/jobs/{id}", cancel_job, 0)

#define API_BODY_MAX ((size_t)64 * 1024)

#define ROUTE(method, pattern, name, body)                                                         \
    void handle_##name(struct net_http_request *request, void *api);
API_ROUTES
#undef ROUTE
